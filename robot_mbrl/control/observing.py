"""From a driver's messages to named values and pictures: read by joint name, checked, transformed, resized, aged."""

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from robot_mbrl import topics
from robot_mbrl.config import CameraConfig, RobotConfig, ValueConfig
from robot_mbrl.errors import MessageError
from robot_mbrl.messages import read_field, read_image, read_joint
from robot_mbrl.specs import ImageSpec


@dataclass(frozen=True, slots=True)
class Sensed:
    """What the robot measures at one instant."""

    time_s: float
    values: dict[str, float]
    """Every value of the robot's vectors by element name, physical units."""
    images: dict[str, np.ndarray]
    """Pictures by camera, shape (height, width, channels)."""
    ages_s: dict[str, float]
    """Age of each source's newest message, never negative."""

    @property
    def oldest_s(self) -> float:
        """When the oldest of the messages it is made of arrived."""
        return self.time_s - max(self.ages_s.values(), default=0.0)


@dataclass(frozen=True, slots=True)
class Stale:
    """Why nothing can be assembled."""

    source: str
    age_s: float
    """Age of the source's newest message; infinite if there was none."""

    def __str__(self) -> str:
        if math.isinf(self.age_s):
            return f"source {self.source!r} has sent nothing yet"
        return f"source {self.source!r} is stale: its newest message is {self.age_s:.3f} s old"


@dataclass(slots=True)
class _Reception:
    """The newest message of a source, decoded."""

    arrival_s: float = -math.inf
    values: dict[str, float] | None = None
    images: dict[str, np.ndarray] | None = None


class Observer:
    """Keeps the newest reading of every source and assembles them on request.

    Call order: `receive` for each message of a driver as it arrives, which is where all decoding takes place; at each
    tick of the control rate, `assemble`. Times are seconds of one clock of the caller's choice: steady time for a real
    robot, simulated time (messages' stamps) for a simulated one.
    """

    def __init__(self, robot: RobotConfig, cameras: Collection[str] = ()) -> None:
        """Prepare to read a robot.

        Args:
            robot: its sources, vectors and cameras; the values of all of its vectors are observed.
            cameras: names of the cameras that are observed too.
        """
        self._max_ages_s = {name: source.max_age_s or 0.0 for name, source in robot.sources.items()}
        self._latched = {name for name, source in robot.sources.items() if source.latched}
        self._values: dict[str, list[ValueConfig]] = {}
        for vector in robot.vectors.values():
            self._values.setdefault(vector.source, []).extend(vector.elements)
        self._cameras: dict[str, dict[str, CameraConfig]] = {}
        for name in cameras:
            camera = robot.cameras[name]
            self._cameras.setdefault(camera.source, {})[name] = camera
        self._joint_sources = {name for name, source in robot.sources.items() if source.type == topics.JOINT_STATE}
        self._newest = {source: _Reception() for source in (*self._values, *self._cameras)}

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the sources it needs messages of."""
        return tuple(self._newest)

    def receive(self, source: str, message: Any, arrival_s: float) -> None:
        """Decode a message of a source and keep it as its newest.

        A JointState that names none of the wanted joints is another device's on the same topic and is ignored.

        Args:
            source: name of the source, one of `sources`.
            message: the message, of the type that the robot's YAML gives.
            arrival_s: when it arrived.

        Raises:
            MessageError: if a wanted value is missing or not finite, or a picture cannot be decoded; the message is
                refused as a whole and the source grows older.
        """
        reception = self._newest[source]
        if elements := self._values.get(source):
            if source in self._joint_sources and not any(element.joint in message.name for element in elements):
                return
            reception.values = {element.name: read_value(message, element) for element in elements}
        if cameras := self._cameras.get(source):
            picture = read_image(message)
            reception.images = {name: fit_picture(picture, camera.image) for name, camera in cameras.items()}
        reception.arrival_s = arrival_s

    def newest_s(self, source: str) -> float:
        """When the newest accepted message of a source arrived; minus infinity if there was none."""
        return self._newest[source].arrival_s

    def current(self, time_s: float, *, cameras: bool) -> bool:
        """Whether every source of values has a message from `time_s` or later, and every camera if asked."""
        sources = self._newest if cameras else self._values
        return all(self._age_s(source, time_s) <= 0.0 for source in sources)

    def assemble(self, now_s: float) -> Sensed | Stale:
        """Everything measured by now, or the source that is too old for it."""
        values: dict[str, float] = {}
        images: dict[str, np.ndarray] = {}
        ages_s: dict[str, float] = {}
        for source, reception in self._newest.items():
            age_s = max(0.0, self._age_s(source, now_s))
            if age_s > self._max_ages_s[source]:
                return Stale(source, age_s)
            ages_s[source] = age_s
            values.update(reception.values or {})
            images.update(reception.images or {})
        return Sensed(now_s, values, images, ages_s)

    def _age_s(self, source: str, now_s: float) -> float:
        """How old its newest message is; none for a latched source, whose silence means that nothing has changed."""
        arrival_s = self._newest[source].arrival_s
        return 0.0 if source in self._latched and arrival_s > -math.inf else now_s - arrival_s


def read_value(message: Any, element: ValueConfig) -> float:
    """Read and transform one value of a message.

    Raises:
        MessageError: if the message lacks it or it is not finite.
    """
    if element.joint is not None:
        reading: Any = read_joint(message, element.joint, element.field)
    else:
        reading = read_field(message, element.field)
    try:
        value = TRANSFORMS[element.transform](reading)
    except (AttributeError, TypeError, ValueError) as error:
        raise MessageError(f"{element.name}: {element.field!r} cannot be read as {element.transform!r}") from error
    if not math.isfinite(value):
        raise MessageError(f"{element.name} is not finite; the message is refused")
    return value


def fit_picture(picture: np.ndarray, spec: ImageSpec) -> np.ndarray:
    """Resize a picture, shape (height, width, channels), to what the policy sees.

    Colours are averaged over areas; of depths the nearest is taken, since the mean of two depths is a place where
    nothing is. Grey pictures become colour ones where the policy expects colour.

    Raises:
        MessageError: if the picture is of another kind than the specification.
    """
    height, width, channels = spec.shape
    if picture.dtype == np.uint8 and picture.shape[2] == 1 and channels == 3:
        picture = np.repeat(picture, 3, axis=2)
    if picture.dtype != spec.dtype or picture.shape[2] != channels:
        raise MessageError(f"a picture of {picture.shape} {picture.dtype} cannot become {spec.encoding}")
    if picture.shape[:2] != (height, width):
        interpolation = cv2.INTER_AREA if spec.encoding == "rgb8" else cv2.INTER_NEAREST
        picture = cv2.resize(np.ascontiguousarray(picture), (width, height), interpolation=interpolation)
    # A copy in any case: the picture may be a view of the message's buffer.
    return np.array(picture, spec.dtype).reshape(height, width, channels)


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
