"""Jets carry the derivatives that automatic differentiation finds."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import hessian, jacrev

from robot_mbrl.planners.jets import constant, variables
from robot_mbrl.tasks import TASKS, Objective
from robot_mbrl.tasks.objective import complete_goal, cost_reads

EXPRESSIONS = {
    "sum": lambda x, y: x + y + 2.0 + (1.0 + x),
    "difference": lambda x, y: x - y - 2.0 + (1.0 - x) - (-y),
    "product": lambda x, y: 3.0 * x * y * x + y * 0.5,
    "quotient": lambda x, y: x / y + 2.0 / y + y / 4.0,
    "power": lambda x, y: x**2 + y**3 + (x**2 + 1.0) ** 0.5 + x**1,
    "comparison": lambda x, y: x**2 * (x > y) + y**3 * (y > 1.0) + x * y * (x < 0.5) + y * (x < y),
    "exponential": lambda x, y: 0.1 ** (x**2 / 4.0) * 2.0**y,
}


@pytest.mark.parametrize("expression", EXPRESSIONS.values(), ids=EXPRESSIONS)
def test_every_operator_has_both_its_derivatives(expression: Any) -> None:
    points = torch.randn(7, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    points[:, 1] = points[:, 1].abs() + 0.5
    found = expression(*variables(points))
    for index, point in enumerate(points):

        def at(p: Tensor) -> Tensor:
            return expression(p[0], p[1])

        torch.testing.assert_close(found.value[index], at(point))
        torch.testing.assert_close(found.gradient[index], jacrev(at)(point))
        torch.testing.assert_close(found.hessian[index], hessian(at)(point))


def test_a_square_has_derivatives_at_zero() -> None:
    (x,) = variables(torch.zeros(1, 1))
    square = x**2
    assert (float(square.value), float(square.gradient), float(square.hessian)) == (0.0, 0.0, 2.0)


def test_tensors_take_part_as_constants() -> None:
    weights = torch.tensor([1.0, 2.0])
    (x,) = variables(torch.tensor([[3.0], [4.0]]))
    assert (weights * x + weights).value.tolist() == [4.0, 10.0]
    assert (weights - x).value.tolist() == [-2.0, -2.0]
    assert (x * weights + weights).gradient.flatten().tolist() == [1.0, 2.0]
    lifted = x * constant(weights, 1) + constant(weights, 1)
    assert lifted.value.tolist() == [4.0, 10.0]
    assert lifted.gradient.flatten().tolist() == [1.0, 2.0]
    assert lifted.hessian.flatten().tolist() == [0.0, 0.0]


@pytest.mark.parametrize("name", [name for name, task in TASKS.items() if isinstance(task(), Objective)])
def test_every_objective_is_differentiated_in_closed_form(name: str) -> None:
    objective = TASKS[name]()
    assert isinstance(objective, Objective)
    names = cost_reads(objective)
    size = len(names)
    told = {goal: torch.tensor(value + 0.3, dtype=torch.float64) for goal, value in objective.goal.items()}
    goal = complete_goal(objective, told, torch.cos, torch.sin)  # type: ignore[arg-type]

    def cost(values: Any) -> Any:
        return objective.cost(dict(zip(names, values[:size], strict=True)), values[size:], goal)

    points = torch.randn(5, size + 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = cost(variables(points))
    for index, point in enumerate(points):
        torch.testing.assert_close(found.value[index], cost(point.unbind()))
        torch.testing.assert_close(found.gradient[index], jacrev(lambda p: cost(p.unbind()))(point))
        torch.testing.assert_close(found.hessian[index], hessian(lambda p: cost(p.unbind()))(point))
