"""The records of an MCAP file that lie whole in it, also while it is being written or after its writer was killed."""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from mcap.opcode import Opcode

from robot_mbrl.errors import ExperienceError

MAGIC = b"\x89MCAP0\r\n"
_PREFIX = struct.Struct("<BQ")
"""Kind and length that each record begins with."""
_FOOTER_BYTES = _PREFIX.size + 20
_KNOWN = frozenset(int(opcode) for opcode in Opcode)
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
        return self.offset - _PREFIX.size

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


def whole_records(file: BinaryIO) -> Iterator[Record]:
    """Records of the data section, in order, up to its end or to the first that is torn or not a record.

    The reader may move the file's position as it likes.

    Raises:
        ExperienceError: if the file does not begin as MCAP files do, as far as it goes.
    """
    file.seek(0)
    beginning = file.read(len(MAGIC))
    if not MAGIC.startswith(beginning):
        raise ExperienceError(f"{getattr(file, 'name', 'file')} is not an MCAP file")
    size = os.fstat(file.fileno()).st_size
    position = len(MAGIC)
    while True:
        file.seek(position)
        prefix = file.read(_PREFIX.size)
        if len(prefix) < _PREFIX.size:
            return
        opcode, length = _PREFIX.unpack(prefix)
        record = Record(opcode, position + _PREFIX.size, length)
        # After a power failure a file may end in zeros, which are no record.
        if opcode not in _KNOWN or record.end > size or opcode in (Opcode.DATA_END, Opcode.FOOTER):
            return
        yield record
        position = record.end


def read_content(file: BinaryIO, record: Record, limit: int | None = None) -> bytes:
    """Content of a record, or its first `limit` bytes."""
    file.seek(record.offset)
    return file.read(record.length if limit is None else min(limit, record.length))


def read_message_head(content: bytes) -> MessageHead:
    """What a message's record says before the message itself."""
    channel, _, log_time_ns, publish_time_ns = _MESSAGE.unpack_from(content)
    return MessageHead(channel, log_time_ns, publish_time_ns, _MESSAGE.size)


def is_closed(file: BinaryIO) -> bool:
    """Whether the file ends in a footer, as the stock readers demand."""
    size = file.seek(0, os.SEEK_END)
    if size < len(MAGIC) + _FOOTER_BYTES + len(MAGIC):
        return False
    file.seek(size - len(MAGIC) - _FOOTER_BYTES)
    return file.read(1)[0] == Opcode.FOOTER and file.read()[-len(MAGIC) :] == MAGIC
