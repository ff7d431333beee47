"""Commands of positions: a path that begins where the joints are measured, and ends when they are found elsewhere."""

import math
from collections.abc import Mapping, Sequence

from robot_mbrl.command_config import CommandJoint, hard_bounds
from robot_mbrl.config import CommandConfig
from robot_mbrl.control.channels import Command, Moment
from robot_mbrl.control.measured import MeasuredJoints
from robot_mbrl.control.outgoing import Outgoing
from robot_mbrl.control.shaping import Limit, PositionShaper, clamp, to_action

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


class _Path:
    """What was commanded since the path began.

    Attributes:
        shapers: one per joint, at the newest command.
        outgoing: what was sent.
        driven: whether the newest command was on its way to a target or home, rather than the safe stop's.
        held: where the safe stop holds the joints; None until it is decided, at the stop's first command.
        rested_s: since when the path has rested there; infinite while it moves.
    """

    def __init__(self, config: CommandConfig, positions: Sequence[float]) -> None:
        """Begin at rest at these positions."""
        self.shapers = [PositionShaper(joint, x) for joint, x in zip(config.joints, positions, strict=True)]
        self.outgoing = Outgoing(config.joints, of_position=True)
        self.driven = False
        self.held: list[float] | None = list(positions)
        self.rested_s = math.inf

    def rests_at(self, places: Sequence[float]) -> bool:
        """Whether it is there, and stays."""
        return all(
            max(abs(x - place) for x in (shaper.value, shaper.stopping_point)) <= REST
            for shaper, place in zip(self.shapers, places, strict=True)
        )


