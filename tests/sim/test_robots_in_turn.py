"""Several robots as one: each lives as it would alone, an episode at a time, behind one observation and one action."""

from collections.abc import Iterator

import numpy as np
import pytest

from robot_mbrl.config import RunConfig
from robot_mbrl.several import load_several
from robot_mbrl.specs import Mode
from robot_mbrl.steps import GAP_PERIODS, Action, Step
from sim.in_process import InProcessRobot
from sim.robots_in_turn import RobotsInTurn

EPISODE = 6
RUN = load_several("pendulum+reacher", {"task.episode_steps": EPISODE, "task.evaluate_every": 2})


def live(robot: RobotsInTurn | InProcessRobot, actions: Iterator[np.ndarray], steps: int) -> list[Step]:
    """Steps by these actions, each cut to what the robot has."""
    lived, size = [], robot.config.action_spec().size
    for _ in range(steps):
        seen = robot.observe()
        action = None if seen.is_last else Action(seen.key, next(actions)[:size])
        lived.append(Step(seen, robot.apply(action)))
    return lived


def actions(seed: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(seed)
    while True:
        yield rng.uniform(-1.0, 1.0, 2).astype(np.float32)


@pytest.fixture
def robots() -> Iterator[RobotsInTurn]:
    robots = RobotsInTurn(RUN, seed=0)
    yield robots
    robots.close()


def alone(config: RunConfig, seed: int) -> list[Step]:
    robot = InProcessRobot(config, seed=seed)
    try:
        return live(robot, actions(7), EPISODE + 1)
    finally:
        robot.close()


def test_each_lives_an_episode_in_turn_as_it_would_alone(robots: RobotsInTurn) -> None:
    for turn in (0, 1):
        lived = live(robots, actions(7), EPISODE + 1)
        own = alone(RUN.members[turn], seed=0)
        mine = set(RUN.members[turn].observation_spec().element_names)
        for step, expected in zip(lived, own, strict=True):
            seen, there = step.observation, expected.observation
            values = RUN.observation_spec().vectors["values"].names
            assert {n: seen.values[n] for n in mine} == {n: there.values[n] for n in mine}
            assert {seen.values[n] for n in values if n not in mine} == {0.0}
            assert [seen.values["task_pendulum"], seen.values["task_reacher"]] == [1.0 - turn, float(turn)]
            assert (seen.reward, seen.success, seen.is_terminal) == (there.reward, there.success, there.is_terminal)
            assert (seen.is_first, seen.is_last) == (there.is_first, there.is_last)
            size = expected.action.values.size
            assert np.array_equal(step.action.values[:size], expected.action.values)
            assert not step.action.values[size:].any()
            assert step.action.key == seen.key
    assert robots.observe().values["task_pendulum"] == 1.0


def test_its_stamps_count_steps_so_that_no_episode_is_cut(robots: RobotsInTurn) -> None:
    lived = live(robots, actions(1), 4 * (EPISODE + 1))
    stamps = np.array([step.observation.key.stamp_ns for step in lived])
    assert np.all(np.diff(stamps) > 0)
    assert np.all(np.diff(stamps) <= GAP_PERIODS * RUN.step_s * 1e9)
    assert robots.control_steps == 4 * EPISODE


def test_each_is_judged_as_often_as_its_task_says(robots: RobotsInTurn) -> None:
    firsts = [step.observation for step in live(robots, actions(2), 4 * (EPISODE + 1)) if step.observation.is_first]
    assert [first.mode for first in firsts] == [Mode.EXPLORE, Mode.EXPLORE, Mode.EVALUATE, Mode.EVALUATE]


def test_another_seed_begins_with_another_start_and_another_robot(robots: RobotsInTurn) -> None:
    before = robots.observe()
    robots.restart(3)
    after = robots.observe()
    assert (before.values["task_pendulum"], after.values["task_reacher"]) == (1.0, 1.0)
    assert before.key.session != after.key.session
    robots.restart(2)
    assert robots.observe().values["angle_cos"] != before.values["angle_cos"]
