"""From one field of a driver's messages to one observed value: read by path or joint, transformed, checked."""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from robot_mbrl.config import ValueConfig
from robot_mbrl.errors import MessageError
from robot_mbrl.messages import field_parts, read_field, read_joint
from robot_mbrl.sensor_config import BODY_AXES

Quaternion = tuple[float, float, float, float]
"""x, y, z, w; of length 1."""
INSTANT_S = 1e-9
"""Times nearer than this are the same."""


def read_place(message: Any, field: str, joint: str | None) -> Any:
    """What a message holds at a dotted path, or of a joint.

    Raises:
        MessageError: if it lacks it.
    """
    return read_field(message, field) if joint is None else read_joint(message, joint, field)


@dataclass(frozen=True, slots=True)
class Reading:
    """What is read for a value from one message, before it is told apart from the one before."""

    parts: tuple[float, ...]
    """A number; of what is turned into the body's frame, all three parts of the vector."""
    turned: Quaternion | None = None
    """How the body lies, where that matters."""


class ValueReader:
    """Reads one value, message by message.

    Call order: `read`, and if the message is news `take` with what came of it; then `value`.

    Attributes:
        value: the newest.
    """

    def __init__(self, element: ValueConfig, max_age_s: float = math.inf) -> None:
        """Begin without a reading.

        Args:
            element: what to read and what to make of it.
            max_age_s: readings farther apart than this have nothing to do with one another.
        """
        self.value = math.nan
        self._element = element
        self._max_age_s = max_age_s
        self._lately: deque[tuple[float, Reading]] = deque()

    def read(self, message: Any) -> Reading:
        """What a message holds of it.

        Raises:
            MessageError: if the message lacks it, says that it does not measure it, or it is not finite.
        """
        element = self._element
        if element.joint is None:
            _require_measured(message, element, element.field)
        place = read_place(message, element.field, element.joint)
        try:
            if element.orientation is not None:
                _require_measured(message, element, element.orientation)
                orientation = read_field(message, element.orientation)
                reading = Reading((float(place.x), float(place.y), float(place.z)), _unit_quaternion(orientation))
            else:
                reading = Reading((TRANSFORMS[element.transform](place),))
        except (AttributeError, TypeError, ValueError) as error:
            raise MessageError(f"{element.name}: {element.field!r} cannot be read as {element.transform!r}") from error
        if not all(map(math.isfinite, (*reading.parts, *(reading.turned or ())))):
            raise MessageError(f"{element.name} is not finite; the message is refused")
        return reading

    def take(self, reading: Reading, at_s: float) -> None:
        """Make it the newest.

        Args:
            reading: of `read`.
            at_s: when it was measured; not before the one before.
        """
        if self._element.difference_s is None:
            self.value = self._projected(reading.parts, reading.turned)
            return
        self._remember(reading, at_s, self._element.difference_s)
        self._compare()

    def begin(self, time_s: float) -> None:
        """Compare with nothing that was measured up to this time: then the robot was put elsewhere."""
        while self._lately and self._lately[0][0] <= time_s:
            self._lately.popleft()
        self._compare()

    def _remember(self, reading: Reading, at_s: float, span_s: float) -> None:
        lately = self._lately
        if lately and at_s - lately[-1][0] > max(self._max_age_s, span_s):
            lately.clear()
        if lately and self._element.transform in ANGLES:
            turns = round((lately[-1][1].parts[0] - reading.parts[0]) / math.tau)
            reading = Reading((reading.parts[0] + math.tau * turns,))
        if lately and at_s <= lately[-1][0]:
            # The same again.
            lately.pop()
        lately.append((at_s, reading))
        while len(lately) > 1 and lately[1][0] <= at_s - span_s + INSTANT_S:
            lately.popleft()

    def _compare(self) -> None:
        """Take the difference of the newest reading and the one that is long enough before it, or else the oldest."""
        if not self._lately or self._element.difference_s is None:
            return
        (then_s, then), (now_s, now) = self._lately[0], self._lately[-1]
        elapsed_s = max(now_s - then_s, self._element.difference_s)
        rates = tuple((b - a) / elapsed_s for a, b in zip(then.parts, now.parts, strict=True))
        self.value = self._projected(rates, now.turned)

    def _projected(self, parts: tuple[float, ...], turned: Quaternion | None) -> float:
        if turned is None:
            return parts[0]
        return _rotated_back(turned, parts)[BODY_AXES.index(self._element.transform)]


