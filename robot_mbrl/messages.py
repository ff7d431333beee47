"""Between plain values and the fields of standard ROS messages, duck-typed: nodes and MCAP sessions share it.

Nothing here imports ROS. A function that writes takes the empty message it fills; a function that reads takes
anything with the message's fields. A stamped vector with named elements is a `sensor_msgs/JointState`.
"""

import functools
import hashlib
import re
from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from robot_mbrl import topics
from robot_mbrl.compressed import decode_compressed
from robot_mbrl.errors import MessageError, NonFiniteError
from robot_mbrl.specs import ActionSpec, Mode, Source
from robot_mbrl.steps import Action, Observation, Step, StepKey

NANOSECONDS = 1_000_000_000


def read_stamp(stamp: Any) -> int:
    """Nanoseconds of a `builtin_interfaces/Time`."""
    return int(stamp.sec) * NANOSECONDS + int(stamp.nanosec)


def write_stamp(stamp: Any, stamp_ns: int) -> None:
    """Set a `builtin_interfaces/Time` from nanoseconds."""
    stamp.sec, stamp.nanosec = divmod(int(stamp_ns), NANOSECONDS)


def read_key(message: Any) -> StepKey:
    """Session and stamp of a message's header."""
    return StepKey(message.header.frame_id, read_stamp(message.header.stamp))


def write_key(message: Any, key: StepKey) -> None:
    """Set a message's header from session and stamp."""
    message.header.frame_id = key.session
    write_stamp(message.header.stamp, key.stamp_ns)


def write_named(message: Any, values: Mapping[str, float]) -> None:
    """Fill a JointState's names and positions."""
    message.name = list(values)
    message.position = array("d", values.values())


def read_named(message: Any) -> dict[str, float]:
    """Names and positions of a JointState.

    Raises:
        MessageError: if there are not as many positions as names, or a name repeats.
    """
    values = dict(zip(message.name, message.position, strict=False))
    if not len(values) == len(message.name) == len(message.position):
        raise MessageError(f"{len(message.name)} names ({len(values)} different) for {len(message.position)} positions")
    return values


def write_observation(message: Any, observation: Observation) -> None:
    """Fill a JointState with the low-dimensional part of an observation."""
    write_key(message, observation.key)
    values = dict(observation.values)
    values[topics.REWARD] = observation.reward
    values[topics.IS_FIRST] = float(observation.is_first)
    values[topics.IS_LAST] = float(observation.is_last)
    values[topics.IS_TERMINAL] = float(observation.is_terminal)
    values[topics.SUCCESS] = float(observation.success)
    values[topics.MODE] = float(observation.mode)
    for source, age_s in observation.ages_s.items():
        values[source + topics.AGE_SUFFIX] = age_s
    write_named(message, values)


def read_observation(message: Any, images: Mapping[str, np.ndarray] | None = None) -> Observation:
    """The observation in a JointState, completed by its pictures.

    Raises:
        MessageError: if a reserved element is missing or holds what it cannot mean.
    """
    values = read_named(message)
    ages_s = {
        name.removesuffix(topics.AGE_SUFFIX): values.pop(name)
        for name in list(values)
        if name.endswith(topics.AGE_SUFFIX)
    }
    try:
        reward = values.pop(topics.REWARD)
        flags = {
            name: bool(values.pop(name))
            for name in (topics.IS_FIRST, topics.IS_LAST, topics.IS_TERMINAL, topics.SUCCESS)
        }
        mode = Mode(int(values.pop(topics.MODE)))
    except (KeyError, ValueError, OverflowError) as error:
        raise MessageError(f"observation: element {error} is missing or not valid") from error
    return Observation(
        key=read_key(message),
        values=values,
        images=dict(images or {}),
        reward=reward,
        mode=mode,
        ages_s=ages_s,
        **flags,
    )


