"""Bring the tip of a two-link planar arm to a place and keep it there: to a target seen, or to a goal that is told."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from robot_mbrl.tasks.objective import complete_goal, effort
from robot_mbrl.tasks.shaping import closeness_of_square
from robot_mbrl.tasks.task import Aim, Judgement

UPPER_ARM_M = 0.4
FOREARM_M = 0.35
"""Lengths from shoulder to elbow and from elbow to tip."""
NEAR_M = 0.1
FAR_M = 0.8
"""Distances at which the fine and the coarse part of the reward have lost 90%."""
SUCCESS_M = 0.05
ANGLES = ("shoulder_cos", "shoulder_sin", "elbow_cos", "elbow_sin")


class ReachTarget:
    """Rewards nearness of the tip, half of it steep and half of it felt from anywhere; never terminal.

    The cost is what the reward lacks to 1.
    """

    reads: ClassVar[tuple[str, ...]] = (*ANGLES, "target_x", "target_y")
    goal: ClassVar[Mapping[str, float]] = {"weight_effort": 0.0}
    angles: ClassVar[tuple[str, ...]] = ()

    def reset(self) -> None:
        """Nothing is remembered between steps."""

    def judge(self, values: Mapping[str, float]) -> Judgement:
        """Judge by cosines and sines of `shoulder` and `elbow`, and the target in metres; success is within 5 cm."""
        return _judged(_square_distance(values, values["target_x"], values["target_y"]))

    def cost(self, values: Mapping[str, Any], action: Sequence[Any], goal: Mapping[str, Any]) -> Any:
        """What the reward lacks to 1, and `weight_effort` times the squared action."""
        square = _square_distance(values, values["target_x"], values["target_y"])
        return 1.0 - _merit(square) + goal["weight_effort"] * effort(action)

    def achieved(self, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """A target where the tip is."""
        tip_x, tip_y = tip_m(values)
        return {"target_x": tip_x, "target_y": tip_y}

    def rewards(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """See `GoalTask`."""
        rewards: np.ndarray = _merit(_square_distance(values, values["target_x"], values["target_y"]))
        return rewards

    def aim(self, values: Mapping[str, float]) -> Aim:
        """The target, for the tip."""
        return Aim(near=SUCCESS_M, spot_m=(values["target_x"], values["target_y"]))


class ReachGoal:
    """The same for a place that is told as the goal: `goal_x` and `goal_y`, m."""

    reads: ClassVar[tuple[str, ...]] = ANGLES
    goal: ClassVar[Mapping[str, float]] = {"goal_x": 0.5, "goal_y": 0.0, "weight_effort": 0.0}
    angles: ClassVar[tuple[str, ...]] = ()

    def reset(self) -> None:
        """Nothing is remembered between steps."""

    def judge(self, values: Mapping[str, float]) -> Judgement:
        """Judge by cosines and sines of `shoulder` and `elbow`, and the goal; success is within 5 cm."""
        goal = complete_goal(self, values, math.cos, math.sin)
        return _judged(_square_distance(values, goal["goal_x"], goal["goal_y"]))

    def cost(self, values: Mapping[str, Any], action: Sequence[Any], goal: Mapping[str, Any]) -> Any:
        """What the reward lacks to 1, and `weight_effort` times the squared action."""
        merit = _merit(_square_distance(values, goal["goal_x"], goal["goal_y"]))
        return 1.0 - merit + goal["weight_effort"] * effort(action)

    def achieved(self, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """A goal where the tip is, and no weight on effort, which rewards do not know."""
        tip_x, tip_y = tip_m(values)
        weight = np.full_like(tip_x, self.goal["weight_effort"])
        return {"goal_x": tip_x, "goal_y": tip_y, "weight_effort": weight}

    def rewards(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """See `GoalTask`."""
        rewards: np.ndarray = _merit(_square_distance(values, values["goal_x"], values["goal_y"]))
        return rewards

    def aim(self, values: Mapping[str, float]) -> Aim:
        """The goal's place, for the tip."""
        goal = complete_goal(self, values, math.cos, math.sin)
        return Aim(near=SUCCESS_M, spot_m=(goal["goal_x"], goal["goal_y"]))


def tip_distance_m(values: Mapping[str, float]) -> float:
    """Distance between the arm's tip and the target, metres."""
    return math.sqrt(_square_distance(values, values["target_x"], values["target_y"]))


def _judged(square: float) -> Judgement:
    return Judgement(reward=_merit(square), success=square < SUCCESS_M**2)


def _merit(square: Any) -> Any:
    return (closeness_of_square(square, NEAR_M) + closeness_of_square(square, FAR_M)) / 2.0


def _square_distance(values: Mapping[str, Any], x: Any, y: Any) -> Any:
    """Square of the distance between the arm's tip and a place, m²."""
    tip_x, tip_y = tip_m(values)
    return (x - tip_x) ** 2 + (y - tip_y) ** 2


def tip_m(values: Mapping[str, Any]) -> tuple[Any, Any]:
    """Where the arm's tip is, metres: numbers or arrays, as the values are."""
    cos1, sin1 = values["shoulder_cos"], values["shoulder_sin"]
    cos2, sin2 = values["elbow_cos"], values["elbow_sin"]
    tip_x = UPPER_ARM_M * cos1 + FOREARM_M * (cos1 * cos2 - sin1 * sin2)
    tip_y = UPPER_ARM_M * sin1 + FOREARM_M * (sin1 * cos2 + cos1 * sin2)
    return tip_x, tip_y
