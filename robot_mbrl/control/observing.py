"""From a driver's messages to named values and pictures: gathered by source, aged, assembled on request."""

import math
from collections import Counter
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from robot_mbrl import topics
from robot_mbrl.config import CameraConfig, RobotConfig, ValueConfig
from robot_mbrl.control.goal import Goal
from robot_mbrl.control.readings import FieldReadings, JointReadings, PictureReadings, Readings
from robot_mbrl.errors import MessageError


@dataclass(frozen=True, slots=True)
class Sensed:
    """What the robot measures at one instant."""

    time_s: float
    values: dict[str, float]
    """Every value of the robot's vectors, in their order, and then of the goal, by element name, physical units."""
    images: dict[str, np.ndarray]
    """Pictures by camera, shape (height, width, channels)."""
    ages_s: dict[str, float]
    """Age of each source's oldest needed reading, never negative."""

    @property
    def oldest_s(self) -> float:
        """When the oldest of the readings it is made of was measured."""
        return self.time_s - max(self.ages_s.values(), default=0.0)


@dataclass(frozen=True, slots=True)
class Stale:
    """Why nothing can be assembled."""

    source: str
    age_s: float
    """Age of the source's newest reading; infinite if there was none."""
    part: str = ""
    """What of the source is that old, where it is not all of it, such as a joint."""
    refusal: str = ""
    """Why what has come since was refused, if anything has."""

    def __str__(self) -> str:
        of = f" of {self.part}" if self.part else ""
        told = f"source {self.source!r} is stale: its newest reading{of} is {self.age_s:.3f} s old"
        if math.isinf(self.age_s):
            told = f"source {self.source!r} has sent nothing{of} yet"
        return f"{told}; what comes is refused: {self.refusal}" if self.refusal else told


