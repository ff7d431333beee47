"""From the commands that a driver was sent back to the actions that they stand for: the inverse of the scaling."""

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from robot_mbrl.command_config import STIFFNESS
from robot_mbrl.config import CommandConfig, CommandJoint, RobotConfig
from robot_mbrl.control.command_interface import interface_name, laid_out
from robot_mbrl.control.shaping import to_action
from robot_mbrl.errors import MessageError
from robot_mbrl.messages import NANOSECONDS, read_stamp
from robot_mbrl.topics import JOINT_STATE

SILENT_S = 1.0
"""How long a command counts where the driver never stops by itself."""
FITTING = 0.05
"""How far, as a share of the joints' ranges, commands may be from those of a choice."""
LIMITED_SHARE = 0.95
"""A command that reaches this share of what a limit allows was probably limited by it."""
ROUNDING = 1e-6


class Commanded:
    """The commands in force over time, on all of a robot's command topics.

    Call order: `receive` and `measure` for each message in the order of their times; `action` for each step, in order
    too.

    Attributes:
        steps: for how many an action was found.
        outside: in how many a joint was commanded beyond its range, by joint.
        limited: in how many its command changed about as fast as its limit of rate allows, by joint.
        far: in how many its command was about as far from where it was measured as its `max_offset` allows, or farther.
    """

    def __init__(self, robot: RobotConfig) -> None:
        """Nothing was commanded yet."""
        self.steps = 0
        self.outside: Counter[str] = Counter()
        self.limited: Counter[str] = Counter()
        self.far: Counter[str] = Counter()
        self._robot = robot
        self._lasts_s = robot.guard.driver_timeout_s or SILENT_S
        self._joints = self._silent()

    def forget(self) -> None:
        """Forget what is in force, since time begins anew; what was counted stays."""
        self._joints = self._silent()

    def _silent(self) -> "dict[str, _Joint]":
        return {
            joint.name: _Joint(joint, positions=command.kind == "position")
            for command in self._robot.commands
            for joint in command.joints
        }

    def receive(self, command: CommandConfig, message: Any, time_s: float, interface: str = "") -> None:
        """Take in a message on a command topic, of any of the types that commands have.

        Args:
            command: whose topic it is.
            message: what was sent there.
            time_s: when it counts.
            interface: the one that the topic is of, where that has a topic of its own.

        Raises:
            MessageError: if a joint of the topic is missing or named twice, or a command is not finite.
        """
        if interface:
            names = [interface_name(joint.name, interface) for joint in command.joints]
            points = [(time_s, _finite(_array(names, message.data), names))]
        else:
            points = read_commands(message, command, time_s)
            for joint in command.joints:
                self._joints[joint.name].command([(when_s, values[joint.name]) for when_s, values in points], time_s)
        for joint in command.joints:
            stiffness = points[-1][1].get(interface_name(joint.name, STIFFNESS))
            if stiffness is not None:
                self._joints[joint.name].stiffen(stiffness, time_s)

    def measure(self, source: str, message: Any) -> None:
        """Take in a sensor's message: commands may only be so far from where joints are measured."""
        for command in self._robot.commands:
            if command.source == source and self._robot.sources[source].type == JOINT_STATE:
                places = dict(zip(message.name, message.position, strict=False))
                for joint in command.joints:
                    if math.isfinite(place := places.get(joint.name, math.nan)):
                        self._joints[joint.name].place = place

    def action(self, start_s: float, end_s: float) -> np.ndarray | None:
        """The normalised action of a step, float32, shape (action size,); None where nothing was commanded.

        Positions are what was commanded last in the step, since they lead there; of velocities, efforts and twists it
        is the mean, since they act all the time.

        Args:
            start_s: when it began.
            end_s: when the next begins.
        """
        values = {name: joint.over(start_s, end_s, self._lasts_s) for name, joint in self._joints.items()}
        known = {name: value for name, value in values.items() if value is not None}
        if len(known) < len(values):
            return None
        action = self._choice(known) if self._robot.choices else self._scaled(known)
        if action is not None:
            self.steps += 1
            self._count(known, end_s - start_s)
        return action

    def _scaled(self, values: Mapping[str, float]) -> np.ndarray:
        return np.array([to_action(joint, values[joint.name]) for joint in self._robot.joints], np.float32)

    def _choice(self, values: Mapping[str, float]) -> np.ndarray | None:
        """The choice whose commands these are; None if they are those of none."""
        apart = [(self._apart(choice.values, values), -len(choice.values)) for choice in self._robot.choices]
        nearest = apart.index(min(apart))
        if apart[nearest][0] > FITTING:
            return None
        action = np.zeros(len(apart), np.float32)
        action[nearest] = 1.0
        return action

    def _apart(self, chosen: Mapping[str, float], values: Mapping[str, float]) -> float:
        """How far commands are from a choice's; what it does not name is at zero, or at any position."""
        wanted = {name: 0.0 for name, joint in self._joints.items() if not joint.positions} | dict(chosen)
        return max((self._joints[name].share_apart(values[name], value) for name, value in wanted.items()), default=0.0)

    def _count(self, values: Mapping[str, float], step_s: float) -> None:
        for joint in self._robot.joints:
            value, margin = values[joint.name], ROUNDING * (joint.high - joint.low)
            self.outside[joint.name] += not joint.low - margin <= value <= joint.high + margin
            self.limited[joint.name] += self._joints[joint.name].changed_fast(value, step_s)
            self.far[joint.name] += self._joints[joint.name].is_far(value)


