"""The guard's limits as mathematics: from a wished command to one that the robot may be given next.

A position command follows a path whose velocity and acceleration are bounded at every instant, not only at the ticks:
between two ticks its velocity changes linearly. So the limits hold whatever the distance of the ticks is, and a path
that can still brake, v² ≤ 2·a·d, can still brake at the next tick. Velocities, efforts and twists change at a bounded
rate; a velocity is also bounded by what can still brake before the joint's own bounds.
"""

import math
from typing import Literal, Protocol

from robot_mbrl.command_config import CommandJoint, hard_bounds

Limit = Literal["", "position_bound", "braking", "rate", "acceleration"]
"""The limit that last changed a command; empty if it is as wished."""

STANDOFF = 0.005
"""Share of a joint's range that a velocity command comes to rest short of either bound: a joint that rests on the bound
itself is found beyond it by the next encoder tick, which latches the stop."""


def to_command(joint: CommandJoint, action: float) -> float:
    """The command that a normalised action in [-1, 1] stands for."""
    return joint.low + (action + 1.0) * 0.5 * (joint.high - joint.low)


def to_action(joint: CommandJoint, command: float) -> float:
    """The normalised action nearest to a command, within [-1, 1]."""
    return clamp(2.0 * (command - joint.low) / (joint.high - joint.low) - 1.0, -1.0, 1.0)


def clamp(value: float, low: float, high: float) -> float:
    """The nearest value within bounds; NaN becomes the lower bound rather than passing through."""
    return max(low, min(high, value)) if value == value else low


def braking_speed(distance: float, deceleration: float, reaction_s: float) -> float:
    """The highest speed that can be kept for `reaction_s` and then still be braked within `distance`.

    Solves v·t + v²/(2·a) = d; without a reaction time, sqrt(2·a·d). Not positive distances give 0.
    """
    square = 2.0 * deceleration * distance
    if square <= 0.0:
        return 0.0
    lost = deceleration * reaction_s
    # The difference of root and `lost`, written so that it keeps its digits for small distances.
    return square / (math.sqrt(lost * lost + square) + lost)


class Shaper(Protocol):
    """Follows the wishes for one joint within its limits."""

    value: float
    """The newest command."""
    limit: Limit
    """What changed it."""

    def advance(self, target: float, dt_s: float) -> float:
        """The command `dt_s` after the newest one, on its way to `target`."""

    def settle(self) -> None:
        """Note that no command was sent for so long that the robot rests at the newest one."""


class PositionShaper:
    """A position command: a path with bounded velocity and acceleration that never overshoots what it can avoid."""

    def __init__(self, joint: CommandJoint, value: float) -> None:
        """Begin at rest at the joint's measured position."""
        if joint.max_acceleration is None:
            raise ValueError(f"joint {joint.name}: position commands need max_acceleration")
        self.value = value
        self.rate = 0.0
        """Velocity of the path at the newest command."""
        self.limit: Limit = ""
        self._max_rate = joint.max_rate
        self._acceleration = joint.max_acceleration
        self._low, self._high = hard_bounds(joint, of_position=True)

    @property
    def stopping_point(self) -> float:
        """Where the path comes to rest if it brakes from now on."""
        way = self.rate * abs(self.rate) / (2.0 * self._acceleration)
        return clamp(self.value + way, self._low, self._high)

    def settle(self) -> None:
        """Rest at the newest command."""
        self.rate = 0.0

    def advance(self, target: float, dt_s: float, pace: float = math.inf) -> float:
        """Move towards a target for a while.

        Args:
            target: where to come to rest.
            dt_s: duration of the move, not negative.
            pace: speed to keep to although the joint may be faster, so that steps blend into one another.
        """
        goal = clamp(target, self._low, self._high)
        self.limit = "position_bound" if goal != target else ""
        # Seen in the direction of motion, so that the speed is never negative.
        sign = math.copysign(1.0, self.rate) if self.rate else math.copysign(1.0, goal - self.value)
        moved, speed = self._move(sign * (goal - self.value), abs(self.rate), dt_s, pace)
        end = goal if moved == sign * (goal - self.value) else self.value + sign * moved
        self.value, self.rate = end, sign * speed
        return end

    def _move(self, distance: float, speed: float, dt_s: float, pace: float) -> tuple[float, float]:
        """Way made and speed reached after `dt_s`, towards a rest at `distance`, negative if that lies behind."""
        accel = self._acceleration
        if distance < speed * speed / (2.0 * accel):
            self.limit = "braking"
            if speed <= accel * dt_s:
                return speed * speed / (2.0 * accel), 0.0
            return speed * dt_s - accel * dt_s * dt_s / 2.0, speed - accel * dt_s
        ahead = distance - speed * dt_s / 2.0
        if ahead <= 0.0:
            return distance, 0.0
        # The speed whose braking distance is what this move leaves: v²/(2·a) = ahead - v·dt/2.
        can_brake = braking_speed(ahead, accel, dt_s / 2.0)
        # A pace below what full braking leaves cannot be kept to yet.
        allowed = max(min(self._max_rate, pace), speed - accel * dt_s)
        reached = min(can_brake, allowed, speed + accel * dt_s)
        if reached < can_brake and not self.limit:
            self.limit = "acceleration" if reached == speed + accel * dt_s else "rate"
        return (speed + reached) / 2.0 * dt_s, reached


class RateShaper:
    """An effort or twist command: bounded, and changing at a bounded rate."""

    def __init__(self, joint: CommandJoint, value: float = 0.0) -> None:
        """Begin at a command that the robot has, usually none: 0 within the command's bounds."""
        self._low, self._high = joint.low, joint.high
        self._max_rate = joint.max_rate
        self.value = clamp(value, self._low, self._high)
        self.limit: Limit = ""

    def settle(self) -> None:
        """The newest command stands, as it is."""

    def advance(self, target: float, dt_s: float) -> float:
        """Change the command for a while."""
        self.limit = ""
        change = self._max_rate * dt_s
        goal = clamp(target, self._low, self._high)
        self.value = clamp(goal, self.value - change, self.value + change)
        if self.value != goal:
            self.limit = "rate"
        return self.value


class VelocityShaper(RateShaper):
    """A velocity command: as an effort, and able to brake before the bounds of the joint's measured position."""

    def __init__(self, joint: CommandJoint, value: float = 0.0) -> None:
        """Begin at a command that the robot has, usually 0."""
        super().__init__(joint, value)
        self._bounds = joint.position_bounds
        if self._bounds is not None:
            low, high = self._bounds
            standoff = STANDOFF * (high - low)
            self._bounds = (low + standoff, high - standoff)
        # It cannot brake faster than its command may change.
        self._braking = min(joint.braking, joint.max_rate) if joint.braking is not None else joint.max_rate

    def advance_at(self, target: float, dt_s: float, position: float, age_s: float, period_s: float) -> float:
        """Change the command for a while.

        Args:
            target: the velocity wished for.
            dt_s: since the newest command.
            position: the joint's measured position.
            age_s: age of the measurement.
            period_s: how long this command will last.
        """
        bounded = target
        if self._bounds is not None:
            low, high = self._bounds
            # Where it is by now: it went on at the newest command, and before that at one that was that much faster.
            here = position + self.value * age_s
            unsure = self._max_rate * age_s * age_s / 2.0
            down = braking_speed(here - unsure - low, self._braking, period_s)
            up = braking_speed(high - here - unsure, self._braking, period_s)
            bounded = clamp(target, -down, up)
        value = self.advance(bounded, dt_s)
        if bounded != target and not self.limit:
            self.limit = "braking"
        return value
