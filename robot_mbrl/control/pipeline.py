"""All of a robot's command interfaces together: when commands are due, and what they are."""

import math
from collections.abc import Mapping
from enum import Enum

import numpy as np

from robot_mbrl.config import CommandConfig, RobotConfig
from robot_mbrl.control.command_interface import Command, CommandInterface, Moment
from robot_mbrl.control.jog import Jog
from robot_mbrl.control.position_commands import PositionInterface
from robot_mbrl.control.rate_commands import RateInterface
from robot_mbrl.control.shaping import to_command

LONGEST_GAP_PERIODS = 3.0
"""Command periods without a command after which a robot is taken to rest at the newest one."""
INSTANT_S = 1e-6
"""Commands nearer than this are one: what is due at the instant of the one before goes with the next."""
QUIET_S = 1.0
"""How long an idle robot rests before the guard says no more to its driver."""


class Motion(Enum):
    """What the robot is to do."""

    STOP = "stop"
    REST = "rest"
    """Between two episodes: come to rest and stay there, as in a stop; but joints that a stop lets go are held."""
    ACT = "act"
    """Carry out an action."""
    HOME = "home"
    """Move slowly to its home."""
    BRING_BACK = "bring back"
    """Move joints that are out of bounds slowly back inside."""
    JOG = "jog"
    """Move one joint slowly a little way."""


STILL = (Motion.STOP, Motion.REST)
"""Motions that lead nowhere."""


