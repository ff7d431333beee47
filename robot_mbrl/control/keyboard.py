"""A person who drives by keys: a terminal tells of keys that are pressed, and never of keys that are held.

So there is no dead-man key. A key takes over and gives back; in between, the robot moves only in pulses, one for each
press of an arrow or of a keyboard that repeats it, and rests otherwise. Whoever presses nothing for long is gone.
"""

import math
from collections.abc import Mapping
from types import SimpleNamespace

from robot_mbrl.config import CommandConfig, RobotConfig
from robot_mbrl.control.joystick import Joystick
from robot_mbrl.joint_config import CommandJoint
from robot_mbrl.steps import Action
from robot_mbrl.teleop_config import AxisConfig, TeleopConfig

PULSE_S = 0.2
"""For so long does a press move a joint."""
SHARE = 0.2
"""Of a joint's bounds, or of its speed where it is commanded by position, that a press asks for."""
PATIENCE_S = 30.0
"""Without a key for longer than this, nobody is there."""


class Keyboard:
    """The keys of one person.

    Call order: `follow` with each applied action, and `command` with each command; `take` and `give_back`; between them
    `choose` and `push` as keys are pressed, and `action` again and again.

    Attributes:
        names: the joints, in the robot's order.
        chosen: place of the one that arrows push.
        taken: whether this person drives.
    """

    def __init__(self, robot: RobotConfig) -> None:
        """Begin with the first joint.

        Raises:
            ValueError: if its actions are choices, which no arrow pushes.
        """
        if robot.choices:
            raise ValueError("its actions are choices, which keys cannot push: publish one-hots on the topic teleop")
        self.names = robot.joint_names
        self.chosen, self.taken = 0, False
        axes = {
            joint.name: AxisConfig(axis=place, scale=_speed(command, joint), dead_zone=0.0)
            for place, (command, joint) in enumerate((c, joint) for c in robot.commands for joint in c.joints)
        }
        self._stick = Joystick(robot, TeleopConfig(dead_man=0, axes=axes))
        self._direction, self._pushed_s, self._pressed_s = 0, -math.inf, -math.inf

    @property
    def joint(self) -> str:
        """The one that arrows push."""
        return self.names[self.chosen]

    def follow(self, action: Action) -> None:
        """Take in what was applied at a step."""
        self._stick.follow(action)

    def command(self, commands: Mapping[str, float], now_s: float) -> None:
        """Take in what the driver was commanded, by joint; see `Joystick.command`."""
        self._stick.command(commands, now_s)

    def take(self, now_s: float) -> None:
        """Take over, at rest."""
        self.taken, self._pressed_s, self._pushed_s = True, now_s, -math.inf

    def give_back(self) -> None:
        """Let the policy drive."""
        self.taken = False

    def choose(self, step: int, now_s: float) -> None:
        """Choose another joint, so many places further; what was pushed rests."""
        self.chosen = (self.chosen + step) % len(self.names)
        self._pressed_s, self._pushed_s = now_s, -math.inf

    def push(self, direction: int, now_s: float) -> None:
        """Move the chosen joint for a moment, 1 up or -1 down."""
        self._direction, self._pushed_s, self._pressed_s = direction, now_s, now_s

    def is_gone(self, now_s: float) -> bool:
        """Whether no key was pressed for so long that nobody can be there."""
        return self.taken and now_s - self._pressed_s > PATIENCE_S

    def action(self, now_s: float) -> dict[str, float] | None:
        """What is asked for now, by joint, in action units; None while it is not known where positions are."""
        axes = [0.0] * len(self.names)
        if now_s - self._pushed_s < PULSE_S:
            axes[self.chosen] = float(self._direction)
        return self._stick.hear(SimpleNamespace(axes=axes, buttons=[1]), now_s).action


def _speed(command: CommandConfig, joint: CommandJoint) -> float:
    """What a press asks of a joint, in units of its command; of a position per second."""
    return SHARE * (joint.max_rate if command.kind == "position" else max(abs(joint.low), abs(joint.high)))