class Observer:
    """Keeps the newest readings of every source and assembles them on request.

    Call order: `receive` for each message of a driver as it arrives; at each tick of the control rate, `assemble`.
    Pictures are decoded by the latter, or by whoever calls `decode` before, which may be another thread. Times are
    seconds of one clock of the caller's choice: steady time for a real robot, simulated time for a simulated one.

    Attributes:
        refused: how many messages of each source were refused.
        refusals: why the last one of each source was.
    """

    def __init__(
        self,
        robot: RobotConfig,
        cameras: Collection[str] = (),
        *,
        stamps: bool = False,
        goal: Goal | None = None,
    ) -> None:
        """Prepare to read a robot.

        Args:
            robot: its sources, vectors and cameras; the values of all of its vectors are observed.
            cameras: names of the cameras that are observed too.
            stamps: whether the headers' stamps tell what is news and how old it is, by the driver's own clock; without,
                every message is news at its arrival, except that none may be older than one before.
            goal: whose values stand beside the measured ones, however old; None for no goal.
        """
        self.refused: Counter[str] = Counter()
        self.refusals: dict[str, str] = {}
        self._robot = robot
        self._goal = goal or Goal()
        self._values: dict[str, JointReadings | FieldReadings] = {}
        self._pictures: dict[str, PictureReadings] = {}
        for name, elements in _by_source(robot).items():
            source = robot.sources[name]
            kind = JointReadings if source.type == topics.JOINT_STATE else FieldReadings
            self._values[name] = kind(source, elements, stamps=stamps)
        for name, observed in _cameras_by_source(robot, cameras).items():
            self._pictures[name] = PictureReadings(robot.sources[name], observed, stamps=stamps)
        self._readings: dict[str, Readings] = {**self._values, **self._pictures}
        # As layouts number them, whatever order drivers name their joints in.
        self._order = [value.name for _, _, value in robot.values()]
        # Whether what came last of a source was refused.
        self._refuses = dict.fromkeys(self._readings, False)

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the sources it needs messages of."""
        return tuple(self._readings)

    @property
    def picture_sources(self) -> tuple[str, ...]:
        """Those of them that send pictures."""
        return tuple(self._pictures)

    @property
    def adopted(self) -> int:
        """How often a driver was taken to have a new clock: what is delayed for good cannot be told from that."""
        return sum(readings.adopted for readings in self._readings.values())

    def receive(self, source: str, message: Any, arrival_s: float) -> None:
        """Take in a message of a source.

        Args:
            source: name of the source, one of `sources`.
            message: the message, of the type that the robot's YAML gives.
            arrival_s: when it arrived.

        Raises:
            MessageError: if it is refused: a wanted value is missing or not finite, or the message is no news.
        """
        readings = self._readings[source]
        before = readings.oldest()
        try:
            readings.receive(message, arrival_s)
        except MessageError as error:
            self._refuse(source, error)
            raise
        # A message of another device on the topic says nothing of ours.
        self._refuses[source] &= readings.oldest() == before

    def begin(self, time_s: float) -> None:
        """Note that the robot was put elsewhere at a time: how values have changed up to then says nothing."""
        for gathered in self._values.values():
            gathered.begin(time_s)

    def decode(self, source: str) -> None:
        """Decode the newest picture of a source, unless that is done.

        Raises:
            MessageError: if it cannot be decoded; it counts as missing.
        """
        try:
            self._pictures[source].decode()
        except MessageError as error:
            self._refuse(source, error)
            raise

    def newest_s(self, source: str) -> float:
        """When the oldest needed reading of a source was measured; minus infinity if there is none."""
        return self._readings[source].oldest()[0]

    def current(self, time_s: float, *, cameras: bool) -> bool:
        """Whether every source of values has readings from `time_s` or later, and every camera if asked."""
        sources = self._readings if cameras else self._values
        return all(self._age_s(source, time_s, self.newest_s(source)) <= 0.0 for source in sources)

    def assemble(self, now_s: float, *, decoded: bool = False) -> Sensed | Stale:
        """Everything measured by now, or the source that is too old for it.

        Args:
            now_s: the present.
            decoded: whether only pictures count that another thread has decoded; else the newest are decoded now.
        """
        values: dict[str, float] = {}
        images: dict[str, np.ndarray] = {}
        ages_s: dict[str, float] = {}
        for source, gathered in self._values.items():
            oldest_s, part = gathered.oldest()
            ages_s[source] = self._age_s(source, now_s, oldest_s)
            if self._is_stale(source, ages_s[source]):
                return self._stale(source, ages_s[source], part)
            values.update(gathered.values)
        for source, pictures in self._pictures.items():
            if not decoded:
                with suppress(MessageError):  # Counted, and named once the source is stale.
                    self.decode(source)
            measured_s, seen = pictures.decoded
            ages_s[source] = self._age_s(source, now_s, measured_s)
            if self._is_stale(source, ages_s[source]):
                return self._stale(source, ages_s[source], "")
            images.update(seen)
        return Sensed(now_s, {name: values[name] for name in self._order} | self._goal.values, images, ages_s)

    def _age_s(self, source: str, now_s: float, measured_s: float) -> float:
        """How old a reading is; not at all for a latched source, whose silence means that nothing has changed."""
        if self._robot.sources[source].latched and measured_s > -math.inf:
            return 0.0
        return max(0.0, now_s - measured_s)

    def _is_stale(self, source: str, age_s: float) -> bool:
        return age_s > (self._robot.sources[source].max_age_s or 0.0)

    def _stale(self, source: str, age_s: float, part: str) -> Stale:
        return Stale(source, age_s, part, self.refusals[source] if self._refuses[source] else "")

    def _refuse(self, source: str, error: MessageError) -> None:
        self.refused[source] += 1
        self.refusals[source] = str(error)
        self._refuses[source] = True


def _by_source(robot: RobotConfig) -> dict[str, list[ValueConfig]]:
    elements: dict[str, list[ValueConfig]] = {}
    for _, source, value in robot.values():
        elements.setdefault(source, []).append(value)
    return elements


def _cameras_by_source(robot: RobotConfig, cameras: Collection[str]) -> dict[str, dict[str, CameraConfig]]:
    observed: dict[str, dict[str, CameraConfig]] = {}
    for name in cameras:
        camera = robot.cameras[name]
        observed.setdefault(camera.source, {})[name] = camera
    return observed
