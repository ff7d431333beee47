"""The messages of a bag's files, whatever they are stored in. Nothing is ever written beside them."""

import functools
import shutil
import sqlite3
import struct
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import zstandard
from mcap.exceptions import McapError
from mcap.reader import make_reader
from mcap.records import Channel, Schema
from mcap.well_known import MessageEncoding, SchemaEncoding
from mcap_ros2.decoder import DecoderFactory

from robot_mbrl.errors import ExperienceError, MessageError
from robot_mbrl.experience.message_files import RecordedMessage, Survey, Wanted, decoder, read_messages
from robot_mbrl.imports.bag import Bag, is_packed

ZSTD_MAGIC = zstandard.FRAME_HEADER
"""What a compressed message begins with."""


class BagFiles:
    """A bag's files, opened for reading; a context manager, since those that are packed are unpacked elsewhere."""

    def __init__(self, bag: Bag) -> None:
        """Prepare."""
        self.bag = bag
        self._opened = ExitStack()
        self._paths: tuple[Path, ...] = ()

    def __enter__(self) -> "BagFiles":
        self._paths = tuple(self._opened.enter_context(_readable(path)) for path in self.bag.parts)
        return self

    def __exit__(self, *error: object) -> None:
        self._opened.close()

    def topics(self) -> dict[str, str]:
        """The type of each topic in it, by name.

        Raises:
            ExperienceError: if a file is none of those that it seems to be.
        """
        found: dict[str, str] = {}
        for path in self._paths:
            found |= _types_in_sqlite(path) if _is_sqlite(path) else _types_in_mcap(path)
        return found

    def messages(
        self, wanted: Wanted, surveys: dict[Path, Survey], order: Sequence[int] | None = None
    ) -> Iterator[tuple[int, RecordedMessage]]:
        """Messages with the number of the file they lie in, each file in the order it was written.

        Args:
            wanted: tells which messages to give.
            surveys: is told, by path as it was given, what each file holds and has lost.
            order: numbers of the files to read; all of them in the bag's order if not given.
        """
        for number in range(len(self._paths)) if order is None else order:
            path, survey = self._paths[number], surveys.setdefault(self.bag.parts[number], Survey())
            read = _read_sqlite if _is_sqlite(path) else read_messages
            for message in read(path, wanted, survey):
                yield number, _completed(message)


def _is_sqlite(path: Path) -> bool:
    return path.suffix == ".db3"


@contextmanager
def _readable(path: Path) -> Iterator[Path]:
    """The file, or a copy of it: unpacked, or together with what SQLite has not written into it yet."""
    beside = path.with_name(f"{path.name}-wal")
    if not is_packed(path) and not (_is_sqlite(path) and beside.exists()):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="robot-mbrl-") as folder:
        copy = Path(folder) / (path.stem if is_packed(path) else path.name)
        try:
            if is_packed(path):
                with path.open("rb") as packed, copy.open("wb") as unpacked:
                    zstandard.ZstdDecompressor().copy_stream(packed, unpacked)
            else:
                shutil.copy(path, copy)
                shutil.copy(beside, copy.with_name(beside.name))
        except (OSError, zstandard.ZstdError) as error:
            raise ExperienceError(f"{path} cannot be unpacked ({error})") from error
        yield copy


def _types_in_mcap(path: Path) -> dict[str, str]:
    try:
        with path.open("rb") as file:
            summary = make_reader(file).get_summary()
        if summary is not None and summary.channels:
            schemas = {number: schema.name for number, schema in summary.schemas.items()}
            return {c.topic: type_name(schemas.get(c.schema_id, "")) for c in summary.channels.values()}
    except (McapError, OSError, ValueError, EOFError, struct.error):
        pass  # One that is torn or has no summary is gone through.
    return {m.topic: type_name(m.type_name) for m in read_messages(path, survey=Survey())}


def type_name(name: str) -> str:
    """A message type's name as ROS 2 writes it; some writers leave `msg` out."""
    package, _, rest = name.partition("/")
    return name if not rest or "/" in rest else f"{package}/msg/{rest}"