def write_action(message: Any, action: Action, spec: ActionSpec) -> None:
    """Fill a JointState with an action, its source and the version of its policy."""
    write_key(message, action.key)
    values = dict(zip(spec.names, action.values.tolist(), strict=True))
    values[topics.SOURCE] = float(action.source)
    values[topics.POLICY_VERSION] = float(action.policy_version)
    write_named(message, values)


def read_action(message: Any, spec: ActionSpec) -> Action:
    """The action in a JointState, matched by name.

    Raises:
        MessageError: if names are missing, unknown or repeated, or the source is unknown.
        NonFiniteError: if only a value is not finite.
    """
    values = read_named(message)
    try:
        source = Source(int(values.pop(topics.SOURCE)))
        version = int(values.pop(topics.POLICY_VERSION))
        with np.errstate(over="ignore"):  # What float32 cannot hold becomes infinite, and is refused below.
            vector = np.array([values.pop(name) for name in spec.names], np.float32)
    except (KeyError, ValueError, OverflowError) as error:
        raise MessageError(f"action: element {error} is missing or not valid") from error
    if values:
        raise MessageError(f"action: unknown elements {sorted(values)}; this robot has {list(spec.names)}")
    if not np.isfinite(vector).all():
        raise NonFiniteError("action: a value is not finite")
    return Action(read_key(message), vector, source, version)


def write_newest_step(message: Any, step: Step, spec: ActionSpec) -> None:
    """Fill a JointState with what displays show of a step: what was observed, done and earned, and who drove."""
    write_key(message, step.observation.key)
    values = dict(step.observation.values)
    values |= {
        topics.ACTION_PREFIX + name: value for name, value in zip(spec.names, step.action.values.tolist(), strict=True)
    }
    values[topics.REWARD] = step.observation.reward
    values[topics.MODE] = float(step.observation.mode)
    values[topics.SOURCE] = float(step.action.source)
    values[topics.POLICY_VERSION] = float(step.action.policy_version)
    write_named(message, values)


_HASH_LABEL = "sha256:"


def write_bundle(message: Any, dimension: Any, data: bytes) -> None:
    """Fill a UInt8MultiArray with a policy bundle and, in an empty MultiArrayDimension, its hash."""
    dimension.label = _HASH_LABEL + hashlib.sha256(data).hexdigest()
    dimension.size = dimension.stride = len(data)
    message.layout.dim = [dimension]
    message.data = array("B", data)


def read_bundle(message: Any) -> bytes:
    """The policy bundle in a UInt8MultiArray.

    Raises:
        MessageError: if its writer gave a hash and the data have another.
    """
    data = bytes(message.data)
    labels = [dimension.label for dimension in message.layout.dim]
    given = [label.removeprefix(_HASH_LABEL) for label in labels if label.startswith(_HASH_LABEL)]
    if given and given[0] != hashlib.sha256(data).hexdigest():
        raise MessageError(
            f"policy bundle of {len(data)} bytes was damaged on its way (its hash differs): send it again"
        )
    return data


def read_field(message: Any, path: str) -> Any:
    """Follow a dotted path of fields, with an index in brackets where a field is a list: `status[0].level`.

    Returns:
        A number, a bool, a string, or whatever message or list the path leads to. An octet is read as a number.

    Raises:
        MessageError: if the message has no such field, or a list no such element.
    """
    value = message
    for part in field_parts(path):
        if isinstance(part, str):
            if not hasattr(value, part):
                raise MessageError(f"{type(message).__name__} has no field {path!r}")
            value = getattr(value, part)
            continue
        try:
            value = value[part]
        except IndexError:
            raise MessageError(f"{path!r}: there are only {len(value)} elements") from None
        except TypeError:
            raise MessageError(f"{path!r}: what [{part}] is to be taken of is no list") from None
    if isinstance(value, np.generic):
        return value.item()
    return value[0] if isinstance(value, bytes) and len(value) == 1 else value


