"""Swing a rod up with a motor too weak to lift it, and balance it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from robot_mbrl.tasks.objective import complete_goal, effort
from robot_mbrl.tasks.shaping import closeness
from robot_mbrl.tasks.task import Aim, Judgement

STILLNESS_RAD_S = 8.0
"""Angular velocity at which the stillness factor has lost 90% of what it can lose."""
SUCCESS_RAD = math.radians(12.0)


class PendulumSwingup:
    """Rewards a quiet rod at the goal's angle, which is upright unless told otherwise; never terminal.

    The reward is (1 + cos)/2 of the angle from the goal times a factor in [1/2, 1]; what it lacks to 1 is the cost.
    """

    reads: ClassVar[tuple[str, ...]] = ("angle_cos", "angle_sin", "angular_velocity")
    goal: ClassVar[Mapping[str, float]] = {"goal_angle": 0.0, "weight_effort": 0.0}
    angles: ClassVar[tuple[str, ...]] = ("goal_angle",)

    def reset(self) -> None:
        """Nothing is remembered between steps."""

    def judge(self, values: Mapping[str, float]) -> Judgement:
        """Judge by angle and `angular_velocity` (rad/s); success is a rod within 12 degrees of the goal."""
        goal = complete_goal(self, values, math.cos, math.sin)
        nearness = _cosine_from_goal(values, goal)
        return Judgement(reward=_merit(values, goal), success=nearness > math.cos(SUCCESS_RAD))

    def cost(self, values: Mapping[str, Any], action: Sequence[Any], goal: Mapping[str, Any]) -> Any:
        """What the reward lacks to 1, and `weight_effort` times the squared action."""
        return 1.0 - _merit(values, goal) + goal["weight_effort"] * effort(action)

    def aim(self, values: Mapping[str, float]) -> Aim:
        """The rod at the goal's angle."""
        goal = complete_goal(self, values, math.cos, math.sin)
        return Aim({"angle_cos": goal["goal_angle_cos"], "angle_sin": goal["goal_angle_sin"]})


def _merit(values: Mapping[str, Any], goal: Mapping[str, Any]) -> Any:
    near = (1.0 + _cosine_from_goal(values, goal)) / 2.0
    still = (1.0 + closeness(values["angular_velocity"], STILLNESS_RAD_S)) / 2.0
    return near * still


def _cosine_from_goal(values: Mapping[str, Any], goal: Mapping[str, Any]) -> Any:
    """The cosine of the angle between rod and goal."""
    return values["angle_cos"] * goal["goal_angle_cos"] + values["angle_sin"] * goal["goal_angle_sin"]
