"""What a recorder keeps of a running graph: a folder of sessions, in which no message comes twice."""

import os
import time
from collections.abc import Mapping
from pathlib import Path

from robot_mbrl.errors import ExperienceError
from robot_mbrl.experience.cdr import read_key
from robot_mbrl.experience.definitions import DEFINITIONS
from robot_mbrl.experience.filling import newest_stamps
from robot_mbrl.experience.repair import Repair, repair_folder
from robot_mbrl.experience.session import SessionWriter, new_path

RETRY_S = 5.0
"""After a failure of the disk, or while too little is free on it, a new file is tried this often."""
MEASURE_S = 1.0
"""How often it is seen how much is free on the disk."""
REGAINED = 1.1
"""Times the least that must be free before recording goes on, so that it does not stop and start all the time."""
MEGABYTE = 1_000_000


class Recording:
    """Writes serialised messages into MCAP files: a new one per start, and whenever one has grown to its limit.

    While the disk takes no more, messages are lost and counted, and a new file is tried every few seconds.
    A recorder that restarts is sent the recent history of the topics again; what an earlier file has already is
    recognised by topic, session and stamp. What lasts until it is said anew, such as a state, is repeated at the
    beginning of each file, so that each can be understood by itself.
    """

    def __init__(
        self,
        folder: Path,
        keyed_topics: frozenset[str],
        max_file_bytes: int,
        history: int,
        *,
        lasting_topics: frozenset[str] = frozenset(),
        definitions: Mapping[str, str] = DEFINITIONS,
        min_free_bytes: int = 0,
    ) -> None:
        """Repair what a killed recorder left behind, and see what it had.

        Args:
            folder: where sessions lie; made if needed.
            keyed_topics: topics whose messages begin with a header of session and stamp, in order.
            max_file_bytes: a file that has grown to this is finished, and another begun.
            history: most messages of a topic that a late joiner is sent.
            lasting_topics: topics whose newest message counts until the next.
            definitions: those of the types that are recorded, by type name.
            min_free_bytes: with less than this free on the disk, the file is finished and nothing is written.

        Raises:
            ExperienceError: if the folder cannot be made.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ExperienceError(f"{folder}: nothing can be recorded there ({error.strerror})") from error
        self.unread: dict[str, str] = {}
        """Files in the folder that cannot be read, and why: what they hold may be recorded twice."""
        self.repairs: list[Repair] = repair_folder(folder, self.unread)
        """What was mended at this start."""
        self.written = 0
        """Messages written since."""
        self.repeated = 0
        """Messages that were there already."""
        self.lost = 0
        """Messages that the disk did not take."""
        self.fault = ""
        """Why the newest message could not be written; empty if it could."""
        self._folder = folder
        self._keyed = keyed_topics
        self._max_file_bytes = max_file_bytes
        self._definitions = definitions
        self._min_free_bytes = min_free_bytes
        self._measured_s = 0.0
        self._lasting: dict[str, tuple[str, bytes] | None] = dict.fromkeys(lasting_topics)
        self._newest_ns = newest_stamps(folder, keyed_topics.__contains__, history, self.unread)
        self._writer: SessionWriter | None = None
        self._in_file = 0
        self._retry_s = 0.0

    @property
    def path(self) -> Path | None:
        """The file being written; None before the first message."""
        return self._writer.path if self._writer is not None else None

    def add(self, topic: str, type_name: str, data: bytes) -> bool:
        """Write one message, received now, unless it is there already.

        Args:
            topic: its topic, with namespace.
            type_name: its type.
            data: the message as CDR.

        Returns:
            Whether it was written; `fault` says why one that is new was not.

        Raises:
            MessageError: if a message of a keyed topic has no header.
        """
        key = read_key(data) if topic in self._keyed else None
        if key is not None and key.stamp_ns <= self._newest_ns.get((topic, key.session), -1):
            self.repeated += 1
            return False
        if not self._write(topic, type_name, data):
            self.lost += 1
            return False
        if key is not None:
            self._newest_ns[topic, key.session] = key.stamp_ns
        self.written += 1
        return True

    def _note_lasting(self, topic: str, type_name: str, data: bytes) -> None:
        if topic in self._lasting:
            self._lasting[topic] = (type_name, data)

    def close(self) -> None:
        """Finish the file being written.

        Raises:
            ExperienceError: if the disk takes no more; the file is repaired at the next start.
        """
        if self._writer is not None:
            writer, self._writer = self._writer, None
            writer.close()

    def _write(self, topic: str, type_name: str, data: bytes) -> bool:
        if time.monotonic() < self._retry_s:
            self._note_lasting(topic, type_name, data)
            return False
        try:
            self._require_room()
            self._file().write(topic, type_name, data, time.time_ns())
        except (ExperienceError, OSError) as error:
            self._give_up_file()
            self._retry_s = time.monotonic() + RETRY_S
            self.fault = str(error)
            return False
        finally:
            self._note_lasting(topic, type_name, data)
        self._in_file += 1
        self.fault = ""
        return True

    def _require_room(self) -> None:
        """Finish the file while the disk still has room for that.

        Raises:
            ExperienceError: if less than the limit is free.
        """
        if (now_s := time.monotonic()) < self._measured_s + MEASURE_S:
            return
        free, limit = free_bytes(self._folder), self._min_free_bytes
        if free < limit * (REGAINED if self.fault else 1.0):
            self.close()
            raise ExperienceError(
                f"recording rests: {free // MEGABYTE} MB are free on the disk of {self._folder}, and "
                f"{limit // MEGABYTE} shall stay free: make room, or lower min_free_mb"
            )
        self._measured_s = now_s

    def _give_up_file(self) -> None:
        if self._writer is not None and not self._in_file:
            # A disk that stays full shall not fill up with empty files.
            self._writer.path.unlink(missing_ok=True)
        self._writer = None

    def _file(self) -> SessionWriter:
        if self._writer is not None and self._writer.size >= self._max_file_bytes:
            self.close()
        if self._writer is None:
            self._writer, self._in_file = SessionWriter(new_path(self._folder), self._definitions), 0
            for topic, message in self._lasting.items():
                if message is not None:
                    self._writer.write(topic, *message, time.time_ns())
        return self._writer


def free_bytes(folder: Path) -> int:
    """What is free on a folder's disk for those who are not root."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize
