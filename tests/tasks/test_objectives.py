"""Objectives: one cost of operators alone, whoever computes it, and the reward's other side."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from robot_mbrl.config import load_run, packaged
from robot_mbrl.tasks import TASKS, Objective
from robot_mbrl.tasks.objective import complete_goal, cost_reads
from robot_mbrl.tasks.walk_as_told import JOINTS

OBJECTIVES = [name for name, task in TASKS.items() if isinstance(task(), Objective)]
each_objective = pytest.mark.parametrize("name", OBJECTIVES)


def objective(name: str) -> Any:
    return TASKS[name]()


def drawn(task: Any, seed: int) -> tuple[dict[str, float], dict[str, float]]:
    """Values and goals, the angles among them as cosines and sines of some angle."""
    rng = np.random.default_rng(seed)
    values = {name: float(rng.normal()) for name in (*task.reads, *cost_reads(task))}
    for name in [n.removesuffix("_cos") for n in values if n.endswith("_cos")]:
        angle = rng.uniform(-4, 4)
        values |= {f"{name}_cos": math.cos(angle)} | (
            {f"{name}_sin": math.sin(angle)} if f"{name}_sin" in values else {}
        )
    goal = {name: float(rng.normal()) for name in task.goal if not name.startswith("weight")}
    goal |= {name: float(rng.random()) for name in task.goal if name.startswith("weight")}
    return values | dict(task.judge(values).values), goal


REWARDS_ALONE = {"quadruped_walk"}
"""Tasks that have no objective: DayDreamer's reward of getting up opens one term after the other."""
UNBOUNDED = {"reach_goal_in_arena"}
"""Tasks whose reward is none of [0, 1]."""


def test_the_packaged_robots_tasks_can_be_planned_for() -> None:
    assert {load_run(name).task.task for name in packaged("tasks")} - REWARDS_ALONE <= set(OBJECTIVES)


@pytest.mark.parametrize("name", sorted(set(OBJECTIVES) - UNBOUNDED))
@pytest.mark.parametrize("seed", range(5))
def test_without_an_action_the_cost_is_what_the_reward_lacks_to_one(name: str, seed: int) -> None:
    task = objective(name)
    values, told = drawn(task, seed)
    goal = complete_goal(task, told | {"weight_clear": 0.0}, math.cos, math.sin)
    assert task.cost(values, (), goal) == pytest.approx(1.0 - task.judge(values | told).reward)


@each_objective
def test_what_is_rewarded_more_costs_less(name: str) -> None:
    task = objective(name)
    _, told = drawn(task, 0)
    goal = complete_goal(task, told | {"weight_clear": 0.0}, math.cos, math.sin)
    judged = []
    for seed in range(30):
        values, _ = drawn(task, seed)
        judgement = task.judge(values | told)
        judged.append((judgement.reward, task.cost(values | dict(judgement.values), (), goal)))
    by_reward = sorted(judged, reverse=True)
    assert [cost for _, cost in by_reward] == pytest.approx(sorted(cost for _, cost in judged), abs=1e-9)


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
    values = {n: np.array([v[n] for v, _ in points]) for n in cost_reads(task)}
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
    if set(told) - {"weight_effort", "weight_clear"}:
        assert task.judge(values).reward != task.judge(values | told).reward


@pytest.mark.parametrize(
    "name",
    ["pendulum-goal", "cartpole-goal", "reacher-goal", "sphero-goal", "husky-pose", "a1-goal", "go2-goal"],
)
def test_goals_that_a_task_declares_are_those_its_objective_knows(name: str) -> None:
    config = load_run(name)
    declared = {element.name: element.start for goal in config.task.goal.values() for element in goal.elements}
    task = objective(str(config.task.task))
    assert declared.keys() == task.goal.keys()
    assert set(cost_reads(task)) <= set(config.observation_spec().element_names)


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


def test_a_base_is_rewarded_at_the_place_and_heading_that_are_told() -> None:
    task = objective("drive_to_pose")
    there = {"x": 1.0, "y": -2.0, "yaw": 1.5}
    told = {"goal_x": 1.0, "goal_y": -2.0, "goal_yaw": 1.5}
    assert task.judge(there | told).reward == pytest.approx(1.0)
    assert task.judge(there | told).success
    turned = task.judge(there | told | {"goal_yaw": 0.0})
    assert turned.reward < 0.9
    assert not turned.success
    on_the_way = task.judge(there | told | {"goal_yaw": 0.0, "weight_heading": 0.0})
    assert on_the_way.reward == pytest.approx(1.0)
    assert on_the_way.success
    assert not task.judge(there | told | {"goal_x": 1.5}).success


def test_a_turn_beyond_half_a_circle_makes_no_difference_to_a_heading() -> None:
    task = objective("drive_to_pose")
    pose, told = {"x": 0.0, "y": 0.0, "yaw": math.pi - 0.01}, {"goal_yaw": -math.pi + 0.01}
    assert task.judge(pose | told).success
    assert task.judge(pose | told).reward == pytest.approx(1.0, abs=1e-3)


def test_a_base_near_something_is_rewarded_half() -> None:
    task = objective("drive_to_goal")
    there = dict.fromkeys(task.reads, 0.0)
    assert task.judge(there).reward == pytest.approx(1.0)
    assert task.judge(there | {"near_3": 1.0 / 0.9}).reward == pytest.approx(1.0)
    assert task.judge(there | {"near_3": 1.0 / 0.65, "near_20": 1.0}).reward == pytest.approx(0.75)
    assert task.judge(there | {"near_26": 5.0}).reward == pytest.approx(0.5)


def test_a_base_that_is_told_to_keep_clear_does_not_plan_to_drive_into_what_is_before_its_goal() -> None:
    task = objective("drive_to_goal")
    goal = complete_goal(task, {"weight_clear": 1.0}, math.cos, math.sin)
    clear = dict.fromkeys(cost_reads(task), 0.0) | {"goal_distance": 4.0}
    against_it = clear | {"goal_distance": 3.0, "near_13": 1.0 / 0.35}
    assert task.cost(clear, (), goal) < task.cost(against_it, (), goal)


def test_a_rolling_robot_is_rewarded_at_the_place_that_is_told_and_else_at_daydreamers() -> None:
    task = objective("reach_goal_in_arena")
    assert task.judge({"arena_x": 0.825, "arena_y": 0.165}).reward == 0.0
    assert task.judge({"arena_x": 0.2, "arena_y": 0.5, "goal_x": 0.2, "goal_y": 0.5}).reward == 0.0
    assert not task.judge({"arena_x": 0.825, "arena_y": 0.165, "goal_x": 0.2}).success


def test_a_quadruped_is_rewarded_for_the_speed_and_the_turn_that_are_told_once_it_stands() -> None:
    task = objective("walk_as_told")
    standing = dict.fromkeys(task.reads, 0.0) | JOINTS
    walking = standing | {"speed_forward": 0.4, "yaw_rate": -0.5}
    told = {"goal_speed": 0.4, "goal_turn_rate": -0.5}
    assert task.judge(standing).reward == task.judge(walking | told).reward == pytest.approx(1.0)
    assert task.judge(walking | told).success
    assert not task.judge(standing | told).success
    assert task.judge(standing | told).reward < 0.7
    fallen = task.judge(walking | told | {"roll": math.pi})
    assert fallen.reward < 0.01
    assert not fallen.success
