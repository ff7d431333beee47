"""Planners that try plans find the known optimum of a linear-quadratic problem, within bounds, given the noise."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import Tensor

from robot_mbrl.agent_configs.planning import PlannerName, PlanningSettings
from robot_mbrl.planners import PLANNERS, Plan, Planner, make_planner
from tests.planners.worlds import Known, LinearQuadratic, Nowhere

HORIZON, ACTIONS = 5, 2
SAMPLING: dict[PlannerName, dict[str, object]] = {
    "random_shooting": {"candidates": 4000, "iterations": 5, "horizon": 2},  # hopeless where there is more to choose
    "cem": {"candidates": 400, "iterations": 12, "elites": 40, "least_deviation": 0.0},
    "mppi": {"candidates": 2000, "iterations": 30, "deviation": 0.25, "temperature": 0.5},
    "es": {"candidates": 400, "iterations": 40},
    "ga": {"candidates": 600, "iterations": 40, "elites": 60, "deviation": 0.1, "mutation": 0.3},
}
NEAR: dict[PlannerName, float] = {"random_shooting": 0.3, "cem": 0.02, "mppi": 0.05, "es": 0.02, "ga": 0.1}
"""How far each may be from the optimal actions: what falls short of it are the samples, whose number is known."""
MISSED: dict[PlannerName, float] = {"random_shooting": 0.05, "cem": 0.005, "mppi": 0.005, "es": 0.005, "ga": 0.02}
"""What share of what there is to win by acting it may miss."""

each_planner = pytest.mark.parametrize("name", SAMPLING)


def planner_for(name: PlannerName, **changes: object) -> Planner:
    fields = {"planner": name, "horizon": HORIZON, "smoothing": 0.0, **SAMPLING.get(name, {}), **changes}
    return make_planner(PlanningSettings.model_validate(fields), ACTIONS)


def noise_for(planner: Planner, seed: int = 0) -> dict[str, Tensor]:
    rng = np.random.default_rng(seed)
    draws = {"uniform": rng.random, "normal": rng.standard_normal}
    return {name: torch.from_numpy(draws[n.distribution](n.shape)).float() for name, n in planner.noise.items()}


def nothing(planner: Planner) -> dict[str, Tensor]:
    return {name: torch.zeros(spec.shape) for name, spec in planner.memory.items()}


def plan(planner: Planner, world: Known, memory: Mapping[str, Tensor] | None = None, seed: int = 0) -> Plan:
    return planner.plan(world, nothing(planner) if memory is None else memory, noise_for(planner, seed))


@pytest.fixture(scope="module")
def world() -> LinearQuadratic:
    return LinearQuadratic(states=3, actions=ACTIONS, state_scale=1.6, seed=1, dtype=torch.float32)


@each_planner
def test_it_finds_the_known_optimum_of_a_linear_quadratic_problem(name: PlannerName, world: LinearQuadratic) -> None:
    planner = planner_for(name)
    best = world.riccati(planner.settings.horizon)
    assert 0.3 < np.abs(best).max() < 1.0, "the problem is one whose bounds do not matter"
    found = plan(planner, world)
    assert bool(found.found)
    np.testing.assert_allclose(found.actions.numpy(), best, atol=NEAR[name])
    least, none = (float(world.costs(torch.from_numpy(p)[None].float())[0]) for p in (best, 0 * best))
    missed = (float(world.costs(found.actions[None])[0]) - least) / (none - least)
    assert missed < MISSED[name]


@each_planner
def test_it_finds_the_optimum_at_the_bounds(name: PlannerName) -> None:
    far = LinearQuadratic(states=3, actions=ACTIONS, state_scale=6.0, seed=1, dtype=torch.float32)
    planner = planner_for(name)
    best = far.bounded_optimum(planner.settings.horizon)
    assert (np.abs(best) == 1.0).any(), "the problem is one whose bounds matter"
    found = plan(planner, far)
    assert float(found.actions.abs().max()) <= 1.0
    least, none = (float(far.costs(torch.from_numpy(p)[None].float())[0]) for p in (best, 0 * best))
    missed = (float(far.costs(found.actions[None])[0]) - least) / (none - least)
    assert -1e-4 < missed < 0.1


@pytest.mark.parametrize("name", PLANNERS)
def test_the_next_step_begins_with_what_is_left_of_the_plan(name: PlannerName, world: LinearQuadratic) -> None:
    found = plan(planner_for(name), world)
    torch.testing.assert_close(found.memory["plan"][:-1], found.actions[1:])
    assert (found.memory["plan"][-1] == 0.0).all()
    # With hardly any search, a good start is what makes a good plan.
    weak = {"candidates": 4, "iterations": 1, "elites": 2, "deviation": 1e-3, "least_deviation": 0.0}
    weak |= {"horizon": HORIZON}
    best = torch.from_numpy(world.riccati(HORIZON)).float()
    warm, cold = planner_for(name, **weak), planner_for(name, **weak, warm_start=False)
    warm_cost = float(world.costs(plan(warm, world, {"plan": best}).actions[None])[0])
    assert warm_cost == pytest.approx(float(world.costs(best[None])[0]), rel=0.01)
    assert cold.memory == {}
    if name != "ilqr":  # which is at the optimum of such a problem wherever it starts from
        assert float(world.costs(plan(cold, world).actions[None])[0]) > 1.2 * warm_cost


@pytest.mark.parametrize("name", PLANNERS)
def test_where_nothing_finite_is_found_it_says_so_and_what_it_remembers_is_finite(name: PlannerName) -> None:
    planner = planner_for(name)
    found = plan(planner, Nowhere(torch.zeros(3)))
    assert not bool(found.found)
    assert all(torch.isfinite(value).all() for value in found.memory.values())


class _Half(LinearQuadratic):
    """A world whose plans are of unknown cost where they begin with a positive action."""

    def costs(self, plans: Tensor) -> Tensor:
        return torch.where(plans[:, 0, 0] > 0.0, torch.nan, super().costs(plans))


@each_planner
def test_plans_whose_cost_is_not_finite_are_passed_over(name: PlannerName) -> None:
    half = _Half(states=3, actions=ACTIONS, state_scale=0.8, seed=1, dtype=torch.float32)
    found = plan(planner_for(name), half)
    assert bool(found.found)
    assert float(found.actions[0, 0]) < 0.1
    assert torch.isfinite(found.actions).all()


@pytest.mark.parametrize("name", PLANNERS)
def test_the_same_noise_gives_the_same_plan(name: PlannerName, world: LinearQuadratic) -> None:
    planner = planner_for(name, candidates=20, iterations=2, elites=4, warm_start=False)
    one, again, other = (plan(planner, world, seed=seed).actions for seed in (0, 0, 1))
    assert torch.equal(one, again)
    assert name == "ilqr" or not torch.equal(one, other)


def test_random_shooting_draws_uniformly_whatever_the_colour_of_its_noise() -> None:
    for colour in (0.0, 2.0):
        seen: list[Tensor] = []

        class Watched(LinearQuadratic):
            def costs(self, plans: Tensor) -> Tensor:
                seen.append(plans)  # noqa: B023
                return super().costs(plans)

        watched = Watched(states=3, actions=ACTIONS, state_scale=1.0, seed=0, dtype=torch.float32)
        plan(planner_for("random_shooting", noise_colour=colour, warm_start=False), watched)
        shares = torch.histc(seen[0], 10, -1.0, 1.0) / seen[0].numel()
        torch.testing.assert_close(shares, torch.full((10,), 0.1), atol=0.005, rtol=0.0)
