"""The messages of one MCAP file, whoever wrote it: finished, being written, torn or damaged, in chunks or not."""

import functools
import io
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.records import Channel, Chunk, Header, Message, Schema
from mcap.stream_reader import breakup_chunk
from mcap_ros2.decoder import DecoderFactory
from zstandard import ZstdError

from robot_mbrl.errors import ExperienceError, MessageError
from robot_mbrl.experience.records import (
    Gap,
    Record,
    is_closed,
    read_content,
    read_message_head,
    read_statistics,
    whole_records,
)

Wanted = Callable[[str, bytes], bool]
"""Tells by a message's topic and its beginning whether it is read at all."""

_DAMAGED = (
    McapError,
    ZstdError,
    EOFError,
    KeyError,
    MemoryError,
    OverflowError,
    RuntimeError,
    ValueError,
    struct.error,
)
"""What the libraries raise when they are given bytes that are not what they should be."""
HEAD_BYTES = 512
"""How much of a record is read to decide that: enough for the header that a stamped message begins with."""


@dataclass(frozen=True, slots=True)
class RecordedMessage:
    """A message in a file, not decoded yet."""

    topic: str
    type_name: str
    data: bytes
    log_time_ns: int
    decode: Callable[[], Any]
    """Gives an object with the message's fields.

    Raises:
        MessageError: if the bytes are no such message.
    """


@dataclass
class Survey:
    """What a reading of a file came across beside its messages."""

    library: str = ""
    """Who wrote it, as far as it says."""
    topics: set[str] = field(default_factory=set)
    messages: int = 0
    gaps: list[Gap] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    """Records that are none after all: chunks, and messages of channels that the file does not name."""
    closed: bool = False
    promised: int | None = None
    """Messages that the writer says it has written; None if it does not say."""

    @property
    def loss(self) -> str:
        """What the file has lost, in a sentence; empty if it is whole or still being written."""
        lost = max(0, self.promised - self.messages) if self.promised is not None else 0
        damaged = sum(gap.length for gap in self.gaps)
        if not self.closed or not (lost or damaged or self.unreadable):
            return ""
        how = [f"{damaged} bytes of it are damaged"] if damaged else []
        how += self.unreadable[:3]
        of = f"{lost} of {self.promised} messages" if self.promised is not None else "an unknown number of messages"
        return f"{of} cannot be read ({'; '.join(how) or 'its records end early'}), the others are used"


def read_messages(path: Path, wanted: Wanted | None = None, survey: Survey | None = None) -> Iterator[RecordedMessage]:
    """Messages of one file in the order they were written, up to the last whole one.

    Args:
        path: the file.
        wanted: tells which messages to give; what others hold beyond their beginning, such as a picture's pixels, is
            not even read. All of them if not given.
        survey: is told what the file holds, and what of it is damaged, around which is read then. Without one, the
            first damage is an error, or the end where the file is not finished.

    Raises:
        ExperienceError: if the file cannot be opened, is not MCAP, or a chunk in it is damaged and there is no survey.
    """
    decoders = DecoderFactory()
    schemas: dict[int, Schema] = {}
    channels: dict[int, Channel] = {}
    told = survey or Survey()

    def wants(channel: int, beginning: bytes) -> bool:
        if channel not in channels:
            told.unreadable.append(f"a message of an unknown channel {channel}")
            return False
        told.messages += 1
        return wanted is None or wanted(channels[channel].topic, beginning)

    try:
        file = path.open("rb")
    except OSError as error:
        raise ExperienceError(f"{path}: cannot be read ({error.strerror})") from error
    with file:
        told.closed = is_closed(file)
        statistics = _quietly(lambda: read_statistics(file))
        told.promised = statistics.message_count if statistics is not None else None
        for entry in _entries(file, path, wants, told, salvage=survey is not None):
            match entry:
                case Header():
                    told.library = entry.library
                case Schema():
                    schemas[entry.id] = entry
                case Channel():
                    channels[entry.id] = entry
                    told.topics.add(entry.topic)
                case Message():
                    channel = channels[entry.channel_id]
                    schema = schemas.get(channel.schema_id)
                    decode = decoder(decoders, channel, schema, entry.data)
                    name = schema.name if schema is not None else ""
                    yield RecordedMessage(channel.topic, name, entry.data, entry.log_time, decode)


def _entries(
    file: BinaryIO, path: Path, wants: Callable[[int, bytes], bool], survey: Survey, *, salvage: bool
) -> Iterator[Any]:
    """Header, schemas, channels and the wanted messages, which are asked for by channel and beginning."""
    kinds: dict[Opcode, Any] = {Opcode.HEADER: Header, Opcode.SCHEMA: Schema, Opcode.CHANNEL: Channel}
    for record in whole_records(file, survey.gaps if salvage else None):
        match record.opcode:
            case Opcode.HEADER | Opcode.SCHEMA | Opcode.CHANNEL:
                kind = kinds[Opcode(record.opcode)]
                entry = _quietly(functools.partial(kind.read, _stream(file, record)))
                if entry is None:
                    survey.unreadable.append(f"a damaged {kind.__name__.lower()}")
                else:
                    yield entry
            case Opcode.MESSAGE:
                content = read_content(file, record, HEAD_BYTES)
                head = read_message_head(content)
                if wants(head.channel, content[head.data_offset :]):
                    if len(content) < record.length:
                        content = read_content(file, record)
                    yield Message.read(ReadDataStream(io.BytesIO(content)), record.length)
            case Opcode.CHUNK:
                try:
                    entries = breakup_chunk(Chunk.read(_stream(file, record)), validate_crc=True)
                except _DAMAGED as error:
                    if not salvage:
                        raise ExperienceError(f"{path}: a chunk is damaged: {error}") from error
                    survey.unreadable.append(f"a chunk is damaged: {error}")
                    continue
                for entry in entries:
                    if not isinstance(entry, Message) or wants(entry.channel_id, entry.data):
                        yield entry


def _quietly(read: Callable[[], Any]) -> Any:
    """What a reading gives; None where the bytes are not what they should be."""
    try:
        return read()
    except _DAMAGED:
        return None


def _stream(file: BinaryIO, record: Record) -> ReadDataStream:
    return ReadDataStream(io.BytesIO(read_content(file, record)))


def decoder(decoders: DecoderFactory, channel: Channel, schema: Schema | None, data: bytes) -> Callable[[], Any]:
    """What decodes a serialised message by the definition that is stored beside it; see `RecordedMessage.decode`."""

    def decode() -> Any:
        by_schema = decoders.decoder_for(channel.message_encoding, schema)
        if by_schema is None:
            raise MessageError(f"{channel.message_encoding or 'unknown'} messages cannot be decoded")
        try:
            return by_schema(data)
        except (ValueError, IndexError, RuntimeError, struct.error) as error:
            raise MessageError(f"cannot be decoded: {error}") from error

    return decode
