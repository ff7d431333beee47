"""All of a robot's command topics together: when commands are due, and what they are."""

import math
from collections.abc import Mapping

import numpy as np

from robot_mbrl.config import CommandConfig, GuardConfig, RobotConfig
from robot_mbrl.control.channels import Channel, Command, Moment
from robot_mbrl.control.paths import PathChannel
from robot_mbrl.control.rates import RateChannel
from robot_mbrl.control.shaping import to_command

LONGEST_GAP_PERIODS = 3.0
"""Command periods without a command after which a robot is taken to rest at the newest one."""


class Drive:
    """The robot's channels, commanded at one rate; used by the guard alone, which decides where to.

    Its channels sense for themselves; `command` is called at the latest at `next_s`.
    """

    def __init__(self, robot: RobotConfig, step_s: float, *, lockstep: bool) -> None:
        """Begin with nothing commanded.

        Args:
            robot: joints, limits and timing.
            step_s: duration of a step of experience.
            lockstep: one command per step, each shaped for the whole step, and only when asked for.
        """
        ages_s = {name: source.max_age_s or math.inf for name, source in robot.sources.items()}
        self.channels: tuple[Channel, ...] = tuple(
            _channel(command, robot.guard, math.inf if command.source is None else ages_s[command.source])
            for command in robot.commands
        )
        self.due = not lockstep
        """Whether the next command is wanted at once."""
        self.fault = ""
        """What the final assertion had against the commands just asked for; empty if nothing."""
        self._robot, self._spec = robot, robot.action_spec()
        self._lockstep, self._step_s = lockstep, step_s
        self._period_s = 1.0 / robot.guard.command_rate_hz
        self._commanded_s: float | None = None

    @property
    def next_s(self) -> float:
        """When the newest command must be repeated at the latest."""
        return -math.inf if self._commanded_s is None else self._commanded_s + self._period_s

    def is_stale(self, now_s: float) -> bool:
        """Whether joints should have been measured since."""
        return any(channel.joints.is_stale(now_s) for channel in self.channels)

    def is_at_rest(self, now_s: float) -> bool:
        """Whether nothing is left to command but the same again."""
        return all(channel.is_at_rest(now_s) for channel in self.channels)

    def is_home(self) -> bool:
        """Whether the joints are found near the robot's home."""
        return all(channel.is_home(self._robot.home) for channel in self.channels)

    def begin_anew(self) -> None:
        """Hold what is measured now, while stopped."""
        for channel in self.channels:
            channel.begin_anew()

    def undamp(self) -> None:
        """Let the safe stop of efforts be none at all."""
        for channel in self.channels:
            channel.undamp()

    def take_limits(self) -> set[str]:
        """The limits that changed a command since this was last asked."""
        limits: set[str] = set()
        for channel in self.channels:
            limits |= channel.limits
            channel.limits.clear()
        return limits

    def stop_values(self) -> np.ndarray:
        """The normalised action nearest to the safe stop; no choice among choices."""
        if self._spec.discrete:
            return self._spec.null()
        return np.array([value for channel in self.channels for value in channel.stop_actions()], np.float32)

    def command(
        self, action: np.ndarray | None, now_s: float, arrival_s: float, *, homing: bool
    ) -> tuple[Command, ...]:
        """The commands of this moment, none if none are due.

        Args:
            action: what is wished, normalised; None for the safe stop.
            now_s: the present.
            arrival_s: when positions may arrive at what is wished, so that steps blend into one another.
            homing: whether position-commanded joints move slowly home instead.
        """
        self.fault = ""
        dt_s = self._interval_s(now_s)
        if dt_s is None:
            return ()
        self.due, self._commanded_s = False, now_s
        targets = {} if action is None else self._targets(action)
        moment = Moment(now_s, dt_s, self._period_s, max(0.0, arrival_s - now_s) + dt_s)
        commands = []
        for channel in self.channels:
            if self._lockstep:
                # Time stands still between the measurement and the command.
                moment = Moment(channel.joints.sensed_s, dt_s, self._step_s, None)
            command = channel.go_home(self._robot.home, moment) if homing else channel.shape(targets, moment)
            if command is not None and self._may_send(channel, command, dt_s):
                commands.append(command)
        return tuple(commands)

    def _may_send(self, channel: Channel, command: Command, dt_s: float) -> bool:
        """The final assertion."""
        if fault := channel.fault(command, dt_s):
            channel.refuse()
            self.fault = fault
            return False
        channel.sent(command, dt_s)
        return True

    def _interval_s(self, now_s: float) -> float | None:
        """Time that the next command is shaped for; None while none is due."""
        if self._lockstep:
            return self._step_s if self.due else None
        if self._commanded_s is None:
            return self._period_s
        elapsed_s = now_s - self._commanded_s
        # Compared as in `next_s`: another expression may differ by its rounding, for ever.
        if elapsed_s <= 0.0 or not (self.due or now_s >= self.next_s):
            return None
        if elapsed_s <= LONGEST_GAP_PERIODS * self._period_s:
            return elapsed_s
        for channel in self.channels:
            channel.settle()
        return self._period_s

    def _targets(self, action: np.ndarray) -> Mapping[str, float]:
        """The wished commands by joint, in their units."""
        values = action.tolist()
        if self._spec.discrete:
            choice = self._robot.choices[values.index(1.0)].values
            return {joint.name: choice.get(joint.name, 0.0) for joint in self._robot.joints}
        return {joint.name: to_command(joint, a) for joint, a in zip(self._robot.joints, values, strict=True)}


def _channel(command: CommandConfig, guard: GuardConfig, max_age_s: float) -> Channel:
    return PathChannel(command, max_age_s) if command.kind == "position" else RateChannel(command, guard, max_age_s)
