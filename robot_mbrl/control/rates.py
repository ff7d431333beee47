"""Commands of velocities, efforts and twists: each follows its wish at a bounded rate, and stops at nothing."""

from collections.abc import Mapping

from robot_mbrl.config import CommandConfig, GuardConfig
from robot_mbrl.control.channels import Command, Moment
from robot_mbrl.control.measured import MeasuredJoints
from robot_mbrl.control.outgoing import Outgoing
from robot_mbrl.control.shaping import Limit, RateShaper, VelocityShaper, clamp, to_action


class RateChannel:
    """The `Channel` of a topic that commands no positions; the safe stop is 0, or damps the measured velocity."""

    def __init__(self, config: CommandConfig, guard: GuardConfig, max_age_s: float) -> None:
        """Begin at rest.

        Args:
            config: topic, kind and joints.
            guard: the robot's safe stop.
            max_age_s: measurements older than this are stale; infinite if the joints are not measured.
        """
        self.config = config
        self.limits: set[Limit] = set()
        self._damping = guard.damping if guard.safe_stop == "damping" and config.kind == "effort" else 0.0
        self.joints = MeasuredJoints(config, max_age_s, with_velocities=self._damping > 0.0)
        bounded = config.kind == "velocity" and config.source is not None
        self._shapers = [(VelocityShaper if bounded else RateShaper)(joint) for joint in config.joints]
        self._outgoing = Outgoing(config.joints, of_position=False)

    def misplaced(self) -> str:
        """Which joints are beyond the bounds of their positions."""
        return self.joints.misplaced([joint.position_bounds for joint in self.config.joints])

    def following_fault(self) -> str:
        """Nothing: only positions are followed."""
        return ""

    def begin_anew(self) -> None:
        """Nothing is held."""

    def undamp(self) -> None:
        """Let the safe stop be no effort at all."""
        self._damping = 0.0

    def stop_actions(self) -> list[float]:
        """The normalised actions nearest to 0."""
        return [to_action(joint, 0.0) for joint in self.config.joints]

    def shape(self, targets: Mapping[str, float], moment: Moment) -> Command:
        """The next command; see `Channel.shape`."""
        wished = [targets[joint.name] for joint in self.config.joints] if targets else self._stop_targets(moment.now_s)
        positions = self.joints.positions
        values = []
        for index, (shaper, target) in enumerate(zip(self._shapers, wished, strict=True)):
            if isinstance(shaper, VelocityShaper) and positions:
                age_s = max(0.0, moment.now_s - self.joints.sensed_s)
                values.append(shaper.advance_at(target, moment.dt_s, positions[index], age_s, moment.period_s))
            else:
                values.append(shaper.advance(target, moment.dt_s))
            if shaper.limit and targets:
                self.limits.add(shaper.limit)
        return Command(self.config, tuple(values))

    def go_home(self, home: Mapping[str, float], moment: Moment) -> Command:
        """The safe stop's command: what has no position is at home."""
        return self.shape({}, moment)

    def is_home(self, home: Mapping[str, float]) -> bool:
        """Always: what has no position is at home."""
        return True

    def fault(self, command: Command, dt_s: float) -> str:
        """What the final assertion has against a command; empty if nothing."""
        return self._outgoing.fault(command.values, dt_s)

    def sent(self, command: Command, dt_s: float) -> None:
        """Note that a command was published."""
        self._outgoing.send(command.values, dt_s)

    def refuse(self) -> None:
        """Go on from the newest command that was published."""
        for shaper, value in zip(self._shapers, self._outgoing.newest or (), strict=False):
            shaper.value = value
        self.settle()

    def settle(self) -> None:
        """Note that the robot has had the newest command for long."""
        for shaper in self._shapers:
            shaper.settle()
        self._outgoing.settle()

    def is_at_rest(self, now_s: float) -> bool:
        """Whether the newest command is the safe stop's last."""
        return all(s.value == target for s, target in zip(self._shapers, self._stop_targets(now_s), strict=True))

    def _stop_targets(self, now_s: float) -> list[float]:
        # Against a velocity that is not known any more, an effort would drive the robot.
        if self._damping and self.joints.velocities and not self.joints.is_stale(now_s):
            pairs = zip(self.config.joints, self.joints.velocities, strict=True)
            return [clamp(-self._damping * velocity, joint.low, joint.high) for joint, velocity in pairs]
        return [0.0] * len(self.config.joints)
