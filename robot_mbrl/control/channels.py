"""One command topic of the driver: what its joints measure, what is wished of them, and the next command to send."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from robot_mbrl.command_config import hard_bounds
from robot_mbrl.config import CommandConfig, GuardConfig
from robot_mbrl.control.shaping import (
    Limit,
    OutgoingCheck,
    PositionShaper,
    RateShaper,
    Shaper,
    VelocityShaper,
    clamp,
    to_action,
)
from robot_mbrl.errors import MessageError
from robot_mbrl.messages import read_joint

HOME_SHARE = 0.1
"""Share of each joint's speed that a move to the robot's home keeps to."""
HOME_TOLERANCE = 0.05
"""How near to its home a joint must be found, rad or m."""
REST = 1e-6
"""A path that is this near to where it ends, and will stay, has ended; the last of the way takes for ever. rad or m."""
SLIP = 0.05
"""How far from its held position a stopped joint may be found before the hold lets go of it, rad or m, for joints
without a `max_following_error`; more than a drive yields under load."""
SLIP_S = 0.5
"""How long a hold has lasted before it may let go: as long as joints may take to come to rest after their command."""


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

    Position commands are a path that begins where the joints are measured. While the robot is stopped the path ends,
    to begin anew where they are then, if they are found elsewhere, are no longer measured, or a person acts.
    """

    def __init__(self, config: CommandConfig, guard: GuardConfig, max_age_s: float = math.inf) -> None:
        """Begin knowing nothing of the joints; a position command waits for their first measurement.

        Args:
            config: topic, kind and joints.
            guard: the robot's safe stop.
            max_age_s: measurements older than this are stale; infinite if the joints are not measured.
        """
        self.config = config
        self.limits: set[Limit] = set()
        """Limits that changed a command since they were last cleared."""
        self.sensed_s = -math.inf
        """When the joints were last measured."""
        self._damping = guard.damping if guard.safe_stop == "damping" and config.kind == "effort" else 0.0
        self._of_position = config.kind == "position"
        self._max_age_s = max_age_s
        self._positions: list[float] = []
        self._velocities: list[float] = []
        # Whether the newest command was on its way to a target or home, rather than the safe stop's.
        self._driven = False
        self._held: list[float] | None = None
        self._rested_s = math.inf
        self._shapers: list[Shaper] = []
        self._checks = self._new_checks()
        if not self._of_position:
            bounded = config.kind == "velocity" and config.source is not None
            self._shapers = [(VelocityShaper if bounded else RateShaper)(joint) for joint in config.joints]

    def sense(self, message: Any, now_s: float) -> None:
        """Take in a JointState of the driver.

        Raises:
            MessageError: if a joint is missing or its position, or a velocity that is damped, is not finite.
        """
        joints = self.config.joints
        if not any(joint.name in message.name for joint in joints):
            return
        positions = [_finite(message, joint.name, "position") for joint in joints]
        if self._damping:
            self._velocities = [_finite(message, joint.name, "velocity") for joint in joints]
        self._positions = positions
        self.sensed_s = now_s

    def is_stale(self, now_s: float) -> bool:
        """Whether the joints should have been measured since."""
        return now_s - self.sensed_s > self._max_age_s

    def misplaced(self) -> str:
        """Which joints are where they must not be; empty if none is known to be."""
        faults = []
        for joint, position in zip(self.config.joints, self._positions, strict=False):
            low, high = joint.position_low, joint.position_high
            if (low is None or high is None) and self._of_position and not self._shapers:
                # Its command cannot begin where the robot is, and anywhere else would be a jump.
                low, high = hard_bounds(joint, of_position=True)
                low, high = low - SLIP, high + SLIP
            if low is not None and high is not None and not low <= position <= high:
                faults.append(f"joint {joint.name} is at {position:.4f}, not within [{low}, {high}]")
        return "; ".join(faults)

    def following_fault(self) -> str:
        """Which joints do not follow their moving command; empty if all do."""
        if not self._driven:
            return ""
        return "; ".join(
            f"joint {joint.name} is at {position:.4f} and commanded to {check.sent:.4f}, more than "
            f"{joint.max_following_error} apart"
            for joint, position, check in zip(self.config.joints, self._positions, self._checks, strict=False)
            if joint.max_following_error is not None
            and check.sent is not None
            and abs(position - check.sent) > joint.max_following_error
        )

    def begin_anew(self) -> None:
        """Hold what is measured now, while stopped: a robot moved by hand shall not be pulled back."""
        if self._of_position and self._rests():
            self._end_path()
        self._held = None

    def undamp(self) -> None:
        """Let the safe stop of efforts be none at all: the velocities are not measured any more."""
        self._damping = 0.0

    def stop_actions(self) -> list[float]:
        """The normalised actions nearest to what the safe stop commands; damping counts as no effort."""
        if self._of_position:
            middle = [0.5 * (joint.low + joint.high) for joint in self.config.joints]
            held = self._hold() or self._positions or middle
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
        if not self._on_path(now_s, leaving=bool(targets)):
            return self._begin(now_s)
        wished = [targets[joint.name] for joint in self.config.joints] if targets else self._stop_targets(now_s)
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
        self._driven = bool(targets)
        if targets:
            self._held = None
        return Command(self.config, tuple(values))

    def go_home(self, home: Mapping[str, float], now_s: float, dt_s: float) -> Command | None:
        """The next command of a slow move of position-commanded joints to these positions."""
        if not self._on_path(now_s, leaving=True):
            return self._begin(now_s)
        values = [
            shaper.advance(home[joint.name], dt_s, HOME_SHARE * joint.max_rate)
            for shaper, joint in zip(self._shapers, self.config.joints, strict=True)
            if isinstance(shaper, PositionShaper)
        ]
        # What is held next is where the move has led.
        self._driven, self._held = True, None
        return Command(self.config, tuple(values))

    def is_home(self, home: Mapping[str, float]) -> bool:
        """Whether the joints are found near these positions; true of commands of another kind."""
        if not self._of_position:
            return True
        pairs = zip(self.config.joints, self._positions, strict=False)
        return bool(self._positions) and all(abs(x - home[joint.name]) <= HOME_TOLERANCE for joint, x in pairs)

    def _on_path(self, now_s: float, *, leaving: bool) -> bool:
        """Whether the next command goes on from the newest; False if a path of positions has yet to begin."""
        if self._of_position and not self._driven and self._shapers:
            self._rested_s = min(self._rested_s, now_s) if self._rests() else math.inf
            patient = not leaving and now_s - self._rested_s < SLIP_S
            # Without measurements the robot may be anywhere by the time it hears its old position again.
            lost = self.is_stale(now_s) or self.misplaced() or (self._slipped() and not patient)
            if lost and self._rested_s < math.inf:
                self._end_path()
        return bool(self._shapers) or not self._of_position

    def _slipped(self) -> bool:
        """Whether a joint is elsewhere than it is told to be: moved by hand, without power, or driven by others."""
        return any(
            abs(position - shaper.value) > (joint.max_following_error or SLIP)
            for joint, position, shaper in zip(self.config.joints, self._positions, self._shapers, strict=True)
        )

    def _end_path(self) -> None:
        """Forget the newest commands, so that the next one begins afresh."""
        self._shapers, self._checks = [], self._new_checks()
        self._held, self._rested_s = None, math.inf

    def _new_checks(self) -> list[OutgoingCheck]:
        return [OutgoingCheck(joint, of_position=self._of_position) for joint in self.config.joints]

    def _begin(self, now_s: float) -> Command | None:
        """The first command of positions: where the joints are."""
        if not self._positions or self.is_stale(now_s) or self.misplaced():
            return None
        pairs = zip(self.config.joints, self._positions, strict=True)
        positions = [clamp(position, *hard_bounds(joint, of_position=True)) for joint, position in pairs]
        self._shapers = [PositionShaper(joint, x) for joint, x in zip(self.config.joints, positions, strict=True)]
        self._driven, self._held = False, positions
        return Command(self.config, tuple(positions))

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

    def is_at_rest(self, now_s: float) -> bool:
        """Whether the newest command is the safe stop's last."""
        if self._of_position:
            return self._rests()
        return all(s.value == target for s, target in zip(self._shapers, self._stop_targets(now_s), strict=True))

    def _rests(self) -> bool:
        """Whether positions are held, or none are commanded."""
        return all(
            isinstance(shaper, PositionShaper)
            and max(abs(x - held) for x in (shaper.value, shaper.stopping_point)) <= REST
            for shaper, held in zip(self._shapers, self._hold(), strict=True)
        )

    def _hold(self) -> list[float]:
        if self._held is None and self._shapers:
            shapers = [shaper for shaper in self._shapers if isinstance(shaper, PositionShaper)]
            if self.misplaced():
                # Of all places within the bounds, the nearest where it can stop: the way back is a person's.
                self._held = [shaper.stopping_point for shaper in shapers]
            else:
                pairs = zip(self._positions, self.config.joints, strict=True)
                self._held = [clamp(x, *hard_bounds(joint, of_position=True)) for x, joint in pairs]
        return self._held or []

    def _stop_targets(self, now_s: float) -> list[float]:
        if self._of_position:
            return self._hold()
        # Against a velocity that is not known any more, an effort would drive the robot.
        if self._damping and self._velocities and not self.is_stale(now_s):
            pairs = zip(self.config.joints, self._velocities, strict=True)
            return [clamp(-self._damping * velocity, joint.low, joint.high) for joint, velocity in pairs]
        return [0.0] * len(self.config.joints)


def _finite(message: Any, joint: str, field: str) -> float:
    value = read_joint(message, joint, field)
    if not math.isfinite(value):
        raise MessageError(f"{field} of joint {joint!r} is not finite")
    return value
