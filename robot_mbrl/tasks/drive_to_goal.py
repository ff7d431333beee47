"""A wheeled base drives to a goal on the ground, and keeps off what its scanner sees."""

import math
from collections.abc import Mapping
from typing import ClassVar

from robot_mbrl.specs import Element, VectorSpec
from robot_mbrl.tasks.shaping import closeness
from robot_mbrl.tasks.task import Judgement

NEAR_M, FAR_M = 1.0, 6.0
"""Distances at which the fine and the coarse part of the reward have lost 90%."""
SUCCESS_M = 0.5
BEAMS = 27
"""Directions of the scanner that are looked at, from right to left."""
CLOSE_M, CLEAR_M = 0.4, 0.9
"""Distances of the nearest obstacle at which the reward is halved, and whole."""


class DriveToGoal:
    """Rewards nearness of the goal, half of it steep and half of it felt from afar, and clear space; never terminal."""

    reads: ClassVar[tuple[str, ...]] = (
        *("x", "y", "yaw", "goal_x", "goal_y"),
        *(f"near_{number}" for number in range(BEAMS)),
    )
    computes: ClassVar[Mapping[str, VectorSpec]] = {
        "towards": VectorSpec(
            elements=(
                Element(name="goal_distance", unit="m", scale=3.0),
                Element(name="goal_ahead"),
                Element(name="goal_left"),
            )
        )
    }

    def reset(self) -> None:
        """Nothing is remembered between steps."""

    def judge(self, values: Mapping[str, float]) -> Judgement:
        """Judge by the base's `x`, `y` (m) and `yaw` (rad), the goal, and the nearness (1/m) of what is around."""
        distance_m, bearing = towards_goal(values)
        nearness = max(values[f"near_{number}"] for number in range(BEAMS))
        nearest_m = 1.0 / nearness if nearness > 0.0 else math.inf
        clear = min(max((nearest_m - CLOSE_M) / (CLEAR_M - CLOSE_M), 0.0), 1.0)
        near = (closeness(distance_m, NEAR_M) + closeness(distance_m, FAR_M)) / 2.0
        return Judgement(
            reward=near * (1.0 + clear) / 2.0,
            success=distance_m < SUCCESS_M,
            values={
                "goal_distance": distance_m,
                "goal_ahead": math.cos(bearing),
                "goal_left": math.sin(bearing),
            },
        )


def towards_goal(values: Mapping[str, float]) -> tuple[float, float]:
    """Distance of the goal, m, and its bearing from straight ahead, rad, to the left positive."""
    dx, dy = values["goal_x"] - values["x"], values["goal_y"] - values["y"]
    return math.hypot(dx, dy), math.remainder(math.atan2(dy, dx) - values["yaw"], math.tau)
