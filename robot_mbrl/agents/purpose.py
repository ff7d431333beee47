"""What an agent is to bring about, where it must know that: the task's objective, and what of its goal may be told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from robot_mbrl.config import RunConfig
from robot_mbrl.specs import VectorSpec
from robot_mbrl.tasks import TASKS, Objective


@dataclass(frozen=True)
class Purpose:
    """For agents that plan; those that learn from rewards alone have no use for it."""

    objective: Objective | None
    """None where the task is none that can be written as a cost."""
    goal: Mapping[str, VectorSpec] = field(default_factory=dict)
    """What may be told while the robot moves, by group."""

    @classmethod
    def of(cls, config: RunConfig) -> Self:
        """That of a run."""
        task = TASKS[config.task.task]() if config.task.task is not None else None
        return cls(task if isinstance(task, Objective) else None, config.goal_spec())
