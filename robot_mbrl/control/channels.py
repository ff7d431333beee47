"""One command topic of the driver: what its joints measure, what is wished of them, and the next command to send."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from robot_mbrl.config import CommandConfig, CommandJoint, GuardConfig
from robot_mbrl.control.shaping import (
    Limit,
    OutgoingCheck,
    PositionShaper,
    RateShaper,
    Shaper,
    VelocityShaper,
    clamp,
    hard_bounds,
    to_action,
)
from robot_mbrl.errors import MessageError
from robot_mbrl.messages import read_joint

HOME_SHARE = 0.1
"""Share of each joint's speed that a move to the robot's home keeps to."""
HOME_TOLERANCE = 0.05
"""How near to its home a joint must be found, rad or m."""


@dataclass(frozen=True, slots=True)
class Command:
    """What the driver is to be told on one of its command topics."""

    config: CommandConfig
    values: tuple[float, ...]
    """In order of the config's joints, in their units."""


class Channel:
    """Shapes the commands of one topic; used by the guard alone, which decides what is wished and when.

    Call order: `sense` as measurements arrive; `shape` whenever a command is due, with targets or, for the safe stop,
    without; then `sent` if the command was published, `refuse` if it must not be.
    """

    def __init__(self, config: CommandConfig, guard: GuardConfig) -> None:
        """Begin knowing nothing of the joints; a position command waits for their first measurement."""
        self.config = config
        self.limits: set[Limit] = set()
        """Limits that changed a command since they were last cleared."""
        self.sensed_s = -math.inf
        """When the joints were last measured."""
        self._damping = guard.damping if guard.safe_stop == "damping" and config.kind == "effort" else 0.0
        self._of_position = config.kind == "position"
        self._positions: list[float] = []
        self._velocities: list[float] = []
        self._held: list[float] | None = None
        self._may_begin = False
        self._checks = [OutgoingCheck(joint, of_position=self._of_position) for joint in config.joints]
        self._shapers: list[Shaper] = []
        if not self._of_position:
            bounded = config.kind == "velocity" and config.source is not None
            self._shapers = [(VelocityShaper if bounded else RateShaper)(joint) for joint in config.joints]

    def sense(self, message: Any, now_s: float) -> str:
        """Take in a JointState of the driver.

        Returns:
            What is wrong with where a joint is; empty if nothing is.

        Raises:
            MessageError: if a joint is missing or its position, or a velocity that is damped, is not finite.
        """
        joints = self.config.joints
        if not any(joint.name in message.name for joint in joints):
            return ""
        positions = [_finite(message, joint.name, "position") for joint in joints]
        if self._damping:
            self._velocities = [_finite(message, joint.name, "velocity") for joint in joints]
        self._positions = positions
        self.sensed_s = now_s
        faults = [fault for joint, x in zip(joints, positions, strict=True) if (fault := self._misplaced(joint, x))]
        self._may_begin = self._of_position and not faults
        return "; ".join(faults)

    def _misplaced(self, joint: CommandJoint, position: float) -> str:
        low, high = joint.position_low, joint.position_high
        if (low is None or high is None) and self._of_position and not self._shapers:
            # Its command cannot begin where the robot is, and anywhere else would be a jump.
            low, high = hard_bounds(joint, of_position=True)
        if low is None or high is None or low <= position <= high:
            return ""
        return f"joint {joint.name} is at {position:.4f}, not within [{low}, {high}]"

    def forget_hold(self) -> None:
        """Hold what is measured now, if stopped: a robot moved by hand shall not be pulled back."""
        self._held = None

    def stop_actions(self) -> list[float]:
        """The normalised actions nearest to what the safe stop commands; damping counts as no effort."""
        if self._of_position:
            held = self._hold() or [0.5 * (joint.low + joint.high) for joint in self.config.joints]
            return [to_action(joint, x) for joint, x in zip(self.config.joints, held, strict=True)]
        return [to_action(joint, 0.0) for joint in self.config.joints]

    def shape(
        self, targets: Mapping[str, float], now_s: float, dt_s: float, period_s: float, remaining_s: float | None
    ) -> Command | None:
        """The next command.

        Args:
            targets: wished values by joint, in the command's units; empty for the safe stop.
            now_s: the present.
            dt_s: time since the newest command.
            period_s: how long the command will last.
            remaining_s: time that positions may take to their targets, so that steps blend into one another; None for
                as fast as the limits allow.

        Returns:
            The command; None while the positions to begin from are not known.
        """
        if not self._shapers:
            return self._begin()
        wished = [targets[joint.name] for joint in self.config.joints] if targets else self._stop_targets()
        values = []
        for index, (shaper, target) in enumerate(zip(self._shapers, wished, strict=True)):
            if isinstance(shaper, PositionShaper):
                pace = math.inf if remaining_s is None else abs(target - shaper.value) / remaining_s
                values.append(shaper.advance(target, dt_s, pace))
            elif isinstance(shaper, VelocityShaper) and self._positions:
                age_s = max(0.0, now_s - self.sensed_s)
                values.append(shaper.advance_at(target, dt_s, self._positions[index], age_s, period_s))
            else:
                values.append(shaper.advance(target, dt_s))
            if shaper.limit and targets:
                self.limits.add(shaper.limit)
        if targets:
            self._held = None
        return Command(self.config, tuple(values))

    def go_home(self, home: Mapping[str, float], dt_s: float) -> Command | None:
        """The next command of a slow move of position-commanded joints to these positions."""
        if not self._shapers:
            return self._begin()
        values = [
            shaper.advance(home[joint.name], dt_s, HOME_SHARE * joint.max_rate)
            for shaper, joint in zip(self._shapers, self.config.joints, strict=True)
            if isinstance(shaper, PositionShaper)
        ]
        # What is held next is where the move has led.
        self._held = None
        return Command(self.config, tuple(values))

    def is_home(self, home: Mapping[str, float]) -> bool:
        """Whether the joints are found near these positions; true of commands of another kind."""
        if not self._of_position:
            return True
        pairs = zip(self.config.joints, self._positions, strict=False)
        return bool(self._positions) and all(abs(x - home[joint.name]) <= HOME_TOLERANCE for joint, x in pairs)

    def _begin(self) -> Command | None:
        """The first command of positions: where the joints are."""
        if not self._may_begin:
            return None
        pairs = zip(self.config.joints, self._positions, strict=True)
        self._shapers = [PositionShaper(joint, position) for joint, position in pairs]
        return Command(self.config, tuple(self._positions))

    def fault(self, command: Command, dt_s: float) -> str:
        """What the final assertion has against a command; empty if nothing."""
        faults = (check.fault(value, dt_s) for check, value in zip(self._checks, command.values, strict=True))
        return "; ".join(filter(None, faults))

    def sent(self, command: Command, dt_s: float) -> None:
        """Note that a command was published."""
        for check, value in zip(self._checks, command.values, strict=True):
            check.send(value, dt_s)

    def refuse(self) -> None:
        """Go on from the newest command that was published, at rest, since the one after it must not be."""
        for shaper, check in zip(self._shapers, self._checks, strict=True):
            if check.sent is not None:
                shaper.value = check.sent
        self.settle()

    def settle(self) -> None:
        """Note that nothing was sent for so long that the robot rests at the newest command."""
        for shaper in self._shapers:
            shaper.settle()
        for check in self._checks:
            check.settle()

    @property
    def of_position(self) -> bool:
        """Whether the commands are positions."""
        return self._of_position

    @property
    def at_rest(self) -> bool:
        """Whether the newest command is the safe stop's last."""
        targets = self._stop_targets() if self._shapers else []
        return all(
            shaper.value == target and not (isinstance(shaper, PositionShaper) and shaper.rate)
            for shaper, target in zip(self._shapers, targets, strict=True)
        )

    def _hold(self) -> list[float]:
        if self._held is None and self._shapers:
            pairs = zip(self._positions, self.config.joints, strict=True)
            self._held = [clamp(x, *hard_bounds(joint, of_position=True)) for x, joint in pairs]
        return self._held or []

    def _stop_targets(self) -> list[float]:
        if self._of_position:
            return self._hold()
        if self._damping and self._velocities:
            pairs = zip(self.config.joints, self._velocities, strict=True)
            return [clamp(-self._damping * velocity, joint.low, joint.high) for joint, velocity in pairs]
        return [clamp(0.0, joint.low, joint.high) for joint in self.config.joints]


def _finite(message: Any, joint: str, field: str) -> float:
    value = read_joint(message, joint, field)
    if not math.isfinite(value):
        raise MessageError(f"{field} of joint {joint!r} is not finite")
    return value
