"""What a task is: it judges each arrival, and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np


@dataclass(frozen=True, slots=True)
class Judgement:
    """A task's verdict on one observation."""

    reward: float
    """Earned on arriving here."""
    is_terminal: bool = False
    """The task cannot go on from here; the value of this state is zero beyond."""
    success: bool = False
    """The task's goal holds here; an episode counts as solved if it holds for all of its last half."""
    values: Mapping[str, float] = field(default_factory=dict)
    """What it computed on the way, by name: all that its class names in `computes`."""


@dataclass(frozen=True, slots=True)
class Aim:
    """What is to be brought about, as those who watch want to see it."""

    values: Mapping[str, float] = field(default_factory=dict)
    """What would be observed then, by name, as far as it matters: of joints, of the place, or of how it moves."""
    near: float | None = None
    """How far from the place counts as there, in the unit of the place's values; None where nothing says so."""
    spot_m: tuple[float, float] | None = None
    """A place x, y that a part of a fixed robot is to reach, m, in the frame of its first link."""


class Task(Protocol):
    """Rewards and ends of episodes, from the values the robot measures (all of them, also those the agent lacks).

    A task that computes values worth seeing says so by a class attribute `computes`, which maps names of groups to
    their `VectorSpec`: they are recorded with each observation, and an agent sees the groups that `observe` names.
    """

    reads: ClassVar[tuple[str, ...]]
    """Names of the values that it judges by; a robot that does not measure them is refused when the task is loaded."""

    def reset(self) -> None:
        """Forget whatever was remembered of the previous episode."""

    def judge(self, values: Mapping[str, float]) -> Judgement:
        """Judge the arrival at these values, physical units by name."""


@runtime_checkable
class GoalTask(Task, Protocol):
    """A task whose arrivals can be judged by goals that were not meant, many at once (Andrychowicz et al. 2017)."""

    def achieved(self, values: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """The goal that an arrival at these values would have fulfilled.

        Args:
            values: measured ones in physical units by name, float64, (...).

        Returns:
            By the names of the goal's elements, (...).
        """

    def rewards(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """What `judge` pays for each of these arrivals, float64, (...).

        Args:
            values: measured ones and those of the goal, by name, float64, (...).
        """


@runtime_checkable
class AimedTask(Task, Protocol):
    """A task whose goal can be drawn."""

    def aim(self, values: Mapping[str, float]) -> Aim:
        """What it wants where these values are observed, those of the goal among them."""
