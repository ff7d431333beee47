"""Commands of velocities, efforts and twists: each follows its request at a bounded rate, and stops at nothing."""

import math
from collections import deque
from collections.abc import Mapping

from robot_mbrl.config import CommandConfig, GuardConfig
from robot_mbrl.control.command_interface import SLOW_SHARE, Command, Constants, Moment
from robot_mbrl.control.measured import MeasuredJoints, following_error
from robot_mbrl.control.outgoing import Outgoing
from robot_mbrl.control.requested import Requests
from robot_mbrl.control.shaping import Limit, RateShaper, VelocityShaper, clamp, resting_bounds, to_action
from robot_mbrl.joint_config import CommandJoint
from robot_mbrl.sensor_config import SourceConfig

FORGIVEN_SHARE = 0.5
"""Share of its measured way by which a joint may be ahead of or behind its commanded velocity for good."""
NOISE_SHARE = 0.01
"""Share of a joint's effort below which nothing is damped: a measured velocity is never quite 0."""
HISTORY = 512
"""Commands that measurements are compared with: a second's at 500 Hz."""


class VelocityFollowing:
    """Compares where a joint's commanded velocities have led with where it is found.

    The difference grows while the joint does not do what it is told, and shrinks by half of the way that it is measured
    to make: a servo may be slow, lag, or drift by its scale, but one that stands still, or whose readings do, is
    noticed after it should have moved by `max_following_error`, however slowly.
    """

    def __init__(self, joint: CommandJoint) -> None:
        """Begin at rest."""
        self._joint = joint
        self._allowed = following_error(joint)
        self._difference = 0.0
        self._measured: tuple[float, float] | None = None
        # Each command with when it was sent, and where those before it have led.
        self._sent: deque[tuple[float, float, float]] = deque([(-math.inf, 0.0, 0.0)], maxlen=HISTORY)

    def sent(self, velocity: float, now_s: float) -> None:
        """Note a command."""
        self._sent.append((now_s, velocity, self._led_to(now_s)))

    def measured(self, position: float, sensed_s: float, *, driven: bool) -> str:
        """Take in a measurement; returns what is wrong, empty if nothing is.

        Args:
            position: rad or m.
            sensed_s: when.
            driven: whether the joint is to move as requested; else it may be moved by anybody.
        """
        before = self._measured
        if before is not None and sensed_s <= before[1]:
            # It came in a message of other joints.
            return ""
        self._measured = (position, sensed_s)
        if before is None or not driven:
            self._difference = 0.0
            return ""
        moved = position - before[0]
        difference = self._difference + self._led_to(sensed_s) - self._led_to(before[1]) - moved
        forgiven = FORGIVEN_SHARE * abs(moved)
        self._difference = math.copysign(max(0.0, abs(difference) - forgiven), difference)
        if abs(self._difference) <= self._allowed:
            return ""
        return (
            f"joint {self._joint.name} is {self._difference:+.4f} from where its commands have led, further than "
            f"{self._allowed:g}: it does not follow, or is measured wrongly"
        )

    def forget(self) -> None:
        """Compare anew from the next measurement on."""
        self._difference, self._measured = 0.0, None

    def _led_to(self, time_s: float) -> float:
        """Where the commands have led by a time, rad or m."""
        for sent_s, velocity, way in reversed(self._sent):
            if sent_s <= time_s:
                return way + (velocity * (time_s - sent_s) if velocity else 0.0)
        return self._sent[0][2]


