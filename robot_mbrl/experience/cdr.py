"""Serialised messages (OMG CDR, little-endian, as ROS 2 puts them on the wire) without ROS.

Only what sessions need: writing JointStates and Images, reading JointStates (a tenth of a general decoder's time,
which pays when hours are read), and reading the key in the header of any stamped message without decoding the rest.
"""

import functools
import struct
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

from robot_mbrl.errors import MessageError
from robot_mbrl.messages import NANOSECONDS
from robot_mbrl.steps import StepKey

_ENCAPSULATION = b"\x00\x01\x00\x00"
"""Plain CDR, little-endian; alignment counts from its end."""
_BIG_ENDIAN = b"\x00\x00"


@dataclass
class Time:
    """builtin_interfaces/Time."""

    sec: int = 0
    nanosec: int = 0


@dataclass
class Header:
    """std_msgs/Header."""

    stamp: Time = field(default_factory=Time)
    frame_id: str = ""


@dataclass
class JointState:
    """sensor_msgs/JointState with names and positions, which is how vectors with named elements travel."""

    header: Header = field(default_factory=Header)
    name: Sequence[str] = ()
    position: "array[float]" = field(default_factory=lambda: array("d"))

    def serialise(self) -> bytes:
        """The message's bytes."""
        buffer = _begin(self.header)
        _align(buffer, 4)
        buffer += struct.pack("<I", len(self.name))
        for name in self.name:
            _write_string(buffer, name)
        for values in (self.position, array("d"), array("d")):  # velocity and effort stay empty
            _align(buffer, 4)
            buffer += struct.pack("<I", len(values))
            if values:
                _align(buffer, 8)
                buffer += struct.pack(f"<{len(values)}d", *values)
        return bytes(buffer)


@dataclass
class Image:
    """sensor_msgs/Image."""

    header: Header = field(default_factory=Header)
    height: int = 0
    width: int = 0
    encoding: str = ""
    is_bigendian: int = 0
    step: int = 0
    data: "array[int]" = field(default_factory=lambda: array("B"))

    def serialise(self) -> bytes:
        """The message's bytes."""
        buffer = _begin(self.header)
        _align(buffer, 4)
        buffer += struct.pack("<II", self.height, self.width)
        _write_string(buffer, self.encoding)
        buffer += struct.pack("<B", self.is_bigendian)
        _align(buffer, 4)
        buffer += struct.pack("<II", self.step, len(self.data))
        buffer += memoryview(self.data)
        return bytes(buffer)


def read_key(data: bytes) -> StepKey:
    """Session and stamp in the header that a serialised message begins with.

    Raises:
        MessageError: if the message is too short.
    """
    order = ">" if data[:2] == _BIG_ENDIAN else "<"
    try:
        seconds, nanoseconds, length = struct.unpack_from(f"{order}iII", data, 4)
        session = data[16 : 16 + length - 1].decode()
    except (struct.error, UnicodeDecodeError) as error:
        raise MessageError(f"message of {len(data)} bytes has no header: {error}") from error
    return StepKey(session, seconds * NANOSECONDS + nanoseconds)


def read_joint_state(data: bytes) -> JointState | None:
    """Names and positions of a serialised JointState; None if it is serialised in another way than ROS 2 does here.

    Raises:
        MessageError: if the message is too short for what it says it holds.
    """
    if data[:4] != _ENCAPSULATION:
        return None
    key = read_key(data)
    try:
        (length,) = struct.unpack_from("<I", data, 12)
        start = offset = _aligned(16 + length, 4)
        (count,) = struct.unpack_from("<I", data, offset)
        offset += 4
        for _ in range(count):
            offset = _aligned(offset, 4)
            offset += 4 + int(struct.unpack_from("<I", data, offset)[0])
        # Messages of a topic repeat their names, which are decoded once.
        names = _names(data[start:offset])
        offset = _aligned(offset, 4)
        (size,) = struct.unpack_from("<I", data, offset)
        offset = _aligned(offset + 4, 8) if size else offset
        position = array("d", struct.unpack_from(f"<{size}d", data, offset))
    except (struct.error, UnicodeDecodeError) as error:
        raise MessageError(f"JointState of {len(data)} bytes is damaged: {error}") from error
    return JointState(Header(Time(*divmod(key.stamp_ns, NANOSECONDS)), key.session), names, position)


@functools.lru_cache(maxsize=64)
def _names(block: bytes) -> tuple[str, ...]:
    """The strings of a serialised sequence, which begins at a multiple of four bytes."""
    (count,) = struct.unpack_from("<I", block)
    names, offset = [], 4
    for _ in range(count):
        offset += -offset % 4
        (length,) = struct.unpack_from("<I", block, offset)
        names.append(block[offset + 4 : offset + 4 + length - 1].decode())
        offset += 4 + length
    return tuple(names)


def _aligned(offset: int, size: int) -> int:
    return offset + -(offset - len(_ENCAPSULATION)) % size


def _begin(header: Header) -> bytearray:
    buffer = bytearray(_ENCAPSULATION)
    buffer += struct.pack("<iI", header.stamp.sec, header.stamp.nanosec)
    _write_string(buffer, header.frame_id)
    return buffer


def _write_string(buffer: bytearray, text: str) -> None:
    encoded = text.encode() + b"\x00"
    _align(buffer, 4)
    buffer += struct.pack("<I", len(encoded)) + encoded


def _align(buffer: bytearray, size: int) -> None:
    buffer += b"\x00" * (-(len(buffer) - len(_ENCAPSULATION)) % size)
