"""The guard's limits as mathematics: from a requested command to one that the robot may be given next.

A position command follows a trajectory whose velocity, acceleration and jerk are bounded at every instant, not only at
the ticks. Ruckig plans it anew at each tick (L. Berscheid, T. Kröger: Jerk-limited Real-time Trajectory Generation with
Arbitrary Target States, RSS 2021), and the tick takes from it as much as has passed. What is added here is that the
robot can be stopped at any tick without going back: a trajectory never turns round but at rest, and one that would not
leave room to brake before its target and the joint's bounds gives way to braking. Velocities, efforts and twists change
at a bounded rate; a velocity is also bounded by what can still brake before the joint's own bounds.
"""

import math
from typing import Literal

from ruckig import ControlInterface, InputParameter, Result, Ruckig, RuckigError, Trajectory

from robot_mbrl.joint_config import CommandJoint

Limit = Literal["", "offset", "position_bound", "braking", "rate", "acceleration", "jerk"]
"""The limit that last changed a command; empty if it is as requested."""

STANDOFF = 0.005
"""Share of a joint's range that commands come to rest short of either bound: a joint that rests on the bound itself is
found beyond it by the next encoder tick."""
ROUNDING = 1e-10
"""Share of a joint's speed or acceleration that floating point may add."""
PLACE = 1e-12
"""Relative to the size of a joint's bounds: places nearer to one another are the same."""


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


def resting_bounds(joint: CommandJoint) -> tuple[float, float]:
    """Where a joint may come to rest: within its bounds less the stand-off, or else those of its position command."""
    if joint.position_bounds is None:
        return joint.low, joint.high
    low, high = joint.position_bounds
    return low + STANDOFF * (high - low), high - STANDOFF * (high - low)


class PositionShaper:
    """A position command: a trajectory that keeps the joint's limits and can always be stopped within its bounds.

    With the newest command comes the trajectory that brakes from there. What is planned towards a target is followed
    only if braking after it ends before the target too; what Ruckig cannot plan is braked for with what it had planned.
    """

    def __init__(self, joint: CommandJoint, value: float) -> None:
        """Begin at rest at the joint's measured position."""
        if joint.max_acceleration is None:
            raise ValueError(f"joint {joint.name}: position commands need max_acceleration")
        self.value = value
        self.rate = 0.0
        """Velocity of the trajectory at the newest command."""
        self.acceleration = 0.0
        """Its acceleration there."""
        self.limit: Limit = ""
        # Some roundings below the limit, so that what they add does not lead beyond it.
        self._max_rate, self._max_acceleration = joint.max_rate * (1.0 - 10.0 * ROUNDING), joint.max_acceleration
        self._max_jerk = math.inf if joint.max_jerk is None else joint.max_jerk
        self._low, self._high = resting_bounds(joint)
        self._rounding = PLACE * max(1.0, abs(self._low), abs(self._high))
        self._ruckig = Ruckig(1)
        # What Ruckig is asked for: to rest at a place, to take on a rate, to rest as soon as possible.
        self._move, self._slow, self._halt = InputParameter(1), InputParameter(1), InputParameter(1)
        self._slow.control_interface = self._halt.control_interface = ControlInterface.Velocity
        for request in (self._move, self._slow, self._halt):
            request.max_acceleration, request.max_jerk = [self._max_acceleration], [self._max_jerk]
        self._plan, self._braking, self._spare = Trajectory(1), Trajectory(1), Trajectory(1)
        self._braked_s = math.inf
        """How much of the braking has passed at the newest command; infinite at rest."""
        self._braking_end = value
        """Where the braking ends."""

    @property
    def at_rest(self) -> bool:
        """Whether the trajectory has come to rest at the newest command."""
        return self._braked_s == math.inf

    @property
    def stopping_point(self) -> float:
        """Where the trajectory comes to rest if it brakes from now on."""
        return self.value if self.at_rest else self._bounded(self._braking_end)

    def settle(self) -> None:
        """Rest at the newest command."""
        self.rate, self.acceleration, self._braked_s = 0.0, 0.0, math.inf

    def brake(self, dt_s: float) -> float:
        """Come to rest as soon as the limits allow, which is never behind the newest command."""
        self.limit = "" if self.at_rest else "braking"
        self._braked_s += dt_s
        if self._braked_s >= self._braking.duration:
            self.value = self.stopping_point
            self.settle()
        else:
            position, self.rate, self.acceleration = _state(self._braking, self._braked_s)
            self.value = self._bounded(position)
        return self.value

    def advance(self, target: float, dt_s: float, pace: float = math.inf) -> float:
        """Move towards a target for a while.

        Args:
            target: where to come to rest.
            dt_s: duration of the move, not negative.
            pace: speed to keep to although the joint may be faster, so that steps blend into one another.
        """
        # What is no number leads nowhere.
        goal = self._bounded(self.stopping_point if math.isnan(target) else target)
        bound: Limit = "position_bound" if goal != target else ""
        heading = math.copysign(1.0, self.rate or goal - self.value)
        room = heading * (goal - self.stopping_point)
        if room > self._rounding and self._approach(goal, heading, dt_s, min(self._max_rate, pace)):
            self.limit = bound or self.limit
        else:
            self.brake(dt_s)
            # To end at the target is what was requested.
            self.limit = bound if abs(room) <= self._rounding else "braking"
        if abs(goal - self.value) <= self._rounding:
            self.value = goal
        return self.value

    def _bounded(self, place: float) -> float:
        """The nearest place to rest at. From within the stand-off it is only left inwards, and need not be."""
        return clamp(place, min(self._low, self.value), max(self._high, self.value))

    def _approach(self, goal: float, heading: float, dt_s: float, speed: float) -> bool:
        """Move towards the goal; False, and nothing has moved, if no plan is found that leaves room to brake."""
        was, hair = heading * self.rate, ROUNDING * self._max_rate
        fastest = max(was, self._levelled(was, heading * self.acceleration))
        if speed <= hair:
            return False
        self._move.target_position, self._slow.target_velocity = [goal], [heading * speed]
        # At its greatest speed but for rounding, Ruckig would brake with all the jerk there is, and speed up again.
        self._move.max_velocity = [max(speed, fastest) + hair]
        slow_down = fastest > speed + hair and self._follow(self._slow, goal, dt_s)
        if not slow_down and not self._follow(self._move, goal, dt_s):
            return False
        self.limit = self._reason(heading * self.rate, was, heading * self.acceleration)
        return True

    def _follow(self, request: InputParameter, goal: float, dt_s: float) -> bool:
        """Follow a plan to a rate, or to a rest at the goal; False if it finds none or may not be stopped on it."""
        state = (self.value, self.rate, self.acceleration)
        heading = math.copysign(1.0, goal - self.value)
        try:
            self._calculate(request, state, self._plan)
            position, rate, acceleration = state = _state(self._plan, dt_s)
            self._calculate(self._halt, state, self._spare)
        except RuckigError:
            return False
        least = min(heading * rate, self._levelled(heading * rate, heading * acceleration))
        end = _end(self._spare)
        if not (heading * (goal - end) >= -self._rounding and least >= -ROUNDING * self._max_rate):
            return False
        self.value = goal if heading * (goal - position) < 0.0 else position
        self.rate, self.acceleration, self._braked_s = rate, acceleration, 0.0
        self._braking, self._spare, self._braking_end = self._spare, self._braking, end
        if request is self._move and self._plan.duration <= dt_s:
            self.value = goal
            self.settle()
        return True

    def _calculate(self, request: InputParameter, state: tuple[float, float, float], plan: Trajectory) -> None:
        """Let Ruckig plan from a position, rate and acceleration."""
        request.current_position, request.current_velocity, request.current_acceleration = ([x] for x in state)
        if (result := self._ruckig.calculate(request, plan)) != Result.Working:
            raise RuckigError(str(result))

    def _levelled(self, rate: float, acceleration: float) -> float:
        """The rate that is left when the acceleration has been taken back, which takes a while if jerk is limited."""
        return rate + acceleration * abs(acceleration) / (2.0 * self._max_jerk)

    def _reason(self, rate: float, was: float, acceleration: float) -> Limit:
        """Which limit keeps it from being faster now; none while it slows down or keeps to its pace."""
        if rate >= self._max_rate * (1.0 - ROUNDING):
            return "rate"
        if self._max_jerk == math.inf:
            return "acceleration" if rate > was else ""
        if acceleration >= self._max_acceleration * (1.0 - ROUNDING):
            return "acceleration"
        return "jerk" if acceleration > 0.0 else ""


