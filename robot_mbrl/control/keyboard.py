"""A person who drives by keys: a terminal tells of keys that are pressed, and never of keys that are held.

So there is no dead-man key. A key takes over and gives back; in between, the robot moves only in pulses, one for each
press of a key or of a keyboard that repeats it, and rests otherwise. Whoever presses nothing for long is gone.
"""

import math
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Protocol

from robot_mbrl.config import CommandConfig, RobotConfig
from robot_mbrl.control.joystick import Joystick
from robot_mbrl.joint_config import CommandJoint
from robot_mbrl.steps import Action
from robot_mbrl.teleop_config import AxisConfig, TeleopConfig

PULSE_S = 0.2
"""For so long does a press move the robot, where its steps are shorter."""
SEEN_S = 0.1
"""How much longer than a step a press lasts, so that an observation falls into it: it is said 20 times a second."""
SHARE = 0.2
"""Of a joint's bounds, or of its speed where it is commanded by position, that a press asks for."""
PATIENCE_S = 30.0
"""Without a key for longer than this, nobody is there."""


class Keys(Protocol):
    """What the keys mean.

    Attributes:
        mapped: what each of them does, by its name in a terminal.
        how: what to press.
    """

    mapped: Mapping[str, str]

    @property
    def how(self) -> str:
        """What to press."""

    @property
    def needs_commands(self) -> bool:
        """Whether it must be told commands."""

    def press(self, key: str) -> tuple[str, bool]:
        """Note a key; returns what to tell the person, and whether it moves the robot."""

    def follow(self, action: Action) -> None:
        """Take in what was applied at a step."""

    def command(self, commands: Mapping[str, float], now_s: float) -> None:
        """Take in what the driver was commanded, by joint."""

    def action(self, now_s: float, *, pressed: bool) -> dict[str, float] | None:
        """What is asked for now, by name; None while it is not known where positions are."""


class JointKeys:
    """Arrows: left and right push a joint, up and down choose another."""

    def __init__(self, robot: RobotConfig) -> None:
        """Begin with the first joint."""
        self.mapped: Mapping[str, str] = {}
        self._names = robot.joint_names
        self._chosen, self._direction = 0, 0
        axes = {
            joint.name: AxisConfig(axis=place, scale=_speed(command, joint), dead_zone=0.0)
            for place, (command, joint) in enumerate((c, joint) for c in robot.commands for joint in c.joints)
        }
        self._stick = Joystick(robot, TeleopConfig(dead_man=0, axes=axes))

    @property
    def how(self) -> str:
        """What to press."""
        return f"arrows push {self._names[self._chosen]} and choose another joint"

    @property
    def needs_commands(self) -> bool:
        """Whether it must be told commands: some joints are commanded by position."""
        return self._stick.needs_commands

    def press(self, key: str) -> tuple[str, bool]:
        """Push the chosen joint, or choose another, which ends a push."""
        match key:
            case "left" | "right":
                self._direction = 1 if key == "right" else -1
                return "", True
            case "up" | "down":
                count = len(self._names)
                self._chosen = (self._chosen + (1 if key == "down" else -1)) % count
                return f"arrows push {self._names[self._chosen]} ({self._chosen + 1} of {count})", False
        return f"{key} does nothing: {self.how}", False

    def follow(self, action: Action) -> None:
        """Take in what was applied at a step."""
        self._stick.follow(action)

    def command(self, commands: Mapping[str, float], now_s: float) -> None:
        """Take in what the driver was commanded, by joint; see `Joystick.command`."""
        self._stick.command(commands, now_s)

    def action(self, now_s: float, *, pressed: bool) -> dict[str, float] | None:
        """What is asked for now, by joint, in action units; None while it is not known where positions are."""
        axes = [0.0] * len(self._names)
        if pressed:
            axes[self._chosen] = float(self._direction)
        return self._stick.hear(SimpleNamespace(axes=axes, buttons=[1]), now_s).action


