"""Intermediate goals: a sequence, each told once the one before is reached."""

from collections.abc import Mapping, Sequence

from robot_mbrl.steps import Observation

REACHED_STEPS = 5
"""Steps in a row for which a goal must hold before the next is told: a robot that flies past has not reached it."""


class Waypoints:
    """Tells goals one after the other, by what is observed.

    Attributes:
        index: which goal is told at present; their number once the last is reached, or holds where `await_last` is not
            asked for.
    """

    def __init__(
        self, goals: Sequence[Mapping[str, float]], *, await_last: bool, reached_steps: int = REACHED_STEPS
    ) -> None:
        """Begin with the first goal.

        Args:
            goals: each in names and values.
            await_last: whether the last one, too, is waited for until it is reached; otherwise until it is observed.
            reached_steps: steps in a row for which the task must say of a goal that it holds.
        """
        self.index = 0
        self._goals, self._await_last, self._reached_steps = list(goals), await_last, reached_steps
        self._steps = 0

    @property
    def goal(self) -> Mapping[str, float] | None:
        """What is to be told now; None once all is done."""
        return self._goals[self.index] if self.index < len(self._goals) else None

    @property
    def remaining(self) -> int:
        """How many goals are still to come, the present one among them."""
        return len(self._goals) - self.index

    def observed(self, observation: Observation) -> bool:
        """Take in an observation; returns whether the present goal is part of it, and so known to the robot."""
        goal = self.goal
        if goal is None:
            return False
        holds = all(observation.values.get(name) == value for name, value in goal.items())
        self._steps = self._steps + 1 if holds and observation.success else 0
        last = self.index == len(self._goals) - 1
        if self._steps >= self._reached_steps or (holds and last and not self._await_last):
            self.index, self._steps = self.index + 1, 0
        return holds
