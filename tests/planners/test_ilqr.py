"""iLQR is at the Riccati solution of linear-quadratic problems, keeps to bounds, and stops where nothing is better."""

import math

import numpy as np
import pytest
import torch

from robot_mbrl.agent_configs.planning import PlanningSettings
from robot_mbrl.planners.ilqr import ILQR
from tests.planners.worlds import Known, LinearQuadratic, Pendulum


def regulator(horizon: int, actions: int, **changes: object) -> ILQR:
    fields = {"planner": "ilqr", "horizon": horizon, "candidates": 4, "elites": 1, "corrections": 1, **changes}
    return ILQR(PlanningSettings.model_validate(fields), actions)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("actions", [1, 2, 4])
def test_one_correction_is_the_riccati_solution(actions: int, seed: int) -> None:
    # So near to the goal that no bound matters on the way, either.
    world = LinearQuadratic(states=4, actions=actions, state_scale=0.01, seed=seed, dtype=torch.float32)
    best = world.riccati(20)
    found = regulator(20, actions, regularisers=(0.0,)).improve(world, torch.zeros(20, actions))
    np.testing.assert_allclose(found.actions.numpy(), best, atol=1e-4 * np.abs(best).max())


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("actions", [1, 2, 4])
def test_a_few_corrections_are_where_bounds_matter_on_the_way(actions: int, seed: int) -> None:
    world = LinearQuadratic(states=4, actions=actions, state_scale=0.3, seed=seed, dtype=torch.float32)
    best = world.riccati(20)
    assert np.abs(best).max() < 1.0
    found = regulator(20, actions, regularisers=(0.0, 0.1), corrections=12).improve(world, torch.zeros(20, actions))
    np.testing.assert_allclose(found.actions.numpy(), best, atol=1e-4)


@pytest.mark.parametrize("actions", [1, 2, 3])
def test_bounds_are_part_of_the_problem_and_not_cut_off_afterwards(actions: int) -> None:
    world = LinearQuadratic(states=4, actions=actions, state_scale=4.0, seed=1, dtype=torch.float64)
    best = world.bounded_optimum(12)
    assert (np.abs(best) == 1.0).any()
    found = regulator(12, actions, corrections=20, regularisers=(0.0, 0.1)).improve(
        world, torch.zeros(12, actions, dtype=torch.float64)
    )
    np.testing.assert_allclose(found.actions.numpy(), best, atol=1e-3)


def slopes(world: Known, actions: torch.Tensor) -> torch.Tensor:
    """The derivative of a plan's cost by its actions (H, A), by central differences."""
    found = torch.zeros_like(actions)
    for place in np.ndindex(*actions.shape):
        nudge = torch.zeros_like(actions)
        nudge[place] = 1e-5
        found[place] = (world.costs((actions + nudge)[None]) - world.costs((actions - nudge)[None]))[0] / 2e-5
    return found


@pytest.mark.parametrize("angle", [0.3, -0.8, 2.0])
def test_on_a_pendulum_it_stops_where_finite_differences_find_nothing_better(angle: float) -> None:
    state = torch.tensor([math.cos(angle), math.sin(angle), 0.0], dtype=torch.float64)
    world = Pendulum(state)
    planner = regulator(15, 1, corrections=40)
    found = planner.improve(world, torch.zeros(15, 1, dtype=torch.float64))
    slope, actions = slopes(world, found.actions), found.actions
    free = actions.abs() < 1.0
    assert slope[free].abs().max() < 1e-4 if free.any() else True
    assert (slope[actions >= 1.0] <= 1e-6).all()
    assert (slope[actions <= -1.0] >= -1e-6).all()
    assert float(world.costs(actions[None])) < float(world.costs(torch.zeros(1, 15, 1, dtype=torch.float64)))


def test_a_correction_never_makes_a_plan_dearer() -> None:
    world = Pendulum(torch.tensor([-1.0, 0.1, 0.0], dtype=torch.float64))
    actions = torch.zeros(20, 1, dtype=torch.float64)
    costs = [float(world.costs(actions[None]))]
    planner = regulator(20, 1)
    for _ in range(10):
        actions = planner.improve(world, actions).actions
        costs.append(float(world.costs(actions[None])))
    assert all(later <= earlier + 1e-12 for earlier, later in zip(costs[:-1], costs[1:], strict=True))
    assert costs[-1] < costs[0]


def test_it_starts_from_the_cheapest_of_some_random_plans() -> None:
    world = LinearQuadratic(states=3, actions=1, state_scale=0.3, seed=0, dtype=torch.float32)
    best = torch.from_numpy(world.riccati(6)).float()
    noise = torch.zeros(4, 6, 1)
    noise[2] = best / 0.5
    # A correction so short that it changes nothing shows where it began.
    planner = regulator(6, 1, step_lengths=(1e-9,))
    found = planner.plan(world, {"plan": torch.zeros(6, 1)}, {"plans": noise})
    torch.testing.assert_close(found.actions, best, atol=1e-4, rtol=0.0)