class ChoiceKeys:
    """Keys of the robot's YAML, each of which picks a choice."""

    needs_commands = False
    """Choices stand for themselves, wherever joints are."""

    def __init__(self, robot: RobotConfig) -> None:
        """Begin with the neutral choice.

        Raises:
            ValueError: if no key picks one.
        """
        teleop = robot.teleop
        picks = {} if teleop is None else teleop.choices
        self.mapped: Mapping[str, str] = {pick.key: name for name, pick in picks.items() if pick.key is not None}
        if teleop is None or teleop.neutral is None or not self.mapped:
            raise ValueError("its actions are choices: give teleop.choices keys in the robot's YAML, or publish teleop")
        self._names, self._neutral = robot.action_spec().names, teleop.neutral
        self._picked = self._neutral

    @property
    def how(self) -> str:
        """What to press."""
        return ", ".join(f"{key} is {name}" for key, name in self.mapped.items()) + f"; else it is {self._neutral}"

    def press(self, key: str) -> tuple[str, bool]:
        """Pick a choice in the place of the one before; another key ends that."""
        if key not in self.mapped:
            return f"{key} picks nothing: {self.how}", False
        self._picked = self.mapped[key]
        return "", True

    def follow(self, action: Action) -> None:
        """Take in what was applied at a step, which changes nothing here."""

    def command(self, commands: Mapping[str, float], now_s: float) -> None:
        """Take in what the driver was commanded, which changes nothing here."""

    def action(self, now_s: float, *, pressed: bool) -> dict[str, float]:
        """The choice that is picked now as a one-hot, by name."""
        choice = self._picked if pressed else self._neutral
        return {name: float(name == choice) for name in self._names}


class Keyboard:
    """The keys of one person.

    Call order: `follow` with each applied action and, where they are needed, `command` with each command; `take` and
    `give_back`; between them `press` as keys are pressed, and `action` and `is_gone` again and again, by another thread
    than the one that keys come in by.

    Attributes:
        taken: whether this person drives.
    """

    def __init__(self, robot: RobotConfig, step_s: float) -> None:
        """Begin without driving.

        Args:
            robot: who is driven.
            step_s: how far its observations are apart.

        Raises:
            ValueError: if its actions are choices that no key picks.
        """
        self.taken = False
        self._keys: Keys = ChoiceKeys(robot) if robot.choices else JointKeys(robot)
        self._pulse_s = max(PULSE_S, step_s + SEEN_S)
        self._moved_s = self._pressed_s = -math.inf

    @property
    def mapped(self) -> Mapping[str, str]:
        """What each key of the robot's YAML does, by the key's name."""
        return self._keys.mapped

    @property
    def how(self) -> str:
        """What to press."""
        return self._keys.how

    @property
    def needs_commands(self) -> bool:
        """Whether it must be told commands."""
        return self._keys.needs_commands

    def follow(self, action: Action) -> None:
        """Take in what was applied at a step."""
        self._keys.follow(action)

    def command(self, commands: Mapping[str, float], now_s: float) -> None:
        """Take in what the driver was commanded, by joint; see `Joystick.command`."""
        self._keys.command(commands, now_s)

    def take(self, now_s: float) -> None:
        """Take over, at rest."""
        # In this order: the other thread must not meet somebody who drives and has pressed nothing for long.
        self._pressed_s, self._moved_s = now_s, -math.inf
        self.taken = True

    def give_back(self) -> None:
        """Let the policy drive."""
        self.taken = False

    def press(self, key: str, now_s: float) -> str:
        """Note a key, which moves the robot for a moment or ends that; returns what to tell the person."""
        # First of all: the other thread must not carry the press before over to the joint that is chosen now.
        self._moved_s = -math.inf
        told, moves = self._keys.press(key)
        self._pressed_s = now_s
        if moves:
            self._moved_s = now_s
        return told

    def is_gone(self, now_s: float) -> bool:
        """Whether no key was pressed for so long that nobody can be there."""
        return self.taken and now_s - self._pressed_s > PATIENCE_S

    def action(self, now_s: float) -> dict[str, float] | None:
        """What is asked for now, by name, in action units; None while it is not known where positions are."""
        return self._keys.action(now_s, pressed=now_s - self._moved_s < self._pulse_s)


def _speed(command: CommandConfig, joint: CommandJoint) -> float:
    """What a press asks of a joint, in units of its command; of a position per second."""
    return SHARE * (joint.max_rate if command.kind == "position" else max(abs(joint.low), abs(joint.high)))
