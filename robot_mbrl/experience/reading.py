"""Reading experience back: MCAP files of this project's sessions, or any with the same topics and message types.

Files may be finished, being written, or torn; chunked and compressed ones, as other recorders write them, are read as
well. Topics are recognised by how they end, so that the robot's namespace does not matter.
"""

import io
import struct
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.records import Channel, Chunk, Message, Schema
from mcap.stream_reader import breakup_chunk
from mcap_ros2.decoder import DecoderFactory

from robot_mbrl import topics
from robot_mbrl.errors import ExperienceError, MessageError
from robot_mbrl.experience.cdr import read_joint_state, read_key
from robot_mbrl.experience.records import Record, is_closed, read_content, read_message_head, whole_records
from robot_mbrl.experience.replay import Replay
from robot_mbrl.messages import read_action, read_image, read_observation
from robot_mbrl.pairing import StepPairing
from robot_mbrl.specs import ActionSpec
from robot_mbrl.steps import Step, StepKey

Known = Callable[[StepKey], bool]
"""Tells which steps need not be read."""
Wanted = Callable[[str, bytes], bool]
"""Tells by a message's topic and its beginning whether it is read at all."""

_OBSERVATION = f"/{topics.OBSERVATION}"
_APPLIED = f"/{topics.APPLIED_ACTION}"
_HEAD_BYTES = 512
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


def read_messages(path: Path, wanted: Wanted | None = None) -> Iterator[RecordedMessage]:
    """Messages of one file in the order they were written, up to the last whole one.

    Args:
        path: the file.
        wanted: tells which messages to give; what others hold beyond their beginning, such as a picture's pixels, is
            not even read. All of them if not given.

    Raises:
        ExperienceError: if the file is not MCAP, or a chunk in it is damaged.
    """
    decoders = DecoderFactory()
    schemas: dict[int, Schema] = {}
    channels: dict[int, Channel] = {}

    def wants(channel: int, beginning: bytes) -> bool:
        return wanted is None or wanted(channels[channel].topic, beginning)

    with path.open("rb") as file:
        for entry in _entries(file, path, wants):
            match entry:
                case Schema():
                    schemas[entry.id] = entry
                case Channel():
                    channels[entry.id] = entry
                case Message():
                    channel = channels[entry.channel_id]
                    schema = schemas.get(channel.schema_id)
                    decode = _decoder(decoders, channel, schema, entry.data)
                    name = schema.name if schema is not None else ""
                    yield RecordedMessage(channel.topic, name, entry.data, entry.log_time, decode)


class StepReader:
    """Reads the steps of sessions, and counts what could not become one."""

    def __init__(self, action: ActionSpec, cameras: Sequence[str] = (), known: Known | None = None) -> None:
        """Prepare to read.

        Args:
            action: specification of the recorded actions.
            cameras: names of the pictures that belong to a step.
            known: tells the steps to pass over.
        """
        self._action = action
        self._cameras = {f"/{topics.image(camera)}": camera for camera in cameras}
        # Pictures first: a camera may be called what another topic is.
        self._endings = (*self._cameras, _OBSERVATION, _APPLIED)
        self._known = known
        self._pairing = StepPairing(cameras)
        self.malformed: Counter[str] = Counter()
        """Messages that could not be read, by reason."""

    @property
    def dropped(self) -> int:
        """Steps of which only a part was recorded."""
        return self._pairing.half_pairs

    def read(self, paths: Sequence[Path]) -> Iterator[Step]:
        """Steps of files in the order given; a step may begin in one and be completed in the next.

        Raises:
            ExperienceError: if a file is not MCAP or is damaged.
        """
        for path in paths:
            for message in read_messages(path, self._wants):
                try:
                    step = self._take(message)
                except MessageError as error:
                    self.malformed[f"{message.topic}: {error}"] += 1
                    continue
                if step is not None:
                    yield step

    def _wants(self, topic: str, beginning: bytes) -> bool:
        if self._ending(topic) is None:
            return False
        try:
            return self._known is None or not self._known(read_key(beginning))
        except MessageError:
            # It is counted when it is taken.
            return True

    def _ending(self, topic: str) -> str | None:
        """What tells the part of a step that a topic carries; None for other topics."""
        whole = "/" + topic.lstrip("/")
        return next((ending for ending in self._endings if whole.endswith(ending)), None)

    def _take(self, message: RecordedMessage) -> Step | None:
        ending = self._ending(message.topic)
        if ending == _OBSERVATION:
            return self._pairing.add_observation(read_observation(_named(message)))
        if ending == _APPLIED:
            return self._pairing.add_action(read_action(_named(message), self._action))
        camera = self._cameras[str(ending)]
        return self._pairing.add_image(camera, read_key(message.data), read_image(message.decode()))


