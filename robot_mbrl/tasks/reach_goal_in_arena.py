"""A rolling robot that a camera tracks comes to the goal in its arena and stays: DayDreamer's task of the Sphero."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from robot_mbrl.tasks.objective import complete_goal, effort
from robot_mbrl.tasks.task import Aim, Judgement

GOAL = (0.825, 0.165)
"""DayDreamer's, in shares of the arena from the picture's upper left corner."""
SUCCESS = 0.15
"""Distance in arena units that DayDreamer reached on average within two hours."""
BLUNT = 0.02
"""The cost of a distance far below this, in arena units, is a parabola: a cone has no derivative at its tip."""


class ReachGoalInArena:
    """Rewards by minus the distance to the goal, in arena units; never terminal.

    The goal is DayDreamer's unless told otherwise. The cost is the distance, but for its blunt tip.
    """

    reads: ClassVar[tuple[str, ...]] = ("arena_x", "arena_y")
    goal: ClassVar[Mapping[str, float]] = {"goal_x": GOAL[0], "goal_y": GOAL[1], "weight_effort": 0.0}
    angles: ClassVar[tuple[str, ...]] = ()

    def reset(self) -> None:
        """Nothing is remembered between steps."""

    def judge(self, values: Mapping[str, float]) -> Judgement:
        """Judge by `arena_x` and `arena_y`, shares of the arena's sides, and the goal in the same."""
        distance = math.sqrt(_square_distance(values, complete_goal(self, values, math.cos, math.sin)))
        return Judgement(reward=-distance, success=distance < SUCCESS)

    def cost(self, values: Mapping[str, Any], action: Sequence[Any], goal: Mapping[str, Any]) -> Any:
        """The distance, blunt at its tip, and `weight_effort` times the squared action."""
        blunt = (_square_distance(values, goal) + BLUNT**2) ** 0.5 - BLUNT
        return blunt + goal["weight_effort"] * effort(action)

    def aim(self, values: Mapping[str, float]) -> Aim:
        """The goal's place in the arena."""
        goal = complete_goal(self, values, math.cos, math.sin)
        return Aim({"arena_x": goal["goal_x"], "arena_y": goal["goal_y"]}, near=SUCCESS)


def _square_distance(values: Mapping[str, Any], goal: Mapping[str, Any]) -> Any:
    """Square of the distance of the goal, in arena units."""
    return (values["arena_x"] - goal["goal_x"]) ** 2 + (values["arena_y"] - goal["goal_y"]) ** 2
