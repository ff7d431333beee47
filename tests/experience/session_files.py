"""Session files for tests: lives written, torn, read by the stock reader, and compared."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from mcap.reader import make_reader
from mcap.writer import Writer
from mcap_ros2.decoder import DecoderFactory

from robot_mbrl.experience.definitions import DEFINITIONS
from robot_mbrl.experience.message_files import read_messages
from robot_mbrl.experience.session import StepWriter
from robot_mbrl.steps import Step
from tests.experience.lived import ACTION

KEYED = frozenset({"/robot/observation", "/robot/applied_action", "/robot/observation/camera"})


def write_life(folder: Path, steps: list[Step]) -> Path:
    with StepWriter(folder, ACTION, "/robot") as writer:
        for step in steps:
            writer.write(step)
    return max(folder.glob("*.mcap"))


@contextmanager
def limited_file_size(size: int) -> Iterator[None]:
    """What a full disk does: no file of this process can grow beyond so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def tear(path: Path) -> bytes:
    """What a killed writer would have left of a finished file: all up to the end of its data."""
    content = path.read_bytes()
    with path.open("rb") as file:
        summary_start = make_reader(file).get_summary() and int.from_bytes(content[-28:-20], "little")
    torn = content[: summary_start - 13]  # the record that ends the data section
    path.write_bytes(torn)
    return torn


def read_stock(path: Path) -> list[tuple[str, int, dict[str, float]]]:
    """Topic, stamp and named values of each message, as the format's own reader gives them."""
    with path.open("rb") as file:
        reader = make_reader(file, decoder_factories=[DecoderFactory()], validate_crcs=True)
        assert reader.get_header().profile == "ros2"
        return [
            (
                channel.topic,
                decoded.header.stamp.sec * 10**9 + decoded.header.stamp.nanosec,
                dict(zip(decoded.name, decoded.position, strict=True)) if hasattr(decoded, "name") else {},
            )
            for _, channel, _, decoded in reader.iter_decoded_messages(log_time_order=False)
        ]


def same(ours: Step, theirs: Step) -> bool:
    images = (ours.observation.images, theirs.observation.images)
    alike = images[0].keys() == images[1].keys()
    alike = alike and all(np.array_equal(images[0][name], images[1][name]) for name in images[0])
    bare = [(s.observation.key, s.observation.values, s.observation.reward, s.observation.mode) for s in (ours, theirs)]
    flags = [(s.observation.is_first, s.observation.is_last, s.observation.ages_s) for s in (ours, theirs)]
    actions = [(s.action.values.tolist(), s.action.source, s.action.policy_version) for s in (ours, theirs)]
    return bool(alike and bare[0] == bare[1] and flags[0] == flags[1] and actions[0] == actions[1])


def rewrite_chunked(path: Path, target: Path) -> Path:
    """The same messages as another recorder would write them: in compressed chunks."""
    with target.open("wb") as file:
        writer = Writer(file, chunk_size=2000)
        writer.start("ros2")
        for message in read_messages(path):
            schema = writer.register_schema(message.type_name, "ros2msg", DEFINITIONS[message.type_name].encode())
            channel = writer.register_channel(message.topic, "cdr", schema)
            writer.add_message(channel, message.log_time_ns, message.data, message.log_time_ns)
        writer.finish()
    return target
