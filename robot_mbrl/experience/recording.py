"""What a recorder keeps of a running graph: a folder of sessions, in which no message comes twice."""

import time
from pathlib import Path

from robot_mbrl.errors import ExperienceError
from robot_mbrl.experience.cdr import read_key
from robot_mbrl.experience.filling import newest_stamps
from robot_mbrl.experience.repair import Repair, repair_folder
from robot_mbrl.experience.session import SessionWriter, new_path

RETRY_S = 5.0
"""After a failure of the disk, a new file is tried this often."""


class Recording:
    """Writes serialised messages into MCAP files: a new one per start, and whenever one has grown to its limit.

    While the disk takes no more, messages are lost and counted, and a new file is tried every few seconds.
    A recorder that restarts is sent the recent history of the topics again; what an earlier file has already is
    recognised by topic, session and stamp.
    """

    def __init__(self, folder: Path, keyed_topics: frozenset[str], max_file_bytes: int, history: int) -> None:
        """Repair what a killed recorder left behind, and see what it had.

        Args:
            folder: where sessions lie; made if needed.
            keyed_topics: topics whose messages begin with a header of session and stamp, in order.
            max_file_bytes: a file that has grown to this is finished, and another begun.
            history: most messages of a topic that a late joiner is sent.

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
            return False
        try:
            self._file().write(topic, type_name, data, time.time_ns())
        except (ExperienceError, OSError) as error:
            if self._writer is not None and not self._in_file:
                # A disk that stays full shall not fill up with empty files.
                self._writer.path.unlink(missing_ok=True)
            self._writer = None
            self._retry_s = time.monotonic() + RETRY_S
            self.fault = str(error)
            return False
        self._in_file += 1
        self.fault = ""
        return True

    def _file(self) -> SessionWriter:
        if self._writer is not None and self._writer.size >= self._max_file_bytes:
            self.close()
        if self._writer is None:
            self._writer, self._in_file = SessionWriter(new_path(self._folder)), 0
        return self._writer
