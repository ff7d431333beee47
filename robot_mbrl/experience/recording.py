"""What a recorder keeps of a running graph: a folder of sessions, in which no message comes twice."""

import time
from pathlib import Path

from robot_mbrl.experience.cdr import read_key
from robot_mbrl.experience.reading import newest_stamps
from robot_mbrl.experience.repair import Repair, repair_folder
from robot_mbrl.experience.session import SessionWriter, new_path


class Recording:
    """Writes serialised messages into MCAP files: a new one per start, and whenever one has grown to its limit.

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
            ExperienceError: if the folder holds an MCAP file that is none.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.repairs: list[Repair] = repair_folder(folder)
        """What was mended at this start."""
        self.written = 0
        """Messages written since."""
        self.repeated = 0
        """Messages that were there already."""
        self._folder = folder
        self._keyed = keyed_topics
        self._max_file_bytes = max_file_bytes
        self._newest_ns = newest_stamps(folder, keyed_topics.__contains__, history)
        self._writer: SessionWriter | None = None

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
            Whether it was new.

        Raises:
            MessageError: if a message of a keyed topic has no header.
            ExperienceError: if it cannot be written.
        """
        if topic in self._keyed:
            key = read_key(data)
            place = (topic, key.session)
            if key.stamp_ns <= self._newest_ns.get(place, -1):
                self.repeated += 1
                return False
            self._newest_ns[place] = key.stamp_ns
        self._file().write(topic, type_name, data, time.time_ns())
        self.written += 1
        return True

    def close(self) -> None:
        """Finish the file being written."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _file(self) -> SessionWriter:
        if self._writer is not None and self._writer.size >= self._max_file_bytes:
            self.close()
        if self._writer is None:
            self._writer = SessionWriter(new_path(self._folder))
        return self._writer