class RateInterface:
    """The `CommandInterface` of a topic that commands no positions; the safe stop is 0, or damps the velocity."""

    def __init__(
        self, config: CommandConfig, source: SourceConfig | None, guard: GuardConfig, *, simulated: bool = False
    ) -> None:
        """Begin at rest.

        Args:
            config: topic, kind and joints.
            source: where the joints are measured; None if they are not.
            guard: the robot's safe stop.
            simulated: whether a simulator measures them.
        """
        self.config = config
        self.limits: set[Limit] = set()
        self._damping = guard.damping if guard.safe_stop == "damping" and config.kind == "effort" else 0.0
        self.joints = MeasuredJoints(config, source, with_velocities=self._damping > 0.0, simulated=simulated)
        measured = config.kind == "velocity" and source is not None
        self._shapers = [(VelocityShaper if measured else RateShaper)(joint) for joint in config.joints]
        self._following = [VelocityFollowing(joint) for joint in config.joints] if measured else []
        self._outgoing = Outgoing(config)
        self._constants = Constants(config)
        self._requests = Requests(config)
        self._driven = False

    def out_of_bounds(self) -> str:
        """Which joints are beyond the bounds of their positions by more than their tolerance."""
        return "; ".join(
            f"joint {joint.name} is at {x:.4f}, not within [{bounds[0]}, {bounds[1]}]"
            for joint, x in zip(self.config.joints, self.joints.positions, strict=False)
            if (bounds := joint.position_bounds) is not None
            and not bounds[0] - joint.tolerance <= x <= bounds[1] + joint.tolerance
        )

    def out_of_range(self) -> str:
        """None: no action leads to a place."""
        return ""

    def following_fault(self) -> str:
        """Which joints do not follow their commanded velocities; to be asked once for every measurement."""
        if not self.joints.positions:
            return ""
        measured = zip(self._following, self.joints.positions, self.joints.times_s, strict=False)
        faults = [following.measured(x, sensed_s, driven=self._driven) for following, x, sensed_s in measured]
        return "; ".join(filter(None, faults))

    def reset(self) -> None:
        """Nothing is held."""
        self.joints.forgive()

    def relocate(self) -> None:
        """Forget where the commands have led: a simulator has put the joints elsewhere."""
        self.joints.forgive()
        for following in self._following:
            following.forget()

    def release_damping(self) -> None:
        """Let the safe stop be no effort at all."""
        self._damping = 0.0

    def stop_actions(self) -> list[float]:
        """The normalised actions nearest to 0."""
        return [to_action(joint, 0.0) for joint in self.config.joints]

    def shape(self, targets: Mapping[str, float] | None, moment: Moment) -> Command:
        """The next command; see `CommandInterface.shape`."""
        self._driven = targets is not None
        if targets is None:
            self._requests.rest()
            stops = zip(self._shapers, self._stop_targets(moment.now_s), strict=True)
            values = [shaper.brake(moment.dt_s, target) for shaper, target in stops]
            return self._constants.command(values, stopping=True)
        requested = [targets.get(joint.name, 0.0) for joint in self.config.joints]
        newest = [shaper.value for shaper in self._shapers]
        wanted = self._requests.smooth(requested, newest, moment.dt_s)
        return self._advance([value or 0.0 for value in wanted], moment)

    def rest(self, moment: Moment) -> Command:
        """The safe stop's command."""
        return self.shape(None, moment)

    def _advance(self, requested: list[float], moment: Moment) -> Command:
        positions = self.joints.positions
        values = []
        for index, (shaper, target) in enumerate(zip(self._shapers, self._slowed(requested, moment), strict=True)):
            if isinstance(shaper, VelocityShaper) and positions:
                age_s = max(0.0, moment.now_s - self.joints.sensed_s)
                values.append(shaper.advance_at(target, moment.dt_s, positions[index], age_s, moment.period_s))
            else:
                values.append(shaper.advance(target, moment.dt_s))
            if shaper.limit:
                self.limits.add(shaper.limit)
        return self._constants.command(values, stopping=False)

    def _slowed(self, requested: list[float], moment: Moment) -> list[float]:
        """The requested commands within the share of their bounds that the speed scale leaves; stops are not scaled."""
        scale = moment.speed_scale
        pairs = zip(self.config.joints, requested, strict=True)
        return [clamp(target, scale * joint.low, scale * joint.high) for joint, target in pairs]

    def go_home(self, home: Mapping[str, float], moment: Moment) -> Command:
        """The safe stop's command: what has no position is at home."""
        return self.shape(None, moment)

    def is_home(self, home: Mapping[str, float]) -> bool:
        """Always: what has no position is at home."""
        return True

    def is_told(self, places: Mapping[str, float]) -> bool:
        """Never: no positions are commanded."""
        return False

    def can_return(self) -> bool:
        """Whether joints that are out of bounds can be brought back by commands: by velocities of either direction."""
        return bool(self._following) and all(joint.low < 0.0 < joint.high for joint in self.config.joints)

    def bring_back(self, moment: Moment) -> Command | None:
        """Slow velocities of joints beyond their bounds back inside; efforts and twists stop: they lead nowhere."""
        positions = self.joints.positions
        believed = positions and not self.joints.is_stale(moment.now_s) and not self.joints.unsettled()
        if not believed or not self._following:
            return self.shape(None, moment)
        requested = []
        for joint, x in zip(self.config.joints, positions, strict=True):
            low, high = resting_bounds(joint) if joint.position_bounds is not None else (-math.inf, math.inf)
            speed = SLOW_SHARE * (joint.high if x < low else joint.low)
            requested.append(speed if not low <= x <= high else 0.0)
        self._driven = True
        self._requests.rest()
        return self._advance(requested, moment)

    def fault(self, command: Command, dt_s: float) -> str:
        """What the final assertion has against a command; empty if nothing."""
        return self._outgoing.fault(command, dt_s, stopping=not self._driven)

    def sent(self, command: Command, moment: Moment) -> None:
        """Note that a command was published."""
        self._outgoing.send(command.values, moment.dt_s)
        for following, value in zip(self._following, command.values, strict=False):
            following.sent(value, moment.now_s)

    def refuse(self) -> None:
        """Go on from the newest command that was published."""
        for shaper, value in zip(self._shapers, self._outgoing.newest or (), strict=False):
            shaper.value = value
        self.settle()

    def settle(self) -> None:
        """Note that the robot has had the newest command for long."""
        self._requests.rest()
        for shaper in self._shapers:
            shaper.settle()
        self._outgoing.settle()

    def is_at_rest(self, now_s: float) -> bool:
        """Whether nothing is commanded any more: what damps is no rest."""
        return not any(self._stop_targets(now_s)) and not any(shaper.value for shaper in self._shapers)

    def _stop_targets(self, now_s: float) -> list[float]:
        # Against a velocity that is not known any more, an effort would drive the robot.
        if self._damping and self.joints.velocities and not self.joints.is_stale(now_s):
            pairs = zip(self.config.joints, self.joints.velocities, strict=True)
            return [_damped(joint, -self._damping * velocity) for joint, velocity in pairs]
        return [0.0] * len(self.config.joints)


def _damped(joint: CommandJoint, effort: float) -> float:
    """An effort that damps, or none where only noise would be damped."""
    noise = NOISE_SHARE * max(abs(joint.low), abs(joint.high))
    return clamp(effort, joint.low, joint.high) if abs(effort) > noise else 0.0
