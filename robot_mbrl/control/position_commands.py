"""Commands of positions: a trajectory that begins where the joints are believed to be, and ends at rest."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from robot_mbrl.config import CommandConfig
from robot_mbrl.control.command_interface import SLOW_SHARE, Command, Constants, Moment
from robot_mbrl.control.measured import SLACK_SHARE, MeasuredJoints
from robot_mbrl.control.position_trajectory import PositionTrajectory
from robot_mbrl.control.requested import Requests, by_joint
from robot_mbrl.control.shaping import Limit, clamp, resting_bounds, to_action
from robot_mbrl.joint_config import CommandJoint
from robot_mbrl.sensor_config import SourceConfig

HOME_TOLERANCE, HOME_SHARE = 0.05, 0.05
"""How near to its home a joint must be found: rad or m, and as a share of its range."""
TOLD = 1e-6
"""How near to where it is to lead a command has arrived, rad or m."""
REST_S = 0.5
"""How long a hold has lasted before it is given up where a joint was moved: as long as joints may take to come to rest
after their command."""

Target = TypeVar("Target", float, float | None)
"""Where a joint is to go; None for one that is to stay where it was last told to be."""


class PositionInterface:
    """The `CommandInterface` of a topic that commands positions.

    There is a trajectory or there is none. It begins where the joints are believed to be, with the first command that
    is requested of them. The safe stop brakes it, and holds the point where it comes to rest: nothing goes back. It
    ends at rest only: by a person's act, when the joints are measured no more, or when they are found elsewhere, moved
    by hand; then nothing is commanded until something is requested again.

    Where the command has `stop_constants`, the safe stop lets the joints go and damps them: the same message with other
    gains. They may sink anywhere, so nothing is held: the next request begins another trajectory, where they are then.
    """

    def __init__(
        self, config: CommandConfig, source: SourceConfig, home: Mapping[str, float], *, simulated: bool = False
    ) -> None:
        """Wait for the joints' first measurements.

        Args:
            config: topic and joints.
            source: where they are measured.
            home: the robot's, which need not be in the range of commands.
            simulated: whether by a simulator.
        """
        self.config = config
        self.limits: set[Limit] = set()
        self.joints = MeasuredJoints(config, source, simulated=simulated)
        self._constants = Constants(config)
        self._damps = config.has_stop_constants
        self._home = home
        self._requests = Requests(config)
        self._has_offsets = any(joint.max_offset is not None for joint in config.joints)
        self._bounds = [(joint.name, joint.position_bounds, joint.tolerance) for joint in config.joints]
        self._trajectory: PositionTrajectory | None = None

    def out_of_bounds(self) -> str:
        """Which joints are beyond the bounds of their positions by more than their tolerance."""
        return _beyond(
            (name, x, bounds, tolerance)
            for (name, bounds, tolerance), x in zip(self._bounds, self.joints.positions, strict=False)
            if bounds is not None
        )

    def out_of_range(self) -> str:
        """Which joints stand beyond the range of their commands by more than noise, or held, than they yield.

        Joints that are let go in a stop may be found anywhere within their bounds, and are taken on from there; those
        that have no bounds have their range alone.
        """
        trajectory = self._trajectory
        if trajectory is not None and trajectory.acting:
            return ""
        held = trajectory is not None and not trajectory.returning and not trajectory.released
        share = 1.0 if held else SLACK_SHARE
        return _beyond(
            (joint.name, x, self._range(joint), share * (joint.max_following_error or 0.0))
            for joint, x in zip(self.config.joints, self.joints.positions, strict=False)
            if not self._damps or joint.position_bounds is None
        )

    def _range(self, joint: CommandJoint) -> tuple[float, float]:
        """Where actions lead, and home."""
        home = self._home.get(joint.name, joint.low)
        return min(joint.low, home), max(joint.high, home)

    def following_fault(self) -> str:
        """Which joints do not follow their moving command."""
        trajectory = self._trajectory
        if trajectory is None or not trajectory.driven:
            return ""
        faults, commanded = [], dict[float, Sequence[float]]()
        for index, (x, sensed_s) in enumerate(zip(self.joints.positions, self.joints.times_s, strict=False)):
            # Most drivers measure all joints at once.
            if sensed_s not in commanded:
                commanded[sensed_s] = trajectory.at(sensed_s)
            joint, value = self.config.joints[index], commanded[sensed_s][index]
            allowed = joint.max_following_error
            if allowed is not None and abs(x - value) > allowed:
                faults.append(f"joint {joint.name} is at {x:.4f}, further than {allowed} from its command {value:.4f}")
        return "; ".join(faults)

    def reset(self) -> None:
        """Begin anew from what is measured when something is next requested; while it still brakes, it brakes on."""
        self.joints.forgive()
        if self._trajectory is not None and not self._trajectory.driven and self._trajectory.rests:
            self._trajectory = None

    def relocate(self) -> None:
        """Forget everything commanded: a simulator has put the joints elsewhere."""
        self.joints.forgive()
        self._trajectory = None

    def release_damping(self) -> None:
        """Positions are held, not damped."""

    def stop_actions(self) -> list[float]:
        """The normalised actions nearest to where the robot comes to rest, or else the measured positions."""
        trajectory = self._going_on()
        middle = [0.5 * (joint.low + joint.high) for joint in self.config.joints]
        held = self.joints.positions or middle
        if trajectory is not None:
            held = [shaper.stopping_point for shaper in trajectory.shapers]
        return [to_action(joint, x) for joint, x in zip(self.config.joints, held, strict=True)]

    def shape(self, targets: Mapping[str, float] | None, moment: Moment) -> Command | None:
        """The next command; see `CommandInterface.shape`."""
        if targets is None:
            return self._stop(moment)
        trajectory = self._going_on()
        if trajectory is None:
            return self._begin(moment.now_s) or self._stop(moment)
        wanted = self._requests.smooth(by_joint(self.config, targets), trajectory.values, moment.dt_s)
        # What is smoothed is there by now, and not only at the end of the step.
        remaining_s = None if self._requests.smooths else moment.remaining_s
        goals = self._within_reach(wanted)
        if goals != wanted:
            self.limits.add("offset")
        values = []
        for joint, shaper, goal in zip(self.config.joints, trajectory.shapers, goals, strict=True):
            if goal is None:
                # It stays where it was last told to be.
                values.append(shaper.brake(moment.dt_s))
                continue
            pace = math.inf if remaining_s is None else abs(goal - shaper.value) / remaining_s
            values.append(shaper.advance(goal, moment.dt_s, min(pace, moment.speed_scale * joint.max_rate)))
            if shaper.limit:
                self.limits.add(shaper.limit)
        trajectory.driven = trajectory.acting = True
        trajectory.returning = False
        return self._constants.command(values, stopping=False)

    def rest(self, moment: Moment) -> Command | None:
        """The next command between two episodes: a stop's that holds."""
        return self._stop(moment, lets_go=False)

    def go_home(self, home: Mapping[str, float], moment: Moment) -> Command | None:
        """The next command of a slow move to these positions; None while the positions to begin from are not known."""
        return self._move_slowly([home[joint.name] for joint in self.config.joints], moment)

    def is_home(self, home: Mapping[str, float]) -> bool:
        """Whether the joints are found near these positions."""
        joints, positions = self.config.joints, self.joints.positions
        allowed = [min(HOME_TOLERANCE, HOME_SHARE * (joint.high - joint.low)) for joint in joints]
        near = (abs(x - home[joint.name]) <= a for joint, x, a in zip(joints, positions, allowed, strict=False))
        return bool(positions) and all(near)

    def is_told(self, places: Mapping[str, float]) -> bool:
        """Whether the newest command rests at these positions."""
        joints, trajectory = self.config.joints, self._trajectory
        if trajectory is None or not trajectory.rests or any(joint.name not in places for joint in joints):
            return False
        return all(abs(x - places[j.name]) < TOLD for j, x in zip(joints, trajectory.values, strict=True))

    def can_return(self) -> bool:
        """Whether joints that are out of bounds or range can be brought back by commands."""
        return True

    def bring_back(self, moment: Moment) -> Command | None:
        """The next command of a slow move into the range of commands and the bounds of positions."""
        trajectory = self._going_on()
        if trajectory is not None and not trajectory.driven and trajectory.rests and self._is_elsewhere(trajectory):
            self._trajectory = None
        places = trajectory.values if trajectory is not None else self.joints.positions
        goals = []
        for joint, place, measured in zip(self.config.joints, places, self.joints.positions, strict=False):
            low, high = resting_bounds(joint)
            range_low, range_high = self._range(joint)
            inside = clamp(measured, max(low, range_low), min(high, range_high))
            # A joint that yields under load is told to go further in by as much.
            goals.append(place + inside - measured)
        return self._move_slowly(goals, moment, beyond_bounds=True) if goals else None

    def _move_slowly(self, goals: Sequence[float], moment: Moment, *, beyond_bounds: bool = False) -> Command | None:
        self._requests.rest()
        trajectory = self._going_on()
        if trajectory is None:
            return self._begin(moment.now_s, beyond_bounds=beyond_bounds) or self._stop(moment)
        values = [
            shaper.advance(goal, moment.dt_s, min(SLOW_SHARE, moment.speed_scale) * joint.max_rate)
            for shaper, joint, goal in zip(
                trajectory.shapers, self.config.joints, self._within_reach(goals), strict=True
            )
        ]
        trajectory.driven, trajectory.acting = True, False
        trajectory.returning = beyond_bounds
        return self._constants.command(values, stopping=False)

    def _going_on(self) -> PositionTrajectory | None:
        """The trajectory that the next request goes on with; None where another has to begin."""
        trajectory = self._trajectory
        return None if trajectory is None or trajectory.released else trajectory

    def _within_reach(self, targets: Sequence[Target]) -> Sequence[Target]:
        """The places nearest to these targets that are within each joint's `max_offset` of where it is measured."""
        if not self._has_offsets:
            return targets
        return [
            target
            if target is None or joint.max_offset is None
            else clamp(target, x - joint.max_offset, x + joint.max_offset)
            for joint, target, x in zip(self.config.joints, targets, self.joints.positions, strict=True)
        ]

    def fault(self, command: Command, dt_s: float) -> str:
        """What the final assertion has against a command; empty if nothing."""
        trajectory = self._trajectory
        if trajectory is None:
            return "there is no trajectory"
        return trajectory.outgoing.fault(command, dt_s, stopping=trajectory.released)

    def sent(self, command: Command, moment: Moment) -> None:
        """Note that a command was published."""
        if self._trajectory is not None:
            self._trajectory.outgoing.send(command.values, moment.dt_s)
            self._trajectory.history.append((moment.now_s, command.values))

    def refuse(self) -> None:
        """Go on from the newest command that was published, at rest, since the one after it must not be."""
        if self._trajectory is not None:
            for shaper, value in zip(self._trajectory.shapers, self._trajectory.outgoing.newest or (), strict=False):
                shaper.value = value
        self.settle()

    def settle(self) -> None:
        """Note that nothing was sent for so long that the robot rests at the newest command."""
        self._requests.rest()
        if self._trajectory is not None:
            for shaper in self._trajectory.shapers:
                shaper.settle()
            self._trajectory.outgoing.settle()

    def is_at_rest(self, now_s: float) -> bool:
        """Whether positions are held, or none are commanded."""
        return self._trajectory is None or (not self._trajectory.driven and self._trajectory.rests)

    def _begin(self, now_s: float, *, beyond_bounds: bool = False) -> Command | None:
        """The first command: where the joints are believed to be."""
        if not self._is_believed(now_s) or (not beyond_bounds and (self.out_of_bounds() or self.out_of_range())):
            return None
        places = self.joints.places
        self._requests.rest()
        self._trajectory = PositionTrajectory(self.config, places)
        self._trajectory.returning = beyond_bounds
        return self._constants.command(places, stopping=False)

    def _stop(self, moment: Moment, *, lets_go: bool = True) -> Command | None:
        trajectory = self._trajectory
        if trajectory is None:
            return None
        self._requests.rest()
        if trajectory.driven:
            trajectory.rested_s = math.inf
        trajectory.driven = trajectory.acting = False
        trajectory.rested_s = min(trajectory.rested_s, moment.now_s) if trajectory.rests else math.inf
        trajectory.released = trajectory.released or (self._damps and lets_go)
        rested = not trajectory.released and moment.now_s - trajectory.rested_s >= REST_S
        if rested and (self.joints.is_stale(moment.now_s) or self._is_elsewhere(trajectory)):
            # By the time it hears its old position again the robot may be anywhere. Nor is it told a new one: what is
            # measured in a stop may be wrong, and nothing moves by it.
            self._trajectory = None
            return None
        values = [shaper.brake(moment.dt_s) for shaper in trajectory.shapers]
        return self._constants.command(values, stopping=trajectory.released)

    def _is_believed(self, now_s: float) -> bool:
        """Whether the joints are where they are said to be, for all that is known."""
        joints = self.joints
        return bool(joints.positions) and not (joints.is_stale(now_s) or joints.unsettled() or joints.leap)

    def _is_elsewhere(self, trajectory: PositionTrajectory) -> bool:
        """Whether a joint is elsewhere than it is told to be: moved by hand, without power, or driven by others."""
        return any(
            abs(x - value) > (joint.max_following_error or 0.0)
            for joint, x, value in zip(self.config.joints, self.joints.positions, trajectory.values, strict=False)
        )


def _beyond(places: Iterable[tuple[str, float, tuple[float, float], float]]) -> str:
    """Which of these (name, position, bounds, tolerance) are beyond their bounds."""
    return "; ".join(
        f"joint {name} is at {x:.4f}, not within [{bounds[0]}, {bounds[1]}]"
        for name, x, bounds, tolerance in places
        if not bounds[0] - tolerance <= x <= bounds[1] + tolerance
    )
