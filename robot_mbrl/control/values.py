"""From one field of a driver's message to one observed value: read by path or joint, transformed, checked."""

import math
from collections.abc import Callable
from typing import Any

from robot_mbrl.config import ValueConfig
from robot_mbrl.errors import MessageError
from robot_mbrl.messages import field_parts, read_field, read_joint


def read_value(message: Any, element: ValueConfig) -> float:
    """Read and transform one value of a message.

    Raises:
        MessageError: if the message lacks it, says that it does not measure it, or it is not finite.
    """
    if element.joint is not None:
        reading: Any = read_joint(message, element.joint, element.field)
    else:
        _require_measured(message, element)
        reading = read_field(message, element.field)
    try:
        value = TRANSFORMS[element.transform](reading)
    except (AttributeError, TypeError, ValueError) as error:
        raise MessageError(f"{element.name}: {element.field!r} cannot be read as {element.transform!r}") from error
    if not math.isfinite(value):
        raise MessageError(f"{element.name} is not finite; the message is refused")
    return value


def _require_measured(message: Any, element: ValueConfig) -> None:
    """Refuse what a driver declares to be no measurement, as an Imu does by a first covariance of -1."""
    field = field_parts(element.field)[0]
    covariance = getattr(message, f"{field}_covariance", None)
    if covariance is not None and len(covariance) > 0 and covariance[0] == -1.0:
        raise MessageError(
            f"{element.name}: the driver says that it measures no {field} ({field}_covariance[0] is -1); read another "
            f"field or leave the element out"
        )


def _roll_pitch_yaw(quaternion: Any) -> tuple[float, float, float]:
    """Angles in rad about the fixed axes x, y and z of a message's quaternion; NaN for one without a direction."""
    x, y, z, w = float(quaternion.x), float(quaternion.y), float(quaternion.z), float(quaternion.w)
    norm = math.sqrt(x * x + y * y + z * z + w * w)
    if not (math.isfinite(norm) and norm > 0.0):
        return math.nan, math.nan, math.nan
    x, y, z, w = x / norm, y / norm, z / norm, w / norm
    roll = math.atan2(2 * (w * x + y * z), 1 - 2 * (x * x + y * y))
    pitch = math.asin(min(1.0, max(-1.0, 2 * (w * y - z * x))))
    yaw = math.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
    return roll, pitch, yaw


def _cos(reading: Any) -> float:
    # math.cos raises on infinity, where a refusal is wanted.
    return math.cos(reading) if math.isfinite(reading) else math.nan


def _sin(reading: Any) -> float:
    return math.sin(reading) if math.isfinite(reading) else math.nan


TRANSFORMS: dict[str, Callable[[Any], float]] = {
    "none": float,
    "cos": _cos,
    "sin": _sin,
    "roll": lambda quaternion: _roll_pitch_yaw(quaternion)[0],
    "pitch": lambda quaternion: _roll_pitch_yaw(quaternion)[1],
    "yaw": lambda quaternion: _roll_pitch_yaw(quaternion)[2],
}
"""What each `transform` of a `ValueConfig` does to a reading; NaN where that is not possible."""
ANGLES = frozenset({"roll", "pitch", "yaw"})
"""Transforms that read a quaternion, where the others read a number."""
