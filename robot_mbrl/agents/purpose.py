"""What an agent is to bring about, where it must know that: the task's objective, and what of its goal may be told."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import torch
from torch import Tensor

from robot_mbrl.config import RunConfig
from robot_mbrl.errors import ConfigError
from robot_mbrl.specs import ObservationSpec, VectorSpec
from robot_mbrl.tasks import Objective, find_task
from robot_mbrl.tasks.objective import complete_goal, cost_reads


@dataclass(frozen=True)
class Purpose:
    """For agents that plan; those that learn from rewards alone have no use for it."""

    objective: Objective | None
    """None where the task is none that can be written as a cost."""
    goal: Mapping[str, VectorSpec] = field(default_factory=dict)
    """What may be told while the robot moves, by group."""
    action_sizes: tuple[int, ...] = ()
    """Where one model learns several tasks, how many elements of its action each uses, in their order."""

    @classmethod
    def of(cls, config: RunConfig) -> Self:
        """That of a run."""
        task = find_task(config.task.task)() if config.task.task is not None else None
        sizes = tuple(member.action_spec().size for member in config.members)
        return cls(task if isinstance(task, Objective) else None, config.goal_spec(), sizes)

    def objective_of(self, family: str, observation: ObservationSpec) -> Objective:
        """The objective, for agents of a family that plan for it.

        Raises:
            ConfigError: if there is none, or it is one of values that are not observed.
        """
        if self.objective is None:
            raise ConfigError(
                f"task.task: agents of the family {family} plan for tasks with an objective, a cost that they can "
                f"compute; write one (robot_mbrl/tasks/objective.py), or choose an agent that learns from rewards"
            )
        if missing := sorted(set(cost_reads(self.objective)) - set(observation.element_names)):
            raise ConfigError(
                f"task.observe: the task's objective is a cost of {missing}, which an agent that plans for it must "
                f"observe; add their vectors, or choose an agent that learns from rewards"
            )
        return self.objective


def told_goal(objective: Objective, groups: Mapping[str, VectorSpec], inputs: Mapping[str, Tensor]) -> dict[str, Any]:
    """The goal as an objective takes it: what a policy is told, where the task's YAML declares it, and else defaults.

    Args:
        objective: whose goal.
        groups: what is declared.
        inputs: of a policy's graph, `goal.<group>`, (1, n), among others.
    """
    # Copies, since the loops that planners are exported with cannot take two views of one tensor.
    told = {
        name: inputs[f"goal.{group}"][0, index].clone()
        for group, vector in groups.items()
        for index, name in enumerate(vector.names)
    }
    return complete_goal(objective, told, _cosine, _sine)


def _cosine(angle: Tensor | float) -> Any:
    return torch.cos(angle) if isinstance(angle, Tensor) else math.cos(angle)


def _sine(angle: Tensor | float) -> Any:
    return torch.sin(angle) if isinstance(angle, Tensor) else math.sin(angle)
