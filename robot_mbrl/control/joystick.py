"""A person's joystick: turns what its axes and its dead-man button say into actions of the robot."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from robot_mbrl.config import RobotConfig
from robot_mbrl.control.shaping import clamp, to_action
from robot_mbrl.errors import MessageError
from robot_mbrl.joint_config import CommandJoint
from robot_mbrl.messages import read_field
from robot_mbrl.specs import Source
from robot_mbrl.steps import Action
from robot_mbrl.teleop_config import JOY, AxisConfig, TeleopConfig

LONGEST_GAP_S = 0.3
"""For no longer than this does one message of a stick move a position, and does a command tell where one is."""
REACH_S = 0.3
"""A position is led no farther ahead of its command than the stick leads it in this: where limits slow the joint down,
it goes on for no longer than this after the stick."""
TRIED = 0.5
"""How far an axis must have been moved to be known to work."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a message of the stick asks for."""

    held: bool | None
    """Whether the dead-man button is pressed; None for a message without buttons."""
    action: dict[str, float] | None
    """By joint, in action units; None while it is not known where positions are commanded to be."""


class Stick(Protocol):
    """What turns the messages of one device into a person's actions."""

    @property
    def same_s(self) -> float:
        """For how long it has said exactly the same while it asks for motion and is not let go."""

    @property
    def untried(self) -> str:
        """Buttons and axes that were never seen to be moved; empty if all were."""

    @property
    def needs_commands(self) -> bool:
        """Whether it must be told commands."""

    def follow(self, action: Action) -> None:
        """Take in what was applied at a step."""

    def command(self, commands: Mapping[str, float], now_s: float) -> None:
        """Take in what the driver was commanded, by joint."""

    def hear(self, message: Any, now_s: float) -> Asked:
        """Take in a message of the device.

        Raises:
            MessageError: if it is none of the device that the YAML maps.
        """


class Sameness:
    """For how long a device has said exactly the same.

    Attributes:
        same_s: that, while it moves the robot; else 0.
    """

    def __init__(self) -> None:
        """Begin without having heard of it."""
        self.same_s = 0.0
        self._said: object = None
        self._since_s = -math.inf

    def notice(self, said: object, now_s: float, *, moves: bool) -> None:
        """Take in what it says now, and whether that moves the robot."""
        if said != self._said:
            self._said, self._since_s = said, now_s
        self.same_s = now_s - self._since_s if moves else 0.0


def read_button(message: Any, number: int) -> bool:
    """Whether a button of a Joy is pressed.

    Raises:
        MessageError: if there is no such button.
    """
    if number >= len(message.buttons):
        raise MessageError(f"there is no button {number} among the {len(message.buttons)} of the joystick")
    return bool(message.buttons[number])