@dataclass(frozen=True)
class Filling:
    """What came of reading a folder."""

    files: int
    steps: int
    """Steps that were new."""
    dropped: int
    """Steps of which only a part was recorded."""
    malformed: dict[str, int]
    """Messages that could not be read, and steps that do not fit, by reason."""


def fill_replay(replay: Replay, folder: Path, receive: Callable[[Step], bool] | None = None) -> Filling:
    """Append the steps of every session in a folder that a replay lacks, oldest file first.

    Args:
        replay: what is filled; files it has been through already are passed over, and steps not newer than its newest
            of their session are unread but for their keys.
        folder: where the sessions lie; it need not exist.
        receive: takes each step and tells whether it was new; `replay.append` if not given.

    Raises:
        ExperienceError: if a file is not MCAP or is damaged, or if what was recorded does not fit the replay's task.
            Single steps that do not are passed over and counted.
    """
    take = receive or replay.append
    reader = StepReader(replay.action, tuple(replay.observation.images), lambda key: _has(replay, key))
    paths = sorted(folder.resolve().glob("*.mcap"))
    finished = {str(path): path.stat().st_size for path in paths if _is_finished(path)}
    unread = [path for path in paths if replay.files_read.get(str(path)) != finished.get(str(path), -1)]
    unfit: Counter[str] = Counter()
    new = 0
    for step in reader.read(unread):
        try:
            new += take(step)
        except ExperienceError as error:
            unfit[str(error)] += 1
    if unfit and not len(replay):
        raise ExperienceError(f"{folder}: none of the steps recorded there fits: {next(iter(unfit))}")
    # The newest is read again next time: its last step may be completed in a file that is still to come.
    replay.files_read |= {name: size for name, size in finished.items() if name != str(paths[-1])}
    return Filling(len(paths), new, reader.dropped, dict(reader.malformed + unfit))


def newest_stamps(folder: Path, keyed: Callable[[str], bool], enough: int) -> dict[tuple[str, str], int]:
    """Newest stamp of each (topic, session) in the newest files of a folder, nanoseconds.

    Args:
        folder: where the sessions lie.
        keyed: tells the topics whose messages have a key.
        enough: messages of every topic found after which older files are not looked into.
    """
    newest: dict[tuple[str, str], int] = {}
    counts: Counter[str] = Counter()

    def note(topic: str, beginning: bytes) -> bool:
        if keyed(topic):
            key = read_key(beginning)
            newest[topic, key.session] = max(key.stamp_ns, newest.get((topic, key.session), key.stamp_ns))
            counts[topic] += 1
        return False  # The rest of the message, which may be a picture, need not be read.

    for path in sorted(folder.glob("*.mcap"), reverse=True):
        for _ in read_messages(path, note):
            pass
        if counts and min(counts.values()) >= enough:
            break
    return newest


def _named(message: RecordedMessage) -> Any:
    return read_joint_state(message.data) or message.decode()


def _is_finished(path: Path) -> bool:
    with path.open("rb") as file:
        return is_closed(file)


def _has(replay: Replay, key: StepKey) -> bool:
    newest_ns = replay.newest_ns(key.session)
    return newest_ns is not None and key.stamp_ns <= newest_ns


def _entries(file: BinaryIO, path: Path, wants: Callable[[int, bytes], bool]) -> Iterator[Any]:
    """Schemas, channels and the wanted messages, which are asked for by channel and beginning."""
    for record in whole_records(file):
        match record.opcode:
            case Opcode.SCHEMA:
                yield Schema.read(_stream(file, record))
            case Opcode.CHANNEL:
                yield Channel.read(_stream(file, record))
            case Opcode.MESSAGE:
                content = read_content(file, record, _HEAD_BYTES)
                head = read_message_head(content)
                if wants(head.channel, content[head.data_offset :]):
                    if len(content) < record.length:
                        content = read_content(file, record)
                    yield Message.read(ReadDataStream(io.BytesIO(content)), record.length)
            case Opcode.CHUNK:
                try:
                    entries = breakup_chunk(Chunk.read(_stream(file, record)), validate_crc=True)
                except (McapError, ValueError) as error:
                    raise ExperienceError(f"{path}: a chunk is damaged: {error}") from error
                for entry in entries:
                    if not isinstance(entry, Message) or wants(entry.channel_id, entry.data):
                        yield entry


def _stream(file: BinaryIO, record: Record) -> ReadDataStream:
    return ReadDataStream(io.BytesIO(read_content(file, record)))


def _decoder(decoders: DecoderFactory, channel: Channel, schema: Schema | None, data: bytes) -> Callable[[], Any]:
    def decode() -> Any:
        decoder = decoders.decoder_for(channel.message_encoding, schema)
        if decoder is None:
            raise MessageError(f"{channel.message_encoding or 'unknown'} messages cannot be decoded")
        try:
            return decoder(data)
        except (ValueError, IndexError, RuntimeError, struct.error) as error:
            raise MessageError(f"cannot be decoded: {error}") from error

    return decode