def _require_measured(message: Any, element: ValueConfig, path: str) -> None:
    """Refuse what a driver declares to be no measurement, as an Imu does by a first covariance of -1."""
    field = field_parts(path)[0]
    covariance = getattr(message, f"{field}_covariance", None)
    if covariance is not None and len(covariance) > 0 and covariance[0] == -1.0:
        raise MessageError(
            f"{element.name}: the driver says that it measures no {field} ({field}_covariance[0] is -1); read another "
            f"field or leave the element out"
        )


def _unit_quaternion(quaternion: Any) -> Quaternion:
    """A message's quaternion with a length of 1; NaN for one without a direction."""
    x, y, z, w = float(quaternion.x), float(quaternion.y), float(quaternion.z), float(quaternion.w)
    norm = math.sqrt(x * x + y * y + z * z + w * w)
    if not (math.isfinite(norm) and norm > 0.0):
        return math.nan, math.nan, math.nan, math.nan
    return x / norm, y / norm, z / norm, w / norm


def _rotated_back(quaternion: Quaternion, vector: tuple[float, ...]) -> tuple[float, float, float]:
    """A vector in the frame that the quaternion turns the vector's own into: R(q) transposed times v.

    With q = (u, w): v + 2 (u x (u x v) - w u x v).
    """
    x, y, z, w = quaternion
    a, b, c = vector
    # u x v, and from it u x (u x v).
    i, j, k = y * c - z * b, z * a - x * c, x * b - y * a
    return (
        a + 2 * (y * k - z * j - w * i),
        b + 2 * (z * i - x * k - w * j),
        c + 2 * (x * j - y * i - w * k),
    )


def _roll_pitch_yaw(quaternion: Any) -> tuple[float, float, float]:
    """Angles in rad about the fixed axes x, y and z of a message's quaternion; NaN for one without a direction."""
    x, y, z, w = _unit_quaternion(quaternion)
    if math.isnan(x):
        return math.nan, math.nan, math.nan
    roll = math.atan2(2 * (w * x + y * z), 1 - 2 * (x * x + y * y))
    pitch = math.asin(min(1.0, max(-1.0, 2 * (w * y - z * x))))
    yaw = math.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
    return roll, pitch, yaw


def _cos(reading: Any) -> float:
    # math.cos raises on infinity, where a refusal is wanted.
    return math.cos(reading) if math.isfinite(reading) else math.nan


def _sin(reading: Any) -> float:
    return math.sin(reading) if math.isfinite(reading) else math.nan


def _inverse(reading: Any) -> float:
    if math.isinf(reading) and reading > 0.0:
        return 0.0
    # A scanner says minus infinity of what is too near (REP 117).
    return 1.0 / reading if math.isfinite(reading) and reading > 0.0 else math.nan


TRANSFORMS: dict[str, Callable[[Any], float]] = {
    "none": float,
    "cos": _cos,
    "sin": _sin,
    "inverse": _inverse,
    "roll": lambda quaternion: _roll_pitch_yaw(quaternion)[0],
    "pitch": lambda quaternion: _roll_pitch_yaw(quaternion)[1],
    "yaw": lambda quaternion: _roll_pitch_yaw(quaternion)[2],
}
"""What each `transform` of a `ValueConfig` does to a reading; NaN where that is not possible."""
ANGLES = frozenset({"roll", "pitch", "yaw"})
"""Transforms that read a quaternion, where the others read a number."""
