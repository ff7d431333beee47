"""Serialised messages (OMG CDR, little-endian, as ROS 2 puts them on the wire) without ROS.

Only what sessions need: writing JointStates and Images, and reading the key in the header of any stamped message
without decoding the rest.
"""

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