class PathChannel:
    """The `Channel` of a topic that commands positions; the safe stop holds them.

    There is a path or there is none. It begins with the first command after the joints were measured. While the robot
    is stopped and the path rests, it ends if the joints are found elsewhere, are measured no more, or a person acts;
    the next one begins where they are then.
    """

    def __init__(self, config: CommandConfig, max_age_s: float) -> None:
        """Wait for the joints' first measurement.

        Args:
            config: topic and joints.
            max_age_s: measurements older than this are stale.
        """
        self.config = config
        self.limits: set[Limit] = set()
        self.joints = MeasuredJoints(config, max_age_s)
        self._path: _Path | None = None

    def misplaced(self) -> str:
        """Which joints are beyond their bounds; without a path, also those that none could begin at."""
        return self.joints.misplaced([joint.position_bounds or self._beginning(joint) for joint in self.config.joints])

    def following_fault(self) -> str:
        """Which joints do not follow their moving command; empty if all do."""
        path = self._path
        if path is None or not path.driven:
            return ""
        triples = zip(self.config.joints, self.joints.positions, path.outgoing.newest or (), strict=False)
        return "; ".join(
            f"joint {joint.name} is at {position:.4f} and commanded to {sent:.4f}, more than "
            f"{joint.max_following_error} apart"
            for joint, position, sent in triples
            if joint.max_following_error is not None and abs(position - sent) > joint.max_following_error
        )

    def begin_anew(self) -> None:
        """Hold what is measured now, while stopped: a robot moved by hand shall not be pulled back."""
        path = self._path
        if path is not None and path.rests_at(self._hold(path)):
            self._path = None
        elif path is not None:
            path.held = None

    def undamp(self) -> None:
        """Positions are held, not damped."""

    def stop_actions(self) -> list[float]:
        """The normalised actions nearest to the held, or else the measured, positions."""
        middle = [0.5 * (joint.low + joint.high) for joint in self.config.joints]
        held = self._hold(self._path) if self._path is not None else self.joints.positions or middle
        return [to_action(joint, x) for joint, x in zip(self.config.joints, held, strict=True)]

    def shape(self, targets: Mapping[str, float], moment: Moment) -> Command | None:
        """The next command; see `Channel.shape`."""
        path = self._continued(moment.now_s, leaving=bool(targets))
        if path is None:
            return self._begin(moment.now_s)
        wished = [targets[joint.name] for joint in self.config.joints] if targets else self._hold(path)
        values = []
        for shaper, target in zip(path.shapers, wished, strict=True):
            remaining_s = moment.remaining_s
            pace = math.inf if remaining_s is None else abs(target - shaper.value) / remaining_s
            values.append(shaper.advance(target, moment.dt_s, pace))
            if shaper.limit and targets:
                self.limits.add(shaper.limit)
        path.driven = bool(targets)
        if targets:
            path.held = None
        return Command(self.config, tuple(values))

    def go_home(self, home: Mapping[str, float], moment: Moment) -> Command | None:
        """The next command of a slow move to these positions; None while the positions to begin from are not known."""
        path = self._continued(moment.now_s, leaving=True)
        if path is None:
            return self._begin(moment.now_s)
        values = [
            shaper.advance(home[joint.name], moment.dt_s, HOME_SHARE * joint.max_rate)
            for shaper, joint in zip(path.shapers, self.config.joints, strict=True)
        ]
        # What is held next is where the move has led.
        path.driven, path.held = True, None
        return Command(self.config, tuple(values))

    def is_home(self, home: Mapping[str, float]) -> bool:
        """Whether the joints are found near these positions."""
        positions = self.joints.positions
        pairs = zip(self.config.joints, positions, strict=False)
        return bool(positions) and all(abs(x - home[joint.name]) <= HOME_TOLERANCE for joint, x in pairs)

    def fault(self, command: Command, dt_s: float) -> str:
        """What the final assertion has against a command; empty if nothing."""
        return self._path.outgoing.fault(command.values, dt_s) if self._path is not None else "there is no path"

    def sent(self, command: Command, dt_s: float) -> None:
        """Note that a command was published."""
        if self._path is not None:
            self._path.outgoing.send(command.values, dt_s)

    def refuse(self) -> None:
        """Go on from the newest command that was published, at rest, since the one after it must not be."""
        if self._path is not None:
            for shaper, value in zip(self._path.shapers, self._path.outgoing.newest or (), strict=False):
                shaper.value = value
        self.settle()

    def settle(self) -> None:
        """Note that nothing was sent for so long that the robot rests at the newest command."""
        if self._path is not None:
            for shaper in self._path.shapers:
                shaper.settle()
            self._path.outgoing.settle()

    def is_at_rest(self, now_s: float) -> bool:
        """Whether positions are held, or none are commanded."""
        return self._path is None or self._path.rests_at(self._hold(self._path))

    def _beginning(self, joint: CommandJoint) -> tuple[float, float] | None:
        """Where a path of a joint without bounds may begin: anywhere else its first command would be a jump."""
        if self._path is not None:
            return None
        low, high = hard_bounds(joint, of_position=True)
        return low - SLIP, high + SLIP

    def _begin(self, now_s: float) -> Command | None:
        """The first command: where the joints are."""
        if not self.joints.positions or self.joints.is_stale(now_s) or self.misplaced():
            return None
        pairs = zip(self.config.joints, self.joints.positions, strict=True)
        positions = [clamp(position, *hard_bounds(joint, of_position=True)) for joint, position in pairs]
        self._path = _Path(self.config, positions)
        return Command(self.config, tuple(positions))

    def _continued(self, now_s: float, *, leaving: bool) -> _Path | None:
        """The path, if the next command goes on from the newest; None if one has yet to begin."""
        path = self._path
        if path is None or path.driven:
            return path
        path.rested_s = min(path.rested_s, now_s) if path.rests_at(self._hold(path)) else math.inf
        patient = not leaving and now_s - path.rested_s < SLIP_S
        # Without measurements the robot may be anywhere by the time it hears its old position again.
        lost = self.joints.is_stale(now_s) or self.misplaced() or (self._slipped(path) and not patient)
        if lost and path.rested_s < math.inf:
            self._path = None
        return self._path

    def _slipped(self, path: _Path) -> bool:
        """Whether a joint is elsewhere than it is told to be: moved by hand, without power, or driven by others."""
        return any(
            abs(position - shaper.value) > (joint.max_following_error or SLIP)
            for joint, position, shaper in zip(self.config.joints, self.joints.positions, path.shapers, strict=True)
        )

    def _hold(self, path: _Path) -> list[float]:
        """Where the safe stop holds the joints, decided when it is first asked for."""
        if path.held is None:
            if self.misplaced():
                # Of all places within the bounds, the nearest where it can stop: the way back is a person's.
                path.held = [shaper.stopping_point for shaper in path.shapers]
            else:
                pairs = zip(self.joints.positions, self.config.joints, strict=True)
                path.held = [clamp(x, *hard_bounds(joint, of_position=True)) for x, joint in pairs]
        return path.held
