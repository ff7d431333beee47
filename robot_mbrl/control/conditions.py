"""Conditions for motion: safety mode, program running, battery, temperature, as the robot's YAML names them."""

import math
from dataclasses import dataclass
from typing import Any

from robot_mbrl.control.timeline import Timeline
from robot_mbrl.control.values import read_place
from robot_mbrl.errors import MessageError
from robot_mbrl.messages import read_stamp
from robot_mbrl.robot_config import RobotConfig
from robot_mbrl.sensor_config import ConditionConfig, SourceConfig
from robot_mbrl.topics import LASER_SCAN


@dataclass
class Condition:
    """One condition and what was last read for it."""

    config: ConditionConfig
    source: SourceConfig
    timeline: Timeline
    value: Any = None
    sensed_s: float = -math.inf
    trouble: str = ""
    """Why it could not be read last; empty if it could."""

    def sense(self, message: Any, now_s: float) -> None:
        """Take in a message of its source."""
        config = self.config
        try:
            if config.joint is not None and config.joint not in message.name:
                return
            value = read_place(message, config.field, config.joint)
        except MessageError as error:
            self.trouble = str(error)
            return
        measured_s = now_s
        if hasattr(message, "header"):
            accepted_s = self.timeline.accept(read_stamp(message.header.stamp), now_s)
            if accepted_s is None:
                return
            measured_s = accepted_s
        self.trouble = ""
        self.value = value
        self.sensed_s = measured_s

    def unknown(self, now_s: float) -> str:
        """Why nobody can tell whether it is met; empty if that is known."""
        if self.trouble:
            return f"{self.config.name} cannot be read: {self.trouble}"
        if self.sensed_s == -math.inf:
            return f"{self.config.name} has not been heard of on {self.source.topic}"
        if (age_s := now_s - self.sensed_s) > (self.source.max_age_s or math.inf):
            return f"{self.config.name} was last heard of {age_s:.1f} s ago"
        return ""

    def unmet(self) -> str:
        """What is wrong with the newest value; empty if nothing."""
        config, value = self.config, self.value
        if config.equals is not None:
            return "" if value == config.equals else f"{config.name} is {value!r}, not {config.equals!r}"
        # A scanner says infinity where nothing is within its reach (REP 117): that is far, and not unknown.
        clear = value == math.inf and self.source.type == LASER_SCAN
        if not isinstance(value, int | float) or not (math.isfinite(value) or clear):
            return f"{config.name} is {value!r}, which is no number"
        if config.above is not None and value <= config.above:
            return f"{config.name} is {value:g}, not above {config.above:g}"
        if config.below is not None and value >= config.below:
            return f"{config.name} is {value:g}, not below {config.below:g}"
        return ""


class Conditions:
    """All conditions of a robot; used by the guard alone."""

    def __init__(self, robot: RobotConfig, *, simulated: bool) -> None:
        """Begin without having heard of any.

        Args:
            robot: whose `guard.conditions` and sources count.
            simulated: whether a simulator measures, which may run slow.
        """
        self.all = tuple(
            Condition(
                condition,
                source := robot.sources[condition.source],
                Timeline(
                    stamped=source.stamped and not source.latched,
                    by_arrival=simulated,
                    max_age_s=source.max_age_s or math.inf,
                ),
            )
            for condition in robot.guard.conditions
        )

    @property
    def adopted(self) -> int:
        """How often what they are read from was taken to have a new clock."""
        return sum(condition.timeline.adopted for condition in self.all)

    def sense(self, source: str, message: Any, now_s: float) -> None:
        """Take in a message of a source."""
        for condition in self.all:
            if condition.config.source == source:
                condition.sense(message, now_s)

    def trouble(self, now_s: float) -> str:
        """Which conditions are not known to be met; empty if all are."""
        if not self.all:
            return ""
        return "; ".join(text for condition in self.all if (text := condition.unknown(now_s) or condition.unmet()))

    def fault(self, now_s: float) -> str:
        """Which of those that latch are known not to be met; empty if none is."""
        if not self.all:
            return ""
        latching = (c for c in self.all if c.config.latch and not c.unknown(now_s))
        return "; ".join(text for condition in latching if (text := condition.unmet()))
