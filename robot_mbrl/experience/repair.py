"""Repair of sessions whose writer was killed: cut after the last whole record, and closed as the format demands."""

import fcntl
import os
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mcap.data_stream import ReadDataStream, RecordBuilder
from mcap.opcode import Opcode
from mcap.records import Channel, DataEnd, Footer, Schema, Statistics

from robot_mbrl.errors import ExperienceError
from robot_mbrl.experience.folder import own_sessions
from robot_mbrl.experience.records import (
    MAGIC,
    PREFIX,
    PRIVATE,
    Gap,
    Record,
    is_closed,
    read_content,
    read_message_head,
    whole_records,
)

_HEAD_BYTES = 22
"""Enough of a message's record for its channel and times."""


@dataclass(frozen=True)
class Repair:
    """What was done to one file."""

    path: Path
    messages: int
    """Messages in the file."""
    lost_bytes: int
    """Bytes of the torn record at its end that were cut off, and of places within it that were no records."""


def repair_folder(folder: Path, unread: dict[str, str] | None = None) -> list[Repair]:
    """Repair every unfinished session in a folder; leave finished files, and those our recorder writes, as they are.

    Other programs' unfinished files are taken for torn ones: none should be writing here. Bags in folders of their own
    are not touched.

    Args:
        folder: where the sessions lie.
        unread: is told the files that cannot be repaired, and why.
    """
    repairs = []
    for path in own_sessions(folder):
        try:
            done = repair(path)
        except (ExperienceError, OSError) as error:
            if unread is not None:
                reason = error.strerror if isinstance(error, OSError) else str(error).removeprefix(f"{path} ")
                unread[str(path)] = f"cannot be read or repaired ({reason})"
            continue
        if done is not None:
            repairs.append(done)
    return repairs


def repair(path: Path) -> Repair | None:
    """Close one MCAP file if its writer could not; a crash meanwhile leaves a file that can be repaired again.

    Returns:
        What was done; None if the file is finished, is being written by a living process, is gone by now, or has lost
        even its first bytes, in which case it held nothing and is removed.

    Raises:
        ExperienceError: if the file is not an MCAP file.
    """
    try:
        unfinished = path.open("r+b")
    except FileNotFoundError:
        return None  # Another process's repair has removed it.
    with unfinished as file:
        if not lock(file) or not is_named(file, path) or is_closed(file):
            return None
        file.seek(0)
        beginning = file.read(len(MAGIC))
        if len(beginning) < len(MAGIC) and MAGIC.startswith(beginning):
            path.unlink()
            return None
        size = file.seek(0, os.SEEK_END)
        survey = _Survey(file)
        file.truncate(survey.end)
        for gap in survey.gaps:
            file.seek(gap.start)
            file.write(PREFIX.pack(PRIVATE, gap.length - PREFIX.size))
        file.seek(survey.end)
        file.write(survey.closing())
        file.flush()
        os.fsync(file.fileno())
        damaged = sum(gap.length for gap in survey.gaps)
        return Repair(path, survey.message_count, size - survey.end + damaged)


def lock(file: BinaryIO, *, wait: bool = False) -> bool:
    """Mark a session as being written by this process, until it is closed or dies.

    Args:
        file: the session.
        wait: whether to wait for another process that has it.

    Returns:
        Whether it is this process's now.
    """
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def is_named(file: BinaryIO, path: Path) -> bool:
    """Whether a path still leads to an open file, which another process may have removed or replaced."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


class _Survey:
    """What lies in an unfinished file, and the records that close it."""

    def __init__(self, file: BinaryIO) -> None:
        self.end = len(MAGIC)
        self._schemas: dict[int, Schema] = {}
        self._channels: dict[int, Channel] = {}
        self._counts: Counter[int] = Counter()
        self._times_ns: tuple[int, int] | None = None
        self._other: Counter[int] = Counter()
        gaps: list[Gap] = []
        for record in whole_records(file, gaps):
            self._note(file, record)
            self.end = record.end
        self.gaps = [gap for gap in gaps if gap.end <= self.end and gap.length >= PREFIX.size]
        """Places within the data that are no records; made one that readers skip."""

    @property
    def message_count(self) -> int:
        return sum(self._counts.values())

    def closing(self) -> bytes:
        """Everything from the end of the data section to the end of the file."""
        builder = RecordBuilder()
        DataEnd(data_section_crc=0).write(builder)
        data_end = _take(builder)
        # A file by another writer may hold chunks, attachments or metadata that a summary must index. Without a
        # summary, which is optional, readers go through the file instead.
        summary = b"" if self._other else self._summary()
        start = self.end + len(data_end) if summary else 0
        Footer(summary_start=start, summary_offset_start=0, summary_crc=0).write(builder)
        footer = _take(builder)
        if summary:
            # The checksum covers the footer up to the checksum itself, its last four bytes.
            crc = zlib.crc32(footer[:-4], zlib.crc32(summary))
            Footer(summary_start=start, summary_offset_start=0, summary_crc=crc).write(builder)
            footer = _take(builder)
        return data_end + summary + footer + MAGIC

    def _note(self, file: BinaryIO, record: Record) -> None:
        match record.opcode:
            case Opcode.MESSAGE:
                head = read_message_head(read_content(file, record, _HEAD_BYTES))
                self._counts[head.channel] += 1
                low, high = self._times_ns or (head.log_time_ns, head.log_time_ns)
                self._times_ns = (min(low, head.log_time_ns), max(high, head.log_time_ns))
            case Opcode.SCHEMA:
                schema = Schema.read(_content_stream(file, record))
                self._schemas[schema.id] = schema
            case Opcode.CHANNEL:
                channel = Channel.read(_content_stream(file, record))
                self._channels[channel.id] = channel
            case Opcode.HEADER:
                pass
            case _ if record.opcode >= PRIVATE:
                pass
            case _:
                self._other[record.opcode] += 1

    def _summary(self) -> bytes:
        builder = RecordBuilder()
        for schema in self._schemas.values():
            schema.write(builder)
        for channel in self._channels.values():
            channel.write(builder)
        low, high = self._times_ns or (0, 0)
        Statistics(
            attachment_count=0,
            channel_count=len(self._channels),
            channel_message_counts=dict(self._counts),
            chunk_count=0,
            message_count=self.message_count,
            message_start_time=low,
            message_end_time=high,
            metadata_count=0,
            schema_count=len(self._schemas),
        ).write(builder)
        return _take(builder)


def _content_stream(file: BinaryIO, record: Record) -> ReadDataStream:
    file.seek(record.offset)
    return ReadDataStream(file)


def _take(builder: RecordBuilder) -> bytes:
    built: bytes = builder.end()  # type: ignore[no-untyped-call]
    return built
