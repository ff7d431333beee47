"""A person's joystick whose buttons pick the choices of a robot that has such instead of joints to move."""

from collections.abc import Mapping
from typing import Any

from robot_mbrl.config import RobotConfig
from robot_mbrl.control.joystick import Asked, Sameness, read_button
from robot_mbrl.steps import Action
from robot_mbrl.teleop_config import TeleopConfig


class ChoiceButtons:
    """The buttons of one joystick, as the robot's YAML maps them; used as a `Joystick` is.

    A button picks its choice for as long as it is pressed. While none is, or two are at once, the neutral choice
    counts. What was pressed when the dead-man button was, or before, counts only after it was let go: who takes over
    begins at rest, whatever lies on the buttons.

    Attributes:
        same_s: for how long the buttons have said exactly the same, while one is picked and the dead-man is held.
    """

    needs_commands = False
    """Choices stand for themselves, wherever joints are."""

    def __init__(self, robot: RobotConfig, config: TeleopConfig) -> None:
        """Begin without having heard of it.

        Raises:
            ValueError: if no button is mapped.
        """
        if config.dead_man is None or config.neutral is None:
            raise ValueError("teleop: no button of a joystick picks a choice")
        self._names = robot.action_spec().names
        self._dead_man, self._neutral = config.dead_man, config.neutral
        picks = config.choices.items()
        self._buttons = {name: pick.button for name, pick in picks if pick.button is not None}
        self._was_held = False
        self._stuck: set[str] = set()
        """Choices whose buttons have to be let go first."""
        self._sameness = Sameness()
        self._untried = {self._dead_man, *self._buttons.values()}

    @property
    def same_s(self) -> float:
        """For how long it has said exactly the same while it moves the robot."""
        return self._sameness.same_s

    @property
    def untried(self) -> str:
        """Buttons that were never seen to be pressed; empty if all were."""
        return ", ".join(f"button {number}" for number in sorted(self._untried))

    def follow(self, action: Action) -> None:
        """Take in what was applied at a step, which changes nothing here."""

    def command(self, commands: Mapping[str, float], now_s: float) -> None:
        """Take in what the driver was commanded, which changes nothing here."""

    def hear(self, message: Any, now_s: float) -> Asked:
        """Take in a message of the joystick.

        Raises:
            MessageError: if it has no such button.
        """
        held = read_button(message, self._dead_man)
        pressed = {name for name, number in self._buttons.items() if read_button(message, number)}
        self._untried -= {self._buttons[name] for name in pressed} | ({self._dead_man} if held else set())
        self._stuck = self._stuck & pressed if held and self._was_held else pressed
        self._was_held = held
        picked = pressed - self._stuck
        choice = picked.pop() if len(picked) == 1 else self._neutral
        self._sameness.notice(tuple(message.buttons), now_s, moves=held and choice != self._neutral)
        return Asked(held, {name: float(name == choice) for name in self._names})
