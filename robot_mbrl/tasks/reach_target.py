"""Bring the tip of a two-link planar arm to a target and keep it there."""

import math
from collections.abc import Mapping
from typing import ClassVar, TypeVar

import numpy as np

from robot_mbrl.tasks.shaping import closeness, closeness_of_each
from robot_mbrl.tasks.task import Judgement

UPPER_ARM_M = 0.4
FOREARM_M = 0.35
"""Lengths from shoulder to elbow and from elbow to tip."""
NEAR_M = 0.1
FAR_M = 0.8
"""Distances at which the fine and the coarse part of the reward have lost 90%."""
SUCCESS_M = 0.05


class ReachTarget:
    """Rewards nearness of the tip, half of it steep and half of it felt from anywhere; never terminal."""

    reads: ClassVar[tuple[str, ...]] = (
        "shoulder_cos",
        "shoulder_sin",
        "elbow_cos",
        "elbow_sin",
        "target_x",
        "target_y",
    )

    def reset(self) -> None:
        """Nothing is remembered between steps."""

    def judge(self, values: Mapping[str, float]) -> Judgement:
        """Judge by cosines and sines of `shoulder` and `elbow`, and the target in metres; success is within 5 cm."""
        distance = tip_distance_m(values)
        reward = (closeness(distance, NEAR_M) + closeness(distance, FAR_M)) / 2.0
        return Judgement(reward=reward, success=distance < SUCCESS_M)

    def achieved(self, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """A target where the tip is."""
        tip_x, tip_y = tip_m(values)
        return {"target_x": tip_x, "target_y": tip_y}

    def rewards(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """See `GoalTask`."""
        tip_x, tip_y = tip_m(values)
        distance: np.ndarray = np.hypot(values["target_x"] - tip_x, values["target_y"] - tip_y)
        reward: np.ndarray = (closeness_of_each(distance, NEAR_M) + closeness_of_each(distance, FAR_M)) / 2.0
        return reward


Number = TypeVar("Number", float, np.ndarray)
"""One value, or many at once."""


def tip_m(values: Mapping[str, Number]) -> tuple[Number, Number]:
    """Where the arm's tip is, metres."""
    cos1, sin1 = values["shoulder_cos"], values["shoulder_sin"]
    cos2, sin2 = values["elbow_cos"], values["elbow_sin"]
    tip_x = UPPER_ARM_M * cos1 + FOREARM_M * (cos1 * cos2 - sin1 * sin2)
    tip_y = UPPER_ARM_M * sin1 + FOREARM_M * (sin1 * cos2 + cos1 * sin2)
    return tip_x, tip_y


def tip_distance_m(values: Mapping[str, float]) -> float:
    """Distance between the arm's tip and the target, metres."""
    tip_x, tip_y = tip_m(values)
    return math.hypot(values["target_x"] - tip_x, values["target_y"] - tip_y)