class CommandPipeline:
    """The robot's command interfaces, commanded at one rate; used by the guard alone, which decides where to.

    Its interfaces sense for themselves; `command` is called at the latest at `next_s`.
    """

    def __init__(self, robot: RobotConfig, step_s: float, *, lockstep: bool, simulated: bool) -> None:
        """Begin with nothing commanded.

        Args:
            robot: joints, limits and timing.
            step_s: duration of a step of experience.
            lockstep: one command per step, each shaped for the whole step, and only when asked for.
            simulated: whether a simulator measures the joints.
        """
        self.interfaces: tuple[CommandInterface, ...] = tuple(
            _interface(robot, command, simulated=simulated) for command in robot.commands
        )
        self.due = not lockstep
        """Whether the next command is wanted at once."""
        self.fault = ""
        """What the final assertion had against the commands just asked for; empty if nothing."""
        self.speed_scale = 1.0
        """Share of the joints' speed that is not exceeded, whatever is requested; stops brake at full strength."""
        self.jog: Jog | None = None
        """Where `Motion.JOG` leads."""
        self._robot, self._spec, self._joints = robot, robot.action_spec(), robot.joints
        self._lockstep, self._step_s = lockstep, step_s
        self._period_s = 1.0 / robot.guard.command_rate_hz
        self._commanded_s: float | None = None
        self._moved_s = -math.inf
        self._quiet = False

    @property
    def next_s(self) -> float:
        """When the newest command must be repeated at the latest; never while nothing more is said to the driver."""
        if self._quiet:
            return math.inf
        return -math.inf if self._commanded_s is None else self._commanded_s + self._period_s

    def is_stale(self, now_s: float) -> bool:
        """Whether joints should have been measured since."""
        return any(interface.joints.is_stale(now_s) for interface in self.interfaces)

    def staleness(self, now_s: float) -> str:
        """Which joints are stale, and why as far as that is known."""
        return "; ".join(
            f"joints on {joints.source.topic} are stale" + (f": {joints.refusal}" if joints.refusal else "")
            for joints in (interface.joints for interface in self.interfaces)
            if joints.source is not None and joints.is_stale(now_s)
        )

    def unsettled(self) -> str:
        """Which joints are not yet believed to be where they are said to be; empty if all are."""
        return _told([interface.joints.unsettled() for interface in self.interfaces])

    def out_of_bounds(self) -> str:
        """Which joints are where they must not be; empty if none is known to be."""
        return _told([interface.out_of_bounds() for interface in self.interfaces])

    def out_of_range(self) -> str:
        """Which joints stand where no action leads."""
        return _told([interface.out_of_range() for interface in self.interfaces])

    def can_return(self) -> bool:
        """Whether commands can bring every joint back that is out of bounds or range."""
        lost = (interface for interface in self.interfaces if interface.out_of_bounds() or interface.out_of_range())
        return all(interface.can_return() for interface in lost)

    @property
    def is_measured(self) -> bool:
        """Whether every joint that is measured at all was measured once."""
        return all(i.joints.positions for i in self.interfaces if i.joints.source is not None)

    def is_at_rest(self, now_s: float) -> bool:
        """Whether nothing is left to command but the same again."""
        return all(interface.is_at_rest(now_s) for interface in self.interfaces)

    @property
    def has_home(self) -> bool:
        """Whether the robot's YAML says where its home is, if positions are commanded at all."""
        positions = any(interface.config.kind == "position" for interface in self.interfaces)
        return bool(self._robot.home) or not positions

    @property
    def measured(self) -> dict[str, float]:
        """Positions of the measured joints by name, of those interfaces all of whose joints were measured."""
        return {
            joint.name: x
            for interface in self.interfaces
            for joint, x in zip(interface.config.joints, interface.joints.positions, strict=False)
        }

    def is_jogged(self, now_s: float) -> bool:
        """Whether the jog has led where it was to lead."""
        if self.jog is None:
            return True
        at_goal = self.jog.positions is not None and any(i.is_told(self.jog.positions) for i in self.interfaces)
        return self.jog.is_over(self.measured.get(self.jog.joint), now_s, at_goal=at_goal)

    def is_home(self) -> bool:
        """Whether the joints are found near the robot's home."""
        return self.has_home and all(interface.is_home(self._robot.home) for interface in self.interfaces)

    def reset(self) -> None:
        """Begin the next commands from what is measured then."""
        for interface in self.interfaces:
            interface.reset()

    def release_damping(self) -> None:
        """Let the safe stop of efforts be none at all."""
        for interface in self.interfaces:
            interface.release_damping()

    def take_limits(self) -> set[str]:
        """The limits that changed a command since this was last asked."""
        limits: set[str] = set()
        for interface in self.interfaces:
            limits |= interface.limits
            interface.limits.clear()
        return limits

    def stop_values(self) -> np.ndarray:
        """The normalised action nearest to the safe stop; no choice among choices."""
        if self._spec.discrete:
            return self._spec.null()
        return np.array([value for interface in self.interfaces for value in interface.stop_actions()], np.float32)

    def hush(self, now_s: float, *, idle: bool) -> None:
        """Fall silent once a robot has rested for long that is disabled or between episodes, until it may move.

        What happens in silence is the driver's own, or that of a device which resets the scene: the next command
        begins where the joints are measured then.
        """
        if not idle or self._robot.guard.repeats_stop or self._lockstep:
            self._quiet = False
            return
        if not self.is_at_rest(now_s):
            self._moved_s = now_s
        if not self._quiet and now_s - self._moved_s >= QUIET_S:
            self._quiet, self._commanded_s = True, None
            self.settle()
            self.reset()

    def settle(self) -> None:
        """Note that the robot rests at the newest commands."""
        for interface in self.interfaces:
            interface.settle()

    def command(self, motion: Motion, action: np.ndarray | None, now_s: float, arrival_s: float) -> tuple[Command, ...]:
        """The commands of this moment, none if none are due.

        Args:
            motion: what the robot is to do.
            action: with `Motion.ACT`, what is requested, normalised.
            now_s: the present.
            arrival_s: when positions may arrive at what is requested, so that steps blend into one another.
        """
        self.fault = ""
        if motion not in STILL:
            self._quiet, self._moved_s = False, now_s
        dt_s = None if self._quiet else self._interval_s(now_s)
        if dt_s is None:
            return ()
        self.due, self._commanded_s = False, now_s
        moment = Moment(now_s, dt_s, self._period_s, max(0.0, arrival_s - now_s) + dt_s, self.speed_scale)
        targets = None if action is None else self._targets(action)
        commands = []
        for interface in self.interfaces:
            if self._lockstep:
                # Time stands still between the measurement and the command.
                moment = Moment(interface.joints.sensed_s, dt_s, self._step_s, None, self.speed_scale)
            command = self._shape(interface, motion, targets, moment)
            if command is not None and self._may_send(interface, command, moment):
                commands.append(command)
        return tuple(commands)

    def _shape(
        self, interface: CommandInterface, motion: Motion, targets: Mapping[str, float] | None, moment: Moment
    ) -> Command | None:
        match motion:
            case Motion.HOME:
                return interface.go_home(self._robot.home, moment)
            case Motion.BRING_BACK:
                return interface.bring_back(moment)
            case Motion.ACT:
                return interface.shape(targets, moment)
            case Motion.JOG:
                return self._shape_jog(interface, moment)
            case Motion.REST:
                return interface.rest(moment)
            case Motion.STOP:
                return interface.shape(None, moment)

    def _shape_jog(self, interface: CommandInterface, moment: Moment) -> Command | None:
        """The joint that is jogged moves slowly; the others stay, or stand still."""
        names = {joint.name for joint in interface.config.joints}
        if self.jog is None or self.jog.joint not in names:
            return interface.shape(None, moment)
        if self.jog.positions is not None:
            return interface.go_home(self.jog.positions, moment)
        return interface.shape(self.jog.velocities, moment)

    def _may_send(self, interface: CommandInterface, command: Command, moment: Moment) -> bool:
        """The final assertion."""
        if fault := interface.fault(command, moment.dt_s):
            interface.refuse()
            self.fault = fault
            return False
        interface.sent(command, moment)
        return True

    def _interval_s(self, now_s: float) -> float | None:
        """Time that the next command is shaped for; None while none is due."""
        if self._lockstep:
            return self._step_s if self.due else None
        if self._commanded_s is None:
            return self._period_s
        elapsed_s = now_s - self._commanded_s
        # Compared as in `next_s`: another expression may differ by its rounding, for ever.
        if elapsed_s <= INSTANT_S or not (self.due or now_s >= self.next_s):
            return None
        if elapsed_s <= LONGEST_GAP_PERIODS * self._period_s:
            return elapsed_s
        self.settle()
        return self._period_s

    def _targets(self, action: np.ndarray) -> Mapping[str, float]:
        """The requested commands by joint, in their units."""
        values: list[float] = action.tolist()
        if self._spec.discrete:
            return self._robot.choices[values.index(1.0)].values
        return {joint.name: to_command(joint, a) for joint, a in zip(self._joints, values, strict=True)}


def _told(texts: list[str]) -> str:
    return "; ".join(filter(None, texts)) if any(texts) else ""


def _interface(robot: RobotConfig, command: CommandConfig, *, simulated: bool) -> CommandInterface:
    source = None if command.source is None else robot.sources[command.source]
    if command.kind == "position" and source is not None:
        return PositionInterface(command, source, robot.home, simulated=simulated)
    return RateInterface(command, source, robot.guard, simulated=simulated)
