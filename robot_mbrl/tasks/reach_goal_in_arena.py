"""A rolling robot that a camera tracks comes to the goal in its arena and stays: DayDreamer's task of the Sphero."""

import math
from collections.abc import Mapping
from typing import ClassVar

from robot_mbrl.tasks.task import Judgement

GOAL = (0.825, 0.165)
"""DayDreamer's, in shares of the arena from the picture's upper left corner."""
SUCCESS = 0.15
"""Distance in arena units that DayDreamer reached on average within two hours."""


class ReachGoalInArena:
    """Rewards by minus the distance to the goal, in arena units; never terminal."""

    reads: ClassVar[tuple[str, ...]] = ("arena_x", "arena_y")

    def reset(self) -> None:
        """Nothing is remembered between steps."""

    def judge(self, values: Mapping[str, float]) -> Judgement:
        """Judge by `arena_x` and `arena_y`, shares of the arena's sides."""
        distance = math.dist((values["arena_x"], values["arena_y"]), GOAL)
        return Judgement(reward=-distance, success=distance < SUCCESS)
