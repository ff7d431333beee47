"""A robot in one process: its steps are those of the robot's nodes, and its experts solve every task."""

import numpy as np
import pytest

from robot_mbrl.config import load_run
from robot_mbrl.errors import RobotMbrlError
from robot_mbrl.runs.episodes import EpisodeTally
from robot_mbrl.specs import Mode, Source
from robot_mbrl.steps import Action, Step
from sim.experts import EXPERTS
from sim.in_process import InProcessRobot

EPISODES = 10


def live(robot, pilot, steps):
    """Steps of a pilot, which is given each observation that awaits an action."""
    lived = []
    for _ in range(steps):
        observation = robot.observe()
        wish = None if observation.is_last else pilot(observation)
        action = None if wish is None else Action(observation.key, np.asarray(wish, np.float32))
        lived.append(Step(observation, robot.apply(action)))
    return lived


def random_pilot(robot, seed, hold=8):
    """Random actions held for some steps, as while exploring."""
    rng = np.random.default_rng(seed)
    size = robot.config.action_spec().size
    held = {"left": 0, "values": None}

    def act(observation):
        if held["left"] == 0:
            held.update(left=hold, values=rng.uniform(-1.0, 1.0, size))
        held["left"] -= 1
        return held["values"]

    return act


@pytest.fixture
def robot():
    robot = InProcessRobot(load_run("cartpole", {"task.episode_steps": 10, "task.evaluate_every": 3}), session="test")
    yield robot
    robot.close()


@pytest.mark.parametrize("name", ["cartpole", "pendulum", "reacher"])
def test_expert_solves_its_task_from_every_start(name):
    config = load_run(name)
    robot = InProcessRobot(config, seed=1_000_000, evaluate=True)
    expert = EXPERTS[config.task.task](config.robot)
    tally = EpisodeTally(config.task.episode_steps)
    steps = live(robot, lambda o: expert.act(o.values), EPISODES * (config.task.episode_steps + 1))
    results = [result for step in steps if (result := tally.take(step)) is not None]
    robot.close()
    assert len(results) == EPISODES
    assert sum(result.solved for result in results) == EPISODES


@pytest.mark.parametrize("name", ["cartpole", "pendulum", "reacher"])
def test_random_actions_solve_nothing_and_never_stop_the_robot(name):
    config = load_run(name)
    robot = InProcessRobot(config, seed=0)
    tally = EpisodeTally(config.task.episode_steps)
    steps = live(robot, random_pilot(robot, 0), 5 * (config.task.episode_steps + 1))
    results = [result for step in steps if (result := tally.take(step)) is not None]
    robot.close()
    assert not any(result.solved for result in results)
    assert {step.action.source for step in steps} == {Source.POLICY}


def test_every_observation_has_one_applied_action_with_its_key(robot):
    for step in live(robot, random_pilot(robot, 0), 25):
        assert step.action.key == step.observation.key


def test_stamps_are_one_period_apart_and_the_reset_takes_one(robot):
    stamps = [step.observation.key.stamp_ns for step in live(robot, random_pilot(robot, 0), 25)]
    assert set(np.diff(stamps).tolist()) == {50_000_000}


def test_episodes_follow_one_another_without_a_gap(robot):
    steps = live(robot, random_pilot(robot, 0), 33)
    flags = [(step.observation.is_first, step.observation.is_last) for step in steps]
    assert flags == ([(True, False)] + [(False, False)] * 9 + [(False, True)]) * 3
    assert [steps[i].observation.mode for i in (0, 11, 22)] == [Mode.EXPLORE, Mode.EXPLORE, Mode.EVALUATE]
    assert not any(step.observation.is_terminal for step in steps)


def test_nothing_is_applied_on_the_last_observation(robot):
    last = [step for step in live(robot, lambda o: [0.7], 22) if step.observation.is_last]
    assert len(last) == 2
    assert all(step.action.values == [0.0] for step in last)


def test_first_observation_is_the_start_at_rest(robot):
    first = [step.observation for step in live(robot, lambda o: [1.0], 22) if step.observation.is_first]
    assert len({observation.values["cart_position"] for observation in first}) == 2
    assert all(observation.values["cart_velocity"] == 0.0 for observation in first)
    assert all(observation.reward == 0.0 for observation in first)


def test_an_action_acts_between_its_observation_and_the_next(robot):
    # From the first observation on, full force to the right; the next observation is the first to show it.
    first, second = live(robot, lambda o: [1.0], 2)
    gained_m_s = second.observation.values["cart_velocity"] - first.observation.values["cart_velocity"]
    assert gained_m_s == pytest.approx(10.0 / 1.05 * 0.05, rel=0.05)


