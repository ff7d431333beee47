"""What an objective is: a task written as a cost, which planners minimise and whose goal may be changed at any step.

A cost is made of operators alone (+ - * / **, < and > as factors, and no function), so that the same lines judge
floats, compute on numpy's arrays, are differentiated by torch or by `planners.jets`, and leave the learner inside a
policy's ONNX graph.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

Value = TypeVar("Value")

COSINE, SINE = "_cos", "_sin"
"""What an angle's name ends with where its cosine and its sine stand for it."""


@runtime_checkable
class Objective(Protocol):
    """A cost of a step, from 0 for what could not be better."""

    reads: ClassVar[tuple[str, ...]]
    """Names of the values that it depends on; see `cost_reads`."""
    goal: ClassVar[Mapping[str, float]]
    """Goals and weights by name, with what holds where a task's YAML declares none of that name."""
    angles: ClassVar[tuple[str, ...]]
    """Names of the goals that are angles, rad: `cost` is given cosine and sine of them instead."""

    def cost(self, values: Mapping[str, Any], action: Sequence[Any], goal: Mapping[str, Any]) -> Any:
        """The cost of arriving at these values by that action.

        Args:
            values: by the names that `cost_reads` gives, physical units: numbers, arrays or tensors of one shape.
            action: the normalised action's elements, of the same shape; empty to judge the arrival alone.
            goal: as `complete_goal` makes it; numbers, or whatever broadcasts.

        Returns:
            A number, array or tensor of that shape.
        """


def cost_reads(objective: Objective) -> tuple[str, ...]:
    """Names of the observed values that a cost depends on; an agent must observe them to plan for it.

    An objective that is judged by others than its cost, such as by what an agent does not see, names those of its cost
    in a class attribute `cost_reads`.
    """
    names: tuple[str, ...] = getattr(objective, "cost_reads", objective.reads)
    return names


def complete_goal(
    objective: Objective,
    told: Mapping[str, Value],
    cosine: Callable[[Value | float], Value],
    sine: Callable[[Value | float], Value],
) -> dict[str, Value | float]:
    """The goal as `Objective.cost` takes it.

    Args:
        objective: whose goal.
        told: values by name, such as all that is observed; names that are no goals of this objective are passed over.
        cosine: of what `told` holds, and of a float.
        sine: the same.
    """
    goal: dict[str, Value | float] = {name: told.get(name, default) for name, default in objective.goal.items()}
    for name in objective.angles:
        angle = goal.pop(name)
        goal |= {f"{name}{COSINE}": cosine(angle), f"{name}{SINE}": sine(angle)}
    return goal


def effort(action: Iterable[Any]) -> Any:
    """The sum of an action's squared elements; 0 where there is none."""
    return sum(element**2 for element in action)