class _Joint:
    """What one joint was commanded.

    Attributes:
        positions: whether in positions.
        place: where it was measured last.
    """

    def __init__(self, joint: CommandJoint, *, positions: bool) -> None:
        self.positions = positions
        self.place = math.nan
        self._joint = joint
        # When each command begins to be in force, in order; the first of them may have begun before the present step.
        self._points: list[tuple[float, float]] = []
        self._heard_s = -math.inf
        self._before: float | None = None
        # Whether a position leads anywhere, from when on.
        self._held: list[tuple[float, bool]] = [(-math.inf, True)]

    def command(self, points: list[tuple[float, float]], time_s: float) -> None:
        """From now on these, each from its time on."""
        self._points = [point for point in self._points if point[0] < time_s] + points
        self._heard_s = max(time_s, points[-1][0])

    def stiffen(self, stiffness: float, time_s: float) -> None:
        """From now on a position is pursued so hard: without stiffness, not at all."""
        if (held := stiffness > 0.0) != self._held[-1][1]:
            self._held.append((time_s, held))

    def over(self, start_s: float, end_s: float, lasts_s: float) -> float | None:
        """The command of a step; None if none was in force at its end."""
        self._held = self._held[sum(since_s < end_s for since_s, _ in self._held) - 1 :]
        if end_s - self._heard_s > lasts_s or not self._held[0][1]:
            return None
        begun = [index for index, (when_s, _) in enumerate(self._points) if when_s <= start_s]
        self._points = self._points[begun[-1] if begun else 0 :]
        within = [(max(when_s, start_s), value) for when_s, value in self._points if when_s < end_s]
        if not within:
            return None
        if self.positions:
            return within[-1][1]
        ends = [when_s for when_s, _ in within[1:]] + [end_s]
        covered = end_s - within[0][0]
        if covered <= 0.0:
            return within[-1][1]
        return sum(value * (end - begin) for (begin, value), end in zip(within, ends, strict=True)) / covered

    def share_apart(self, value: float, other: float) -> float:
        """Distance of two commands as a share of the joint's range."""
        return abs(value - other) / (self._joint.high - self._joint.low)

    def changed_fast(self, value: float, step_s: float) -> bool:
        """Whether the command changed about as fast as is allowed since this was last asked."""
        before, self._before = self._before, value
        return before is not None and abs(value - before) >= LIMITED_SHARE * self._joint.max_rate * step_s

    def is_far(self, value: float) -> bool:
        """Whether a command is about as far from the joint as is allowed, or farther."""
        allowed = self._joint.max_offset
        return allowed is not None and abs(value - self.place) >= LIMITED_SHARE * allowed


def read_commands(message: Any, command: CommandConfig, time_s: float) -> list[tuple[float, dict[str, float]]]:
    """What a message asks of a topic's joints: times from which on, seconds, and values by joint.

    An array may hold the kind alone, or all interfaces that the robot's YAML lays out; those beside the kind are named
    `joint/interface`.

    Args:
        message: of any type that commands have, whatever the robot's own driver listens to.
        command: joints and kind.
        time_s: when it counts.

    Raises:
        MessageError: if a joint is missing or named twice, or a command is not finite.
    """
    names = [joint.name for joint in command.joints]
    if hasattr(message, "points"):
        points = _trajectory(message, command, time_s)
    elif hasattr(message, "data"):
        everything = laid_out(command)
        points = [(time_s, _array(everything if len(message.data) == len(everything) else names, message.data))]
    elif hasattr(message, "name"):
        points = [(time_s, _by_name(message.name, getattr(message, _field(command))))]
    else:
        twist = getattr(message, "twist", message)
        points = [(time_s, {name: _axis(twist, name) for name in names})]
    for _, values in points:
        if missing := [name for name in names if name not in values]:
            raise MessageError(f"commands for {sorted(values)}, and none for {missing}")
        _finite(values, names)
    return points


def _array(names: list[str], values: Any) -> dict[str, float]:
    if len(values) != len(names):
        raise MessageError(f"{len(values)} commands for the {len(names)} joints {names}")
    return dict(zip(names, map(float, values), strict=True))


def _finite(values: dict[str, float], names: list[str]) -> dict[str, float]:
    if bad := [name for name in names if not math.isfinite(values[name])]:
        raise MessageError(f"commands that are not finite: {bad}")
    return values


def _field(command: CommandConfig) -> str:
    return "velocity" if command.kind == "twist" else command.kind


def _trajectory(message: Any, command: CommandConfig, time_s: float) -> list[tuple[float, dict[str, float]]]:
    """Each point is what the joints are on their way to from the point before on."""
    field = {"position": "positions", "velocity": "velocities", "effort": "effort"}.get(command.kind, "positions")
    if not message.points:
        raise MessageError("a trajectory without points commands nothing")
    points, begin_s = [], time_s
    for point in message.points:
        points.append((begin_s, _by_name(message.joint_names, getattr(point, field))))
        begin_s = time_s + read_duration(point.time_from_start)
    return points


def read_duration(duration: Any) -> float:
    """Seconds of a `builtin_interfaces/Duration`."""
    return read_stamp(duration) / NANOSECONDS


def _by_name(names: Any, values: Any) -> dict[str, float]:
    if len(names) != len(values) or len(set(names)) != len(names):
        raise MessageError(f"{len(values)} commands for {len(names)} names, {len(set(names))} of them different")
    return dict(zip(names, map(float, values), strict=True))


def _axis(twist: Any, axis: str) -> float:
    value = twist
    for part in axis.split("."):
        if not hasattr(value, part):
            raise MessageError(f"a message with {axis!r} of which there is no {part!r}")
        value = getattr(value, part)
    return float(value)
