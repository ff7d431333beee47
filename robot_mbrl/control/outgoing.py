"""The final assertion on commands, from what was sent alone: it shares no state with the shapers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from robot_mbrl.command_config import CommandJoint, hard_bounds

TOLERANCE = 1e-9
"""Relative to a bound's size: what rounding may add to a command."""


@dataclass(slots=True)
class OutgoingCheck:
    """The assertion on one joint's commands."""

    joint: CommandJoint
    of_position: bool
    sent: float | None = None
    """The newest command sent."""
    slope: float = 0.0
    """Mean rate over the interval before it."""
    interval_s: float = 0.0
    """Length of that interval; 0 where the robot was at rest."""

    def fault(self, value: float, dt_s: float) -> str:
        """What is wrong with sending `value` now, `dt_s` after the newest command; empty if nothing is."""
        joint = self.joint
        low, high = hard_bounds(joint, of_position=self.of_position)
        slack = TOLERANCE * max(1.0, abs(low), abs(high))
        if not math.isfinite(value):
            return f"{joint.name}: {value} is not finite"
        if not low - slack <= value <= high + slack:
            return f"{joint.name}: {value} is not within [{low}, {high}]"
        if self.sent is None:
            return ""
        change = value - self.sent
        if abs(change) > joint.max_rate * dt_s + slack:
            return f"{joint.name}: changes by {change} within {dt_s} s, faster than {joint.max_rate}"
        if self.of_position and joint.max_acceleration is not None and dt_s > 0.0:
            # Mean rates of neighbouring intervals differ by no more than the acceleration between their middles.
            allowed = joint.max_acceleration * (dt_s + self.interval_s) / 2.0
            if abs(change / dt_s - self.slope) > allowed * (1.0 + 1e-6) + 2.0 * slack / dt_s:
                return f"{joint.name}: accelerates beyond {joint.max_acceleration}"
        return ""

    def send(self, value: float, dt_s: float) -> None:
        """Note that `value` was sent, `dt_s` after the newest command."""
        if self.sent is not None and dt_s > 0.0:
            self.slope = (value - self.sent) / dt_s
            self.interval_s = dt_s
        self.sent = value

    def settle(self) -> None:
        """Note that the robot rests at the newest command."""
        self.slope = 0.0
        self.interval_s = 0.0


class Outgoing:
    """The assertion on all joints of one topic, in their order."""

    def __init__(self, joints: Sequence[CommandJoint], *, of_position: bool) -> None:
        """Begin with nothing sent."""
        self._checks = [OutgoingCheck(joint, of_position=of_position) for joint in joints]

    @property
    def newest(self) -> list[float] | None:
        """The newest command sent; None before the first."""
        sent = [check.sent for check in self._checks if check.sent is not None]
        return sent if len(sent) == len(self._checks) else None

    def fault(self, values: Sequence[float], dt_s: float) -> str:
        """What is wrong with sending these now, `dt_s` after the newest; empty if nothing is."""
        faults = (check.fault(value, dt_s) for check, value in zip(self._checks, values, strict=True))
        return "; ".join(filter(None, faults))

    def send(self, values: Sequence[float], dt_s: float) -> None:
        """Note that these were sent."""
        for check, value in zip(self._checks, values, strict=True):
            check.send(value, dt_s)

    def settle(self) -> None:
        """Note that the robot rests at the newest command."""
        for check in self._checks:
            check.settle()