def _state(plan: Trajectory, time_s: float) -> tuple[float, float, float]:
    """Position, rate and acceleration at a time of a plan."""
    position, rate, acceleration = plan.at_time(time_s)
    return position[0], rate[0], acceleration[0]


def _end(plan: Trajectory) -> float:
    """Where a plan ends."""
    return _state(plan, plan.duration)[0]


class RateShaper:
    """An effort or twist command: bounded, and changing at a bounded rate."""

    def __init__(self, joint: CommandJoint, value: float = 0.0) -> None:
        """Begin at a command that the robot has, usually none: 0 within the command's bounds."""
        self._low, self._high = joint.low, joint.high
        self._max_rate, self._stop_rate = joint.max_rate, joint.stop_rate or joint.max_rate
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

    def brake(self, dt_s: float, target: float = 0.0) -> float:
        """Change the command in a safe stop: while it falls towards 0 it may do so faster than usual.

        Args:
            dt_s: since the newest command.
            target: what the safe stop commands: 0, or an effort that damps.
        """
        goal = clamp(target, self._low, self._high)
        # On its way to the other side it is 0 once.
        lowest = goal if goal * self.value > 0.0 else 0.0
        if abs(lowest) >= abs(self.value):
            return self.advance(goal, dt_s)
        change = self._stop_rate * dt_s
        self.value = clamp(lowest, self.value - change, self.value + change)
        self.limit = "" if self.value == goal else "rate"
        return self.value


class VelocityShaper(RateShaper):
    """A velocity command: as an effort, and able to brake before the bounds of the joint's measured position."""

    def __init__(self, joint: CommandJoint, value: float = 0.0) -> None:
        """Begin at a command that the robot has, usually 0."""
        super().__init__(joint, value)
        self._bounds = None if joint.position_bounds is None else resting_bounds(joint)
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