@contextmanager
def _database(path: Path) -> Iterator[sqlite3.Connection]:
    # Immutable: SQLite would else put files of its own beside it. A copy with a log has to be read with it.
    option = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "mode=ro&immutable=1"
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?{option}", uri=True)
    try:
        yield connection
    except sqlite3.Error as error:
        raise ExperienceError(f"{path.name} is no bag in SQLite, or is damaged ({error})") from error
    finally:
        connection.close()


def _types_in_sqlite(path: Path) -> dict[str, str]:
    with _database(path) as database:
        return {name: type_name(kind) for name, kind in database.execute("SELECT name, type FROM topics")}


def _read_sqlite(path: Path, wanted: Wanted, survey: Survey) -> Iterator[RecordedMessage]:
    """Messages of a `.db3` in the order they were written; around what is damaged nothing can be read here."""
    survey.closed = True
    decoders = DecoderFactory()
    with _database(path) as database:
        topics = {number: (name, type_name(kind)) for number, name, kind in database.execute(_TOPICS)}
        survey.topics |= {name for name, _ in topics.values()}
        definitions = _definitions(database)
        schemas = {kind: Schema(index + 1, text, SchemaEncoding.ROS2, kind) for index, (kind, text) in definitions}
        try:
            for number, time_ns, stored in database.execute(_MESSAGES):
                name, kind = topics.get(number, ("", ""))
                survey.messages += 1
                data = _unpacked(stored)
                if name and wanted(name, data):
                    channel = Channel(number, name, MessageEncoding.CDR, {}, 0)
                    decode = decoder(decoders, channel, schemas.get(kind), data)
                    yield RecordedMessage(name, kind, data, time_ns, decode)
        except sqlite3.DatabaseError as error:
            survey.unreadable.append(f"its database is damaged from there on: {error}")


_TOPICS = "SELECT id, name, type FROM topics"
_MESSAGES = "SELECT topic_id, timestamp, data FROM messages ORDER BY id"


def _definitions(database: sqlite3.Connection) -> "enumerate[tuple[str, bytes]]":
    """Definitions by type, with numbers; bags from before ROS 2 Iron have none."""
    try:
        rows = database.execute("SELECT topic_type, encoded_message_definition FROM message_definitions").fetchall()
    except sqlite3.OperationalError:
        rows = []
    return enumerate((type_name(kind), text.encode()) for kind, text in rows if text)


def _unpacked(data: bytes) -> bytes:
    """A message as CDR, also where it was compressed by itself."""
    if not data.startswith(ZSTD_MAGIC):
        return data
    try:
        return zstandard.ZstdDecompressor().decompress(data)
    except zstandard.ZstdError:
        # Whoever decodes it says that it cannot be.
        return data


def _completed(message: RecordedMessage) -> RecordedMessage:
    """The message, unpacked, and decoded by the public definition of its type where the bag brings none."""
    data, decode = _unpacked(message.data), message.decode
    if data is not message.data:
        decode = functools.partial(_decode_by_name, message.type_name, data)
    return replace(message, data=data, decode=functools.partial(_decoded, decode, message.type_name, data))


def _decoded(decode: Callable[[], Any], kind: str, data: bytes) -> Any:
    try:
        return decode()
    except MessageError:
        return _decode_by_name(kind, data)


def _decode_by_name(kind: str, data: bytes) -> Any:
    schema = _known_schema(type_name(kind))
    if schema is None:
        raise MessageError(f"messages of type {kind} cannot be decoded: the bag does not define it")
    return decoder(_KNOWN, Channel(0, "", MessageEncoding.CDR, {}, 0), schema, data)()


_KNOWN = DecoderFactory()


@functools.cache
def _known_schema(kind: str) -> Schema | None:
    """The public definition of a message type of ROS 2; None for those of other packages."""
    # Not at the top: most bags bring their definitions.
    from rosbags.typesys import Stores, TypesysError, get_typestore

    store = get_typestore(Stores.ROS2_JAZZY)
    try:
        text, _ = store.generate_msgdef(kind, ros_version=2)
    except (TypesysError, KeyError):
        return None
    return Schema(sorted(store.fielddefs).index(kind) + 1, text.encode(), SchemaEncoding.ROS2, kind)
