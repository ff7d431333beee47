"""Compressed pictures: decoded as they come from cameras, which may send them damaged."""

import struct

import cv2
import numpy as np

from robot_mbrl.errors import MessageError

MAX_PIXELS = 1 << 26
"""Of a picture. A damaged one that claims more would take all memory before it is found out."""
_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of the segments that tell the size."""


def decode_compressed(data: np.ndarray, told_format: str) -> np.ndarray:
    """The picture in a JPEG, PNG or whatever else OpenCV reads, shape (height, width, channels), colours as RGB.

    Args:
        data: the bytes, uint8.
        told_format: what the message says of them, for errors.

    Raises:
        MessageError: if they cannot be decoded, or claim to be larger than `MAX_PIXELS`.
    """
    told = f"compressed image of {data.size} bytes and format {told_format!r}"
    if (pixels := _claimed_pixels(data.data)) > MAX_PIXELS:
        raise MessageError(f"{told} claims to have {pixels} pixels")
    try:
        picture = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
        if picture is None:
            raise MessageError(f"{told} cannot be decoded")
        return picture[..., None] if picture.ndim == 2 else np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
    except cv2.error as error:
        raise MessageError(f"{told} cannot be decoded: {error.err}") from error


def _claimed_pixels(data: memoryview) -> int:
    """How many pixels a JPEG's or PNG's header tells of; 0 where it tells of none."""
    start = bytes(data[: len(_PNG)])
    try:
        if start == _PNG:
            width, height = struct.unpack_from(">II", data, 16)
            return int(width * height)
        offset = len(_JPEG) if start.startswith(_JPEG) else len(data)
        while True:
            marker, length = struct.unpack_from(">xBH", data, offset)
            if marker in _JPEG_FRAMES:
                height, width = struct.unpack_from(">HH", data, offset + 5)
                return int(width * height)
            offset += 2 + length
    except struct.error:
        return 0
