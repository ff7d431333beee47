"""The records of an MCAP file that lie whole in it: while it is written, after its writer was killed, around damage."""

import io
import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.records import Statistics

from robot_mbrl.errors import ExperienceError

MAGIC = b"\x89MCAP0\r\n"
PREFIX = struct.Struct("<BQ")
"""Kind and length that each record begins with."""
_FOOTER_BYTES = PREFIX.size + 20
_KNOWN = frozenset(int(opcode) for opcode in Opcode)
PRIVATE = 0x80
"""Kinds from here on are an application's own, which readers skip; a repair puts damage into one."""
_CANDIDATE = re.compile(rb"(?=[\x01-\x0f].{4}\x00{4})", re.DOTALL)
"""What may begin a record of less than 4 GB, at every byte where it may."""
_SEARCHED_BYTES = 1 << 20
"""How much is searched at once for the next record."""
_CHAIN = 3
"""Records that must follow one another before bytes behind a damage are taken for records: pictures hold anything."""
_MESSAGE = struct.Struct("<HIQQ")
"""Channel, sequence, log time and publish time that each message begins with."""


@dataclass(frozen=True, slots=True)
class Record:
    """Where a record lies in its file."""

    opcode: int
    offset: int
    """Where its content begins."""
    length: int

    @property
    def start(self) -> int:
        """Where the record begins."""
        return self.offset - PREFIX.size

    @property
    def end(self) -> int:
        """Where the next record begins."""
        return self.offset + self.length


@dataclass(frozen=True, slots=True)
class MessageHead:
    """What the record of a message begins with."""

    channel: int
    log_time_ns: int
    publish_time_ns: int
    data_offset: int
    """Where the serialised message begins in the record's content."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Bytes of a file that should be records and are none."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """How many they are."""
        return self.end - self.start


def whole_records(file: BinaryIO, gaps: list[Gap] | None = None) -> Iterator[Record]:
    """Records of the data section, in order, up to its end.

    The reader may move the file's position as it likes.

    Args:
        file: the file.
        gaps: is told what is no record; reading goes on behind it. None ends it at the first such place.

    Raises:
        ExperienceError: if the file does not begin as MCAP files do, as far as it goes.
    """
    file.seek(0)
    beginning = file.read(len(MAGIC))
    if not MAGIC.startswith(beginning):
        raise ExperienceError(f"{getattr(file, 'name', 'file')} is not an MCAP file")
    size = os.fstat(file.fileno()).st_size
    position: int | None = len(MAGIC)
    while position is not None and position < size:
        record = _record_at(file, position, size)
        if record is not None and record.opcode in (Opcode.DATA_END, Opcode.FOOTER):
            return
        if record is not None:
            yield record
            position = record.end
            continue
        # After a power failure a file may hold zeros, at its end or for a page within it.
        start = position
        position = None if gaps is None else _next_record(file, start + 1, size)
        if gaps is not None:
            gaps.append(Gap(start, size if position is None else position))


def _record_at(file: BinaryIO, position: int, size: int) -> Record | None:
    """The record that begins at a position; None if what is there cannot be one, or is not all there."""
    file.seek(position)
    prefix = file.read(PREFIX.size)
    if len(prefix) < PREFIX.size:
        return None
    opcode, length = PREFIX.unpack(prefix)
    record = Record(opcode, position + PREFIX.size, length)
    too_short = opcode == Opcode.MESSAGE and length < _MESSAGE.size
    return None if (opcode not in _KNOWN and opcode < PRIVATE) or record.end > size or too_short else record


def _next_record(file: BinaryIO, position: int, size: int) -> int | None:
    """Where the records go on at or after a position; None if they do not."""
    while position < size:
        file.seek(position)
        searched = file.read(_SEARCHED_BYTES + PREFIX.size - 1)
        for match in _CANDIDATE.finditer(searched):
            if _is_chain(file, position + match.start(), size):
                return position + match.start()
        position += _SEARCHED_BYTES
    return None


def _is_chain(file: BinaryIO, position: int, size: int) -> bool:
    """Whether several records follow one another from here, or some up to the end of the data."""
    for _ in range(_CHAIN):
        record = _record_at(file, position, size)
        if record is None:
            return False
        if record.opcode == Opcode.DATA_END:
            footer = _record_at(file, record.end, size)
            return record.length == 4 and footer is not None
        position = record.end
    return True


def read_content(file: BinaryIO, record: Record, limit: int | None = None) -> bytes:
    """Content of a record, or its first `limit` bytes."""
    file.seek(record.offset)
    return file.read(record.length if limit is None else min(limit, record.length))


def read_message_head(content: bytes) -> MessageHead:
    """What a message's record says before the message itself."""
    channel, _, log_time_ns, publish_time_ns = _MESSAGE.unpack_from(content)
    return MessageHead(channel, log_time_ns, publish_time_ns, _MESSAGE.size)


def read_statistics(file: BinaryIO) -> Statistics | None:
    """What the writer of a finished file says is in it; None if it is not finished or does not say."""
    if not is_closed(file):
        return None
    size = file.seek(0, os.SEEK_END)
    file.seek(size - len(MAGIC) - _FOOTER_BYTES + PREFIX.size)
    (position,) = struct.unpack("<Q", file.read(8))
    while 0 < position < size:
        record = _record_at(file, position, size)
        if record is None or record.opcode == Opcode.FOOTER:
            return None
        if record.opcode == Opcode.STATISTICS:
            statistics: Statistics = Statistics.read(ReadDataStream(io.BytesIO(read_content(file, record))))
            return statistics
        position = record.end
    return None


def is_closed(file: BinaryIO) -> bool:
    """Whether the file ends in a footer, as the stock readers demand."""
    size = file.seek(0, os.SEEK_END)
    if size < len(MAGIC) + _FOOTER_BYTES + len(MAGIC):
        return False
    file.seek(size - len(MAGIC) - _FOOTER_BYTES)
    return file.read(1)[0] == Opcode.FOOTER and file.read()[-len(MAGIC) :] == MAGIC
