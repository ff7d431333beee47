"""A wheeled base drives to a goal on the ground, and keeps off what its scanner sees."""

import math
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any, ClassVar

from robot_mbrl.specs import Element, VectorSpec
from robot_mbrl.tasks.objective import effort
from robot_mbrl.tasks.shaping import closeness, larger, within
from robot_mbrl.tasks.task import Aim, Judgement

NEAR_M, FAR_M = 1.0, 6.0
"""Distances at which the fine and the coarse part of the reward have lost 90%."""
SUCCESS_M = 0.5
BEAMS = 27
"""Directions of the scanner that are looked at, from right to left."""
CLOSE_M, CLEAR_M = 0.4, 0.9
"""Distances of the nearest obstacle at which the reward is halved, and whole."""
NEARNESS = tuple(f"near_{number}" for number in range(BEAMS))


class DriveToGoal:
    """Rewards nearness of the goal, half of it steep and half of it felt from afar, and clear space; never terminal.

    The cost is what the reward lacks to 1, by what the robot sees, and `weight_clear` times the want of clear space:
    far from the goal the reward alone makes it worth while to drive into what stands in the way.
    """

    reads: ClassVar[tuple[str, ...]] = ("x", "y", "yaw", "goal_x", "goal_y", *NEARNESS)
    cost_reads: ClassVar[tuple[str, ...]] = ("goal_distance", *NEARNESS)
    goal: ClassVar[Mapping[str, float]] = {"weight_clear": 0.0, "weight_effort": 0.0}
    angles: ClassVar[tuple[str, ...]] = ()
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
        computed = {
            "goal_distance": distance_m,
            "goal_ahead": math.cos(bearing),
            "goal_left": math.sin(bearing),
        }
        reward = _merit(distance_m, _clear(values))
        return Judgement(reward=reward, success=distance_m < SUCCESS_M, values=computed)

    def cost(self, values: Mapping[str, Any], action: Sequence[Any], goal: Mapping[str, Any]) -> Any:
        """What the reward lacks to 1, what space lacks to be clear, and the squared action, each by its weight."""
        clear = _clear(values)
        lacking = 1.0 - _merit(values["goal_distance"], clear)
        return lacking + goal["weight_clear"] * (1.0 - clear) + goal["weight_effort"] * effort(action)

    def aim(self, values: Mapping[str, float]) -> Aim:
        """The goal's place."""
        return Aim({"x": values["goal_x"], "y": values["goal_y"]}, near=SUCCESS_M)


def towards_goal(values: Mapping[str, float]) -> tuple[float, float]:
    """Distance of the goal, m, and its bearing from straight ahead, rad, to the left positive."""
    dx, dy = values["goal_x"] - values["x"], values["goal_y"] - values["y"]
    return math.hypot(dx, dy), math.remainder(math.atan2(dy, dx) - values["yaw"], math.tau)


def _merit(distance_m: Any, clear: Any) -> Any:
    near = (closeness(distance_m, NEAR_M) + closeness(distance_m, FAR_M)) / 2.0
    return near * (1.0 + clear) / 2.0


def _clear(values: Mapping[str, Any]) -> Any:
    """How clear the space around is, by the nearest thing: 0 to 1."""
    # Bounded while it is an inverse, of which that of an empty view could not be taken.
    nearness = within(reduce(larger, (values[name] for name in NEARNESS)), 1.0 / CLEAR_M, 1.0 / CLOSE_M)
    return (1.0 / nearness - CLOSE_M) / (CLEAR_M - CLOSE_M)