class Joystick:
    """One joystick, as the robot's YAML maps it.

    An axis says what velocity, effort or twist its joint is to have, so that a stick in its middle means rest whatever
    the joint's bounds are; it says how fast a position is to move, from where it was commanded to be last.

    Call order: `follow` with each applied action and, where positions are commanded, `command` with each command;
    `hear` with each message of the stick.
    """

    def __init__(self, robot: RobotConfig, config: TeleopConfig) -> None:
        """Begin without having heard of it."""
        self._config, self._joints = config, robot.joints
        positions = (command.joints for command in robot.commands if command.kind == "position")
        self._moved = {joint.name for joints in positions for joint in joints}
        self._commanded: dict[str, float] = {}
        self._led: dict[str, float] = {}
        """Positions as they were commanded last, and as the stick has led them."""
        self._commanded_s = -math.inf
        self._drives = False
        """Whether the newest step was this person's."""
        self._sameness = Sameness()
        self._heard_s = -math.inf
        self._untried = set(self._controls())

    @property
    def same_s(self) -> float:
        """For how long the stick, off its middle and not let go, has said exactly the same."""
        return self._sameness.same_s

    @property
    def untried(self) -> str:
        """Buttons and axes that were never seen to be moved; empty if all were."""
        return ", ".join(control for control in self._controls() if control in self._untried)

    @property
    def needs_commands(self) -> bool:
        """Whether it must be told commands: some joints are commanded by position."""
        return bool(self._moved)

    def follow(self, action: Action) -> None:
        """Take in what was applied at a step."""
        self._drives = action.source is Source.TELEOP

    def command(self, commands: Mapping[str, float], now_s: float) -> None:
        """Take in what the driver was commanded, by joint; unless this person drives, positions go on from there.

        Raises:
            MessageError: if a position is missing or not finite; what was known before then stands, until it is old.
        """
        known = {name: commands[name] for name in self._moved & commands.keys() if math.isfinite(commands[name])}
        if missing := self._moved - known.keys():
            raise MessageError(f"it tells no position of {', '.join(sorted(missing))}")
        self._commanded, self._commanded_s = known, now_s
        if not self._drives:
            self._led = dict(self._commanded)

    def hear(self, message: Any, now_s: float) -> Asked:
        """Take in a message of the stick.

        Raises:
            MessageError: if it has no such axis or button, or an axis is not finite.
        """
        config = self._config
        axes = {name: self._axis(message, mapped) for name, mapped in config.axes.items()}
        held = self._button(message, config.dead_man) if config.dead_man is not None else None
        self._sameness.notice((held, tuple(axes.values())), now_s, moves=any(axes.values()) and held is not False)
        dt_s = min(now_s - self._heard_s, LONGEST_GAP_S) if self._heard_s > -math.inf else 0.0
        self._heard_s = now_s
        action = {joint.name: self._lead(joint, axes.get(joint.name, 0.0), dt_s) for joint in self._joints}
        known = self._moved <= self._led.keys() and now_s - self._commanded_s <= LONGEST_GAP_S
        return Asked(held, action if known or not self._moved else None)

    def _lead(self, joint: CommandJoint, deflection: float, dt_s: float) -> float:
        """The action that an axis stands for; 0 for a position that is not known."""
        mapped = self._config.axes.get(joint.name)
        told = deflection * mapped.scale if mapped is not None else 0.0
        if joint.name not in self._moved:
            return to_action(joint, told)
        if joint.name not in self._led:
            return 0.0
        led = self._led[joint.name] + told * dt_s
        if mapped is not None:
            here, reach = self._commanded[joint.name], abs(mapped.scale) * REACH_S
            led = clamp(led, here - reach, here + reach)
        self._led[joint.name] = led = clamp(led, joint.low, joint.high)
        return to_action(joint, led)

    def _axis(self, message: Any, mapped: AxisConfig) -> float:
        """What an axis says beyond its dead zone."""
        value = self._read(message, mapped.axis)
        if abs(value) > (TRIED if self._config.type == JOY else 0.0):
            self._untried.discard(f"axis {mapped.axis}")
        beyond = max(0.0, abs(value) - mapped.dead_zone) / (1.0 - mapped.dead_zone)
        return math.copysign(beyond, value) if beyond > 0.0 else 0.0

    def _read(self, message: Any, axis: int | str) -> float:
        if isinstance(axis, str):
            value = float(read_field(message, axis))
        elif axis < len(message.axes):
            value = float(message.axes[axis])
        else:
            raise MessageError(f"there is no axis {axis} among the {len(message.axes)} of the joystick")
        if not math.isfinite(value):
            raise MessageError(f"axis {axis} is not finite")
        return value

    def _button(self, message: Any, number: int) -> bool:
        if pressed := read_button(message, number):
            self._untried.discard(f"button {number}")
        return pressed

    def _controls(self) -> Iterator[str]:
        if self._config.dead_man is not None:
            yield f"button {self._config.dead_man}"
        yield from dict.fromkeys(f"axis {mapped.axis}" for mapped in self._config.axes.values())
