"""The final assertion on commands, from what was sent alone: it shares no state with the shapers."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from robot_mbrl.command_config import CommandConfig
from robot_mbrl.control.command_interface import Command
from robot_mbrl.joint_config import CommandJoint, hard_bounds

TOLERANCE = 1e-9
"""Relative to a bound's size: what rounding may add to a command."""
BLUR = 1e-11
"""The same where differences of commands are compared over time, of a shaper that ends on its target: far below what
an encoder tells apart, and little over a command period."""
RELATIVE = 1e-6
"""Share of a limit that rounding may add to an acceleration or jerk: of intervals, which are differences of times."""


@dataclass(slots=True)
class OutgoingCheck:
    """The assertion on one joint's commands."""

    joint: CommandJoint
    of_position: bool
    start: float | None = None
    """Where a trajectory of positions began: the joint was there, within its bounds or not."""
    sent: float | None = None
    """The newest command sent."""
    slope: float = 0.0
    """Mean rate over the interval before it."""
    bend: float = 0.0
    """Mean acceleration between that interval and the one before."""
    interval_s: float = 0.0
    """Length of that interval; 0 where the robot was at rest."""
    earlier_s: float = 0.0
    """Length of the one before; 0 likewise."""
    low: float = field(init=False)
    """Least command: the joint's own, or where its trajectory began."""
    high: float = field(init=False)
    """Greatest command likewise."""

    def __post_init__(self) -> None:
        """Look the bounds up, which stay."""
        self.low, self.high = hard_bounds(self.joint, of_position=self.of_position)
        if self.start is not None:
            self.low, self.high = min(self.low, self.start), max(self.high, self.start)

    def fault(self, value: float, dt_s: float, *, stopping: bool = False) -> str:
        """What is wrong with sending `value` now; empty if nothing is.

        Args:
            value: the command.
            dt_s: since the newest command.
            stopping: whether it belongs to a safe stop, in which a command other than a position may fall to 0 faster.
        """
        joint = self.joint
        low, high = self.low, self.high
        slack = TOLERANCE * max(1.0, abs(low), abs(high))
        if not math.isfinite(value):
            return f"{joint.name}: {value} is not finite"
        if not low - slack <= value <= high + slack:
            return f"{joint.name}: {value} is not within [{low}, {high}]"
        if self.sent is None:
            return ""
        change = value - self.sent
        rate = self._rate(value, stopping=stopping)
        if abs(change) > rate * dt_s + slack:
            return f"{joint.name}: changes by {change} within {dt_s} s, faster than {rate}"
        return self._bend_fault(change, dt_s, max(1.0, abs(low), abs(high))) if self.of_position and dt_s > 0.0 else ""

    def send(self, value: float, dt_s: float) -> None:
        """Note that `value` was sent, `dt_s` after the newest command."""
        if self.sent is not None and dt_s > 0.0:
            slope = (value - self.sent) / dt_s
            self.bend = 2.0 * (slope - self.slope) / (dt_s + self.interval_s)
            self.slope = slope
            self.interval_s, self.earlier_s = dt_s, self.interval_s
        self.sent = value

    def settle(self) -> None:
        """Note that the robot rests at the newest command."""
        self.slope = self.bend = self.interval_s = self.earlier_s = 0.0

    def _rate(self, value: float, *, stopping: bool) -> float:
        """How fast the command may change to `value`."""
        joint = self.joint
        falls = self.sent is not None and value * self.sent >= 0.0 and abs(value) <= abs(self.sent)
        if stopping and falls and not self.of_position and joint.stop_rate is not None:
            return joint.stop_rate
        return joint.max_rate

    def _bend_fault(self, change: float, dt_s: float, size: float) -> str:
        """What is wrong with the acceleration or jerk of a change; both follow from differences of what was sent.

        Mean rates of two neighbouring intervals differ by no more than the acceleration over the distance of their
        middles, and the mean accelerations so found of three by no more than the jerk over a third of their length:
        divided differences, exact for any trajectory and any intervals. At rest the intervals before have length 0.
        Only rounding is allowed for, of each command by a share of the bounds' size.
        """
        joint, span_s, slack = self.joint, dt_s + self.interval_s, BLUR * size
        bend = 2.0 * (change / dt_s - self.slope) / span_s
        # Each of the two rates has the rounding of two commands, over its own interval.
        shortest_s = min(dt_s, self.interval_s or dt_s)
        blur = 8.0 * slack / (shortest_s * span_s)
        if joint.max_acceleration is not None and abs(bend) > joint.max_acceleration * (1.0 + RELATIVE) + blur:
            return f"{joint.name}: accelerates beyond {joint.max_acceleration}"
        if joint.max_jerk is None:
            return ""
        shortest_s = min(shortest_s, self.earlier_s or shortest_s)
        allowed = joint.max_jerk * (span_s + self.earlier_s) / 3.0 * (1.0 + RELATIVE)
        if abs(bend - self.bend) > allowed + 16.0 * slack / shortest_s**2:
            return f"{joint.name}: its acceleration changes faster than {joint.max_jerk}"
        return ""


class Outgoing:
    """The assertion on all joints of one topic, in their order."""

    def __init__(self, config: CommandConfig, start: Sequence[float] | None = None) -> None:
        """Begin with nothing sent.

        Args:
            config: the topic's joints with their limits, and what else is commanded of them.
            start: where a trajectory of positions begins: the joints are there, within their bounds or not.
        """
        self._config = config
        starts = [None] * len(config.joints) if start is None else start
        of_position = config.kind == "position"
        self._checks = [OutgoingCheck(joint, of_position, x) for joint, x in zip(config.joints, starts, strict=True)]
        self._constants = {stopping: _constants(config, stopping=stopping) for stopping in (False, True)}

    @property
    def newest(self) -> list[float] | None:
        """The newest command sent; None before the first."""
        sent = [check.sent for check in self._checks if check.sent is not None]
        return sent if len(sent) == len(self._checks) else None

    def fault(self, command: Command, dt_s: float, *, stopping: bool = False) -> str:
        """What is wrong with sending it now, `dt_s` after the newest, in a safe stop or not; empty if nothing is."""
        pairs = zip(self._checks, command.values, strict=True)
        faults = [check.fault(value, dt_s, stopping=stopping) for check, value in pairs]
        return "; ".join(filter(None, [*faults, *self._constant_faults(command, stopping=stopping)]))

    def send(self, values: Sequence[float], dt_s: float) -> None:
        """Note that these were sent."""
        for check, value in zip(self._checks, values, strict=True):
            check.send(value, dt_s)

    def settle(self) -> None:
        """Note that the robot rests at the newest command."""
        for check in self._checks:
            check.settle()

    def _constant_faults(self, command: Command, *, stopping: bool) -> Iterator[str]:
        """What is wrong with the interfaces beside the kind: each is what the robot's YAML says, in a stop or not."""
        allowed = self._constants[stopping]
        if command.further.keys() != allowed.keys():
            yield f"interfaces {sorted(command.further)} are commanded, not {sorted(allowed)}"
            return
        for interface, values in command.further.items():
            if values == allowed[interface]:
                continue
            for joint, value, wanted in zip(self._config.joints, values, allowed[interface], strict=True):
                if value != wanted:
                    yield f"{joint.name}: {interface} is {value}, not {wanted}"


def _constants(config: CommandConfig, *, stopping: bool) -> dict[str, tuple[float | None, ...]]:
    """What each interface beside the kind may be commanded, in order of the joints."""
    return {
        interface: tuple(config.constant(joint, interface, stopping=stopping) for joint in config.joints)
        for interface in config.further
    }
