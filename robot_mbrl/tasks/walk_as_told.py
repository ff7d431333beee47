"""A quadruped stands, and walks ahead and turns as fast as it is told."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from robot_mbrl.tasks.objective import complete_goal, effort
from robot_mbrl.tasks.quadruped_walk import LEGS, POSTURE
from robot_mbrl.tasks.shaping import closeness, closeness_of_square
from robot_mbrl.tasks.task import Aim, Judgement

TIPPED_RAD = 2.0
"""Roll or pitch at which being upright has lost 90%: wide enough to be felt by a robot on its side."""
CROOKED_RAD = 0.8
"""Root mean square deviation of the joints from standing, at which posture has lost 90%: a gait needs room."""
SPEED_M_S, TURN_RAD_S = 0.3, 0.8
"""How far from what is told speed and yaw rate have lost 90%."""
SUCCESS_M_S, SUCCESS_RAD_S, LEVEL_RAD = 0.1, 0.25, 0.5
JOINTS = {f"{leg}_{part}": standing for leg in LEGS for part, (_, _, standing) in POSTURE.items()}


class WalkAsTold:
    """Rewards being upright, then posture, then the speed and the yaw rate that are told; never terminal.

    With upright, posture, speed and turn in [0, 1], each 1 where nothing is amiss, the reward is

        upright (1 + posture (1 + speed + turn)) / 4,

    so that what comes later counts only as far as what comes before holds. What it lacks to 1 is the cost.
    """

    reads: ClassVar[tuple[str, ...]] = ("roll", "pitch", "speed_forward", "yaw_rate", *JOINTS)
    goal: ClassVar[Mapping[str, float]] = {"goal_speed": 0.0, "goal_turn_rate": 0.0, "weight_effort": 0.0}
    angles: ClassVar[tuple[str, ...]] = ()

    def reset(self) -> None:
        """Nothing is remembered between steps."""

    def judge(self, values: Mapping[str, float]) -> Judgement:
        """Judge by `roll`, `pitch` and joint angles (rad), `speed_forward` (m/s), `yaw_rate` (rad/s), and the goal.

        Success is within 0.1 m/s and 0.25 rad/s of what is told, and level within 0.5 rad.
        """
        goal = complete_goal(self, values, math.cos, math.sin)
        level = max(abs(values["roll"]), abs(values["pitch"])) < LEVEL_RAD
        fast = abs(values["speed_forward"] - goal["goal_speed"]) < SUCCESS_M_S
        turns = abs(values["yaw_rate"] - goal["goal_turn_rate"]) < SUCCESS_RAD_S
        return Judgement(reward=_merit(values, goal), success=level and fast and turns)

    def cost(self, values: Mapping[str, Any], action: Sequence[Any], goal: Mapping[str, Any]) -> Any:
        """What the reward lacks to 1, and `weight_effort` times the squared action."""
        return 1.0 - _merit(values, goal) + goal["weight_effort"] * effort(action)

    def aim(self, values: Mapping[str, float]) -> Aim:
        """The speed and the yaw rate that are told."""
        goal = complete_goal(self, values, math.cos, math.sin)
        return Aim({"speed_forward": goal["goal_speed"], "speed_left": 0.0, "yaw_rate": goal["goal_turn_rate"]})


def _merit(values: Mapping[str, Any], goal: Mapping[str, Any]) -> Any:
    upright = closeness_of_square(values["roll"] ** 2 + values["pitch"] ** 2, TIPPED_RAD)
    squares = sum((values[name] - standing) ** 2 for name, standing in JOINTS.items())
    posture = closeness_of_square(squares / len(JOINTS), CROOKED_RAD)
    speed = closeness(values["speed_forward"] - goal["goal_speed"], SPEED_M_S)
    turn = closeness(values["yaw_rate"] - goal["goal_turn_rate"], TURN_RAD_S)
    return upright * (1.0 + posture * (1.0 + speed + turn)) / 4.0