def test_a_silent_pilot_is_late_and_then_the_robot_stops(robot):
    sources = [step.action.source for step in live(robot, lambda o: [1.0] if robot_is_young(o) else None, 9)]
    assert sources[:4] == [Source.POLICY] * 4
    # Silent since 0.15 s; stopped from 0.25 s on.
    assert sources[4] is Source.LATE
    assert sources[6:] == [Source.STOP] * 3


def robot_is_young(observation):
    return observation.key.stamp_ns < 250_000_000


def test_a_stop_ends_the_episode_without_terminal(robot):
    steps = live(robot, lambda o: [1.0] if robot_is_young(o) else None, 9)
    last = [step.observation for step in steps if step.observation.is_last]
    assert len(last) == 1
    assert not last[0].is_terminal


def test_same_seed_gives_the_same_steps(robot):
    other = InProcessRobot(robot.config, session="test")
    mine, others = (live(r, random_pilot(r, 3), 30) for r in (robot, other))
    other.close()
    for a, b in zip(mine, others, strict=True):
        assert a.observation == b.observation
        assert np.array_equal(a.action.values, b.action.values)


def test_restarting_is_like_building_anew(robot):
    first = [step.observation for step in live(robot, random_pilot(robot, 3), 30)]
    live(robot, random_pilot(robot, 4), 7)
    robot.restart(0, session="test")
    assert [step.observation for step in live(robot, random_pilot(robot, 3), 30)] == first


def test_another_seed_gives_other_starts(robot):
    before = robot.observe().values
    robot.restart(1)
    assert robot.observe().values != before


def test_rewards_are_summed_over_an_action_repeat():
    config = load_run("cartpole", {"task.action_repeat": 2, "task.episode_steps": 10})
    robot = InProcessRobot(config, session="test")
    steps = live(robot, lambda o: [1.0], 11)
    robot.close()
    stamps = [step.observation.key.stamp_ns for step in steps]
    assert set(np.diff(stamps).tolist()) == {100_000_000}
    assert steps[-1].observation.is_last
    assert [step.action.source for step in steps] == [Source.POLICY] * 11


def test_a_task_without_reset_goes_on_where_it_is():
    robot = InProcessRobot(load_run("cartpole", {"task.reset": "none", "task.episode_steps": 10}), session="test")
    steps = live(robot, lambda o: [1.0], 12)
    robot.close()
    assert steps[10].observation.is_last
    assert steps[11].observation.is_first
    assert steps[11].observation.values["cart_position"] > 0.5


def test_pictures_are_observed_where_the_task_asks_for_them():
    robot = InProcessRobot(load_run("cartpole-image", {"task.episode_steps": 10}), session="test")
    observation = live(robot, lambda o: [1.0], 1)[0].observation
    robot.close()
    assert observation.images["camera"].shape == (64, 64, 3)
    assert "cart_position" in observation.values


@pytest.mark.parametrize("side", [32, 128])
def test_pictures_are_rendered_at_the_size_that_the_robot_asks_for(side):
    camera = {"source": "camera", "image": {"height": side, "width": side}}
    robot = InProcessRobot(load_run("cartpole-image", {"robot.cameras": {"camera": camera}}), session="test")
    seen = robot.observe().images["camera"]
    rendered = robot.world.render("camera", side, side)
    robot.close()
    assert np.array_equal(seen, rendered)


def test_a_person_takes_over_as_on_a_robot_and_gives_back(robot):
    (joint,) = robot.config.action_spec().names
    robot.take_over(None)
    lived = []
    for step in range(8):
        observation = robot.observe()
        if 2 <= step < 6:
            robot.take_over({joint: 1.0})
        elif step == 6:
            robot.take_over(None)
        lived.append(robot.apply(Action(observation.key, np.array([-0.5], np.float32))))
    drove = [action.source is Source.TELEOP for action in lived]
    # The observation at which they take over still awaits its action, that at which they let go was answered.
    assert drove == [False] * 2 + [True] * 5 + [False]
    values = [float(action.values[0]) for action in lived]
    assert values[:2] + values[7:] == [-0.5] * 3
    # No jump: the whole range takes a second, 20 steps.
    assert np.allclose(values[2:7], [-0.4, -0.3, -0.2, -0.1, 0.0], atol=1e-6)


def test_a_person_who_holds_on_and_says_nothing_more_is_lost_and_the_robot_stops(robot):
    (joint,) = robot.config.action_spec().names
    robot.take_over(None)
    robot.take_over({joint: 1.0})
    sources = []
    for _ in range(9):
        observation = robot.observe()
        sources.append(robot.apply(Action(observation.key, np.zeros(1, np.float32))).source)
    assert sources[-1] is Source.STOP
    assert Source.TELEOP in sources


def test_a_stick_that_names_other_joints_is_refused(robot):
    with pytest.raises(RobotMbrlError, match="it names elbow, not"):
        robot.take_over({"elbow": 1.0})
