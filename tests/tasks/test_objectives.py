"""Objectives: one cost of operators alone, whoever computes it, and the reward's other side."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from robot_mbrl.config import load_run, packaged
from robot_mbrl.tasks import TASKS, Objective
from robot_mbrl.tasks.objective import complete_goal

OBJECTIVES = [name for name, task in TASKS.items() if isinstance(task(), Objective)]
each_objective = pytest.mark.parametrize("name", OBJECTIVES)


def objective(name: str) -> Any:
    return TASKS[name]()


def drawn(task: Any, seed: int) -> tuple[dict[str, float], dict[str, float]]:
    """Values and goals, the angles among them as cosines and sines of some angle."""
    rng = np.random.default_rng(seed)
    values = {name: float(rng.normal()) for name in task.reads}
    for name in [n.removesuffix("_cos") for n in values if n.endswith("_cos")]:
        angle = rng.uniform(-4, 4)
        values |= {f"{name}_cos": math.cos(angle)} | (
            {f"{name}_sin": math.sin(angle)} if f"{name}_sin" in values else {}
        )
    goal = {name: float(rng.normal()) for name in task.goal if not name.startswith("weight")}
    return values, goal | {name: float(rng.random()) for name in task.goal if name.startswith("weight")}


REWARDS_ALONE = {"drive_to_goal", "quadruped_walk", "reach_goal_in_arena"}
"""Tasks that have no objective yet."""


def test_the_packaged_robots_tasks_can_be_planned_for() -> None:
    assert {load_run(name).task.task for name in packaged("tasks")} - REWARDS_ALONE <= set(OBJECTIVES)


@each_objective
@pytest.mark.parametrize("seed", range(5))
def test_without_an_action_the_cost_is_what_the_reward_lacks_to_one(name: str, seed: int) -> None:
    task = objective(name)
    values, told = drawn(task, seed)
    goal = complete_goal(task, told, math.cos, math.sin)
    assert task.cost(values, (), goal) == pytest.approx(1.0 - task.judge(values | told).reward)


@each_objective
def test_an_action_costs_its_square_times_the_weight(name: str) -> None:
    task = objective(name)
    values, told = drawn(task, 0)
    goal = complete_goal(task, told | {"weight_effort": 0.25}, math.cos, math.sin)
    assert task.cost(values, (0.5, -1.0), goal) - task.cost(values, (), goal) == pytest.approx(0.25 * 1.25)


@each_objective
def test_floats_arrays_and_tensors_cost_the_same(name: str) -> None:
    task = objective(name)
    points = [drawn(task, seed) for seed in range(6)]
    alone = [task.cost(v, (0.3,), complete_goal(task, g, math.cos, math.sin)) for v, g in points]
    values = {n: np.array([v[n] for v, _ in points]) for n in task.reads}
    goals = {n: np.array([g[n] for _, g in points]) for n in task.goal}
    arrays = task.cost(values, (np.full(6, 0.3),), complete_goal(task, goals, np.cos, np.sin))
    np.testing.assert_allclose(arrays, alone, rtol=1e-12)
    tensors = task.cost(
        {n: torch.from_numpy(v) for n, v in values.items()},
        (torch.full((6,), 0.3, dtype=torch.float64),),
        complete_goal(task, {n: torch.from_numpy(g) for n, g in goals.items()}, torch.cos, torch.sin),
    )
    np.testing.assert_allclose(tensors.numpy(), alone, rtol=1e-12)


@each_objective
def test_what_is_not_told_is_what_the_objective_says(name: str) -> None:
    task = objective(name)
    values, _ = drawn(task, 3)
    told = {n: v + 1.0 for n, v in task.goal.items()}
    assert task.judge(values).reward == task.judge(values | dict(task.goal)).reward
    if len(told) > 1:
        assert task.judge(values).reward != task.judge(values | told).reward


@pytest.mark.parametrize("name", ["pendulum-goal", "cartpole-goal", "reacher-goal"])
def test_goals_that_a_task_declares_are_those_its_objective_knows(name: str) -> None:
    config = load_run(name)
    declared = {element.name: element.start for goal in config.task.goal.values() for element in goal.elements}
    task = objective(str(config.task.task))
    assert declared == dict(task.goal)
    assert set(task.reads) <= set(config.observation_spec().element_names)


def test_a_rod_is_rewarded_at_the_angle_that_is_told() -> None:
    task, angle = objective("pendulum_swingup"), 0.4
    there = {"angle_cos": math.cos(angle), "angle_sin": math.sin(angle), "angular_velocity": 0.0}
    assert task.judge(there | {"goal_angle": angle}).reward == pytest.approx(1.0)
    assert task.judge(there | {"goal_angle": angle}).success
    assert task.judge(there).reward < 1.0
    assert not task.judge(there).success


def test_a_cart_is_rewarded_at_the_place_that_is_told() -> None:
    task = objective("cartpole_swingup")
    there = {"pole_cos": 1.0, "cart_position": 1.2, "pole_velocity": 0.0}
    assert task.judge(there | {"goal_position": 1.2}).reward == pytest.approx(1.0)
    assert task.judge(there).reward < 1.0


def test_a_tip_is_rewarded_at_the_place_that_is_told() -> None:
    task = objective("reach_goal")
    bent = {"shoulder_cos": 1.0, "shoulder_sin": 0.0, "elbow_cos": 0.0, "elbow_sin": 1.0}
    assert task.judge(bent | {"goal_x": 0.4, "goal_y": 0.35}).reward == pytest.approx(1.0)
    assert task.judge(bent | {"goal_x": 0.4, "goal_y": 0.29}).success is False