_FIELD_PART = re.compile(r"([A-Za-z]\w*)((?:\[\d+\])*)", re.ASCII)


@functools.cache
def field_parts(path: str) -> tuple[str | int, ...]:
    """Names and indices that a dotted path consists of.

    Raises:
        MessageError: if it is no path.
    """
    parts: list[str | int] = []
    for step in path.split("."):
        match = _FIELD_PART.fullmatch(step)
        if match is None:
            raise MessageError(f"{path!r} is no path of fields such as twist.linear.x, data[3] or status[0].level")
        parts += [match[1], *(int(index) for index in re.findall(r"\d+", match[2]))]
    return tuple(parts)


def read_joint(message: Any, joint: str, field: str) -> float:
    """One joint's `position`, `velocity` or `effort` in a JointState, matched by name; NaN where the driver says so.

    Raises:
        MessageError: if the message does not name the joint, names it twice or does not give its value.
    """
    names: Sequence[str] = message.name
    try:
        index = names.index(joint)
    except ValueError:
        raise MessageError(f"joint {joint!r} is not among {list(names)}") from None
    if names.count(joint) > 1:
        raise MessageError(f"joint {joint!r} is named twice; the message is refused")
    return read_value(message, joint, index, field)


def read_value(message: Any, joint: str, place: int, field: str) -> float:
    """The same of a joint whose place among the message's names is known; for messages of many joints.

    Raises:
        MessageError: if the message does not give its value.
    """
    values = getattr(message, field)
    if place >= len(values):
        raise MessageError(f"{field} of joint {joint!r} is not given")
    return float(values[place])


_CHANNELS = {"rgb8": 3, "bgr8": 3, "mono8": 1, "16UC1": 1, "mono16": 1}


def write_image(message: Any, key: StepKey, picture: np.ndarray) -> None:
    """Fill an Image with an rgb8 (uint8, 3 channels) or 16UC1 (uint16, 1 channel) picture (height, width, channels)."""
    height, width, channels = picture.shape
    write_key(message, key)
    message.height, message.width = int(height), int(width)
    message.encoding = "rgb8" if picture.dtype == np.uint8 else "16UC1"
    message.is_bigendian = 0
    message.step = int(width * channels * picture.itemsize)
    # An array('B') is taken as it is; any other sequence is copied element by element, which costs milliseconds.
    data = array("B")
    data.frombytes(np.ascontiguousarray(picture).tobytes())
    message.data = data


def read_image(message: Any) -> np.ndarray:
    """The picture in an Image or CompressedImage, shape (height, width, channels), colours as RGB.

    Raises:
        MessageError: if the encoding is not supported, or the picture is empty or not filled by the data.
    """
    if hasattr(message, "format"):
        return decode_compressed(np.frombuffer(memoryview(message.data), np.uint8), message.format)
    if message.height == 0 or message.width == 0:
        raise MessageError(f"image of {message.width}x{message.height} pixels is empty")
    if message.encoding not in _CHANNELS:
        raise MessageError(f"image encoding {message.encoding!r} is not supported; supported: {sorted(_CHANNELS)}")
    channels = _CHANNELS[message.encoding]
    dtype = np.dtype(np.uint16 if message.encoding in ("16UC1", "mono16") else np.uint8)
    if message.is_bigendian:
        dtype = dtype.newbyteorder(">")
    row_bytes = message.width * channels * dtype.itemsize
    data = np.frombuffer(memoryview(message.data), np.uint8)
    if message.step < row_bytes or data.size < message.step * message.height:
        raise MessageError(f"image of {data.size} bytes is too short for {message.width}x{message.height}")
    rows = data[: message.step * message.height].reshape(message.height, message.step)[:, :row_bytes]
    picture = np.ascontiguousarray(rows).view(dtype).reshape(message.height, message.width, channels)
    picture = picture.astype(dtype.newbyteorder("="), copy=False)
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)) if message.encoding == "bgr8" else picture
