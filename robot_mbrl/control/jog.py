"""A jog: one joint a little way, at a tenth of its speed, so that a person sees its sign and its unit."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from robot_mbrl.config import CommandConfig, RobotConfig
from robot_mbrl.control.command_interface import SLOW_SHARE
from robot_mbrl.control.shaping import resting_bounds

LARGEST_SHARE = 0.1
"""Share of a position's range that one jog may cover."""
LARGEST_S = 0.5
"""What a jog of a velocity or a twist may cover, in seconds at full speed."""
NEAR_SHARE = 0.1
"""Share of the way that a joint which has followed may still lack."""
LAG_S = 0.5
"""How long a soft servo may take to follow a command that has arrived, and a joint to have gone as far as its speed
has led by then."""


@dataclass
class Jog:
    """Where a jog leads, fixed when it is first asked for, and how far it has come.

    Attributes:
        number: tells it from the next one; who asks again asks for the same.
        joint: its name.
        delta: how far, rad or m.
        refusal: why it is not begun; empty if it may be.
        positions: of position commands, where all of their joints are to be.
        velocities: of velocity and twist commands, the speed of the one joint.
        begun_s: when.
        start: of a joint that is measured, where it was.
        lasts_s: how long it takes.
        arrived_s: of position commands, since when the command is where it was to lead; None while it is not.
    """

    number: int
    joint: str
    delta: float
    refusal: str = ""
    positions: Mapping[str, float] | None = None
    velocities: Mapping[str, float] | None = None
    begun_s: float = 0.0
    start: float | None = None
    lasts_s: float = 0.0
    arrived_s: float | None = None

    def is_over(self, position: float | None, now_s: float, *, at_goal: bool) -> bool:
        """Whether it has led where it was to lead.

        Args:
            position: where the joint is measured; None if it is not.
            now_s: the present.
            at_goal: of position commands, whether the command has arrived.
        """
        if self.positions is not None:
            if not at_goal:
                return False
            self.arrived_s = now_s if self.arrived_s is None else self.arrived_s
            # A robot that is damped at rest would stay where it is once the command ends.
            lacks = abs(self.positions[self.joint] - position) if position is not None else 0.0
            return lacks <= NEAR_SHARE * abs(self.delta) or now_s - self.arrived_s >= LAG_S
        took_s = now_s - self.begun_s
        if position is None or self.start is None:
            return took_s >= self.lasts_s
        # A joint that is tried for the first time may be measured wrongly: it must not go on for that.
        return abs(position - self.start) >= abs(self.delta) or took_s >= self.lasts_s + LAG_S


def begin(
    robot: RobotConfig,
    number: int,
    joint: str,
    delta: float,
    measured: Mapping[str, float],
    now_s: float,
    speed_scale: float = 1.0,
) -> Jog:
    """A jog from the present pose.

    Args:
        robot: whose joint it is.
        number: of the jog.
        joint: name of a commanded joint or twist axis.
        delta: how far, rad or m.
        measured: positions of the measured joints by name.
        now_s: the present.
        speed_scale: share of each joint's speed that is not exceeded.
    """
    command = next((c for c in robot.commands if joint in [j.name for j in c.joints]), None)
    refusal = _refusal(robot, command, joint, delta, measured)
    if refusal or command is None:
        return Jog(number, joint, delta, refusal)
    config = next(j for j in command.joints if j.name == joint)
    if command.kind == "position":
        goals = {j.name: measured[j.name] for j in command.joints}
        goals[joint] += delta
        return Jog(number, joint, delta, positions=goals, begun_s=now_s, start=measured[joint])
    speed = min(SLOW_SHARE, speed_scale) * (config.high if delta > 0.0 else config.low)
    start = measured.get(joint)
    return Jog(
        number, joint, delta, velocities={joint: speed}, begun_s=now_s, start=start, lasts_s=abs(delta / (speed or 1.0))
    )


def _refusal(
    robot: RobotConfig, command: CommandConfig | None, name: str, delta: float, measured: Mapping[str, float]
) -> str:
    """Why a jog is not begun; empty if it may be."""
    if not math.isfinite(delta) or delta == 0.0:
        return f"{delta:g} is no way to go: name one above or below 0"
    if command is None:
        return f"there is no joint {name!r}; there are {', '.join(robot.joint_names)}"
    joint = next(j for j in command.joints if j.name == name)
    if command.kind == "effort":
        return f"joint {name} is commanded by effort, which leads nowhere in particular: push it by hand instead"
    if command.kind == "position":
        most = LARGEST_SHARE * (joint.high - joint.low)
        goal, bounds = measured[name] + delta, resting_bounds(joint)
        if not max(bounds[0], joint.low) <= goal <= min(bounds[1], joint.high):
            return f"{goal:g} is beyond what joint {name} may be told, [{joint.low:g}, {joint.high:g}]"
    else:
        most = LARGEST_S * max(abs(joint.low), abs(joint.high))
        if not (joint.high if delta > 0.0 else -joint.low) > 0.0:
            return f"joint {name} cannot be commanded in that direction"
    return f"{abs(delta):g} is more than a jog of joint {name} covers: at most {most:g}" if abs(delta) > most else ""
