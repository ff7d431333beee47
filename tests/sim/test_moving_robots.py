"""Robots that move about, each in one process behind its guard: what experts reach, and what random actions do not."""

import hashlib
import itertools

import numpy as np
import pytest

from robot_mbrl.config import load_run
from robot_mbrl.runs.episodes import EpisodeTally
from robot_mbrl.specs import Source
from robot_mbrl.tasks.quadruped_walk import posture_terms
from robot_mbrl.variety import Variety
from sim.experts import EXPERTS
from sim.in_process import InProcessRobot
from tests.sim.test_in_process import live, random_pilot

UNSEEN = 1_000_000
STANDING = 0.95
"""Of the posture's terms, where none is far from standing."""


def lived(name, steps, *, seed=0, variety=None, pilot=None):
    """Steps of an expert, or of another pilot."""
    config = load_run(name)
    robot = InProcessRobot(config, seed=seed, session="test", variety=variety or Variety())
    expert = EXPERTS[config.task.task](config.robot)
    steps = live(robot, pilot(robot) if pilot else lambda o: expert.act(o.values), steps)
    robot.close()
    return steps


def rewards(steps):
    return [step.observation.reward for step in steps]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["husky-goal", "sphero-navigate"])
def test_expert_solves_its_task_from_ten_held_out_starts(name):
    length = load_run(name).task.episode_steps
    tally = EpisodeTally(length)
    steps = lived(name, 10 * (length + 1), seed=UNSEEN)
    results = [result for step in steps if (result := tally.take(step)) is not None]
    assert [result.solved for result in results] == [True] * 10
    assert {step.action.source for step in steps} == {Source.POLICY}


def test_sphero_comes_to_rest_within_a_tenth_of_what_daydreamer_reached():
    steps = lived("sphero-navigate", 60, seed=UNSEEN)
    assert -np.mean(rewards(steps)[20:]) < 0.05


@pytest.mark.parametrize("seed", range(4))
def test_a1_rolls_over_stands_up_and_walks(seed):
    steps = lived("a1-walk", 260, seed=UNSEEN + seed)
    values = [step.observation.values for step in steps]
    assert posture_terms(values[0])[0] < 0.1, "it starts on its back"
    stood = next(k for k, v in enumerate(values) if all(term > 0.7 for term in posture_terms(v)))
    assert stood < 130, "it stands within 6.5 s"
    assert np.mean(rewards(steps)[160:]) > 12.0
    assert np.mean([v["speed_forward"] for v in values[160:]]) > 0.25
    assert {step.action.source for step in steps} == {Source.POLICY}


def test_a1_lives_on_across_the_boundaries_of_its_episodes():
    steps = lived("a1-walk", 253, seed=UNSEEN)
    last, first = (step.observation for step in steps[250:252])
    assert (last.is_last, last.is_terminal, first.is_first) == (True, False, True)
    assert abs(first.values["FR_thigh"] - last.values["FR_thigh"]) < 0.5
    assert posture_terms(first.values)[0] > STANDING


def test_go2_walks_by_the_same_task_and_expert():
    steps = lived("go2-walk", 260, seed=UNSEEN)
    assert np.mean(rewards(steps)[160:]) > 11.0


def test_random_actions_leave_the_a1_on_the_ground_and_never_stop_it():
    """DayDreamer's A1 earned 5.1 on average in its first five minutes."""
    steps = lived("a1-walk", 400, pilot=lambda robot: random_pilot(robot, 0, hold=10))
    assert 4.8 < np.mean(rewards(steps)) < 6.0
    assert {step.action.source for step in steps} == {Source.POLICY}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_minutes_of_falling_about_press_no_joint_through_its_end_stop():
    """With soft end stops, one was found beyond its bounds after a minute, which latches a stop for good."""
    steps = lived("a1-walk", 2500, seed=5, pilot=lambda robot: random_pilot(robot, 0, hold=10))
    assert {step.action.source for step in steps} == {Source.POLICY}


@pytest.mark.parametrize("name", ["husky-goal", "sphero-navigate"])
def test_random_actions_reach_no_goal(name):
    length = load_run(name).task.episode_steps
    tally = EpisodeTally(length)
    steps = lived(name, 3 * (length + 1), pilot=lambda robot: random_pilot(robot, 0, hold=4))
    results = [result for step in steps if (result := tally.take(step)) is not None]
    assert results
    assert not any(result.solved for result in results)


def test_husky_stops_before_what_its_scanner_sees_and_its_episode_ends():
    """Straight ahead, whatever is there: the guard stops it."""
    ahead = [1.0, 0.0]
    for seed in range(12):
        steps = lived("husky-goal", 150, seed=seed, pilot=lambda robot: lambda observation: ahead)
        if any(step.action.source is Source.STOP for step in steps):
            break
    else:
        pytest.fail("no start has led into an obstacle")
    stopped = next(k for k, step in enumerate(steps) if step.action.source is Source.STOP)
    nearest_m = 1.0 / max(steps[stopped].observation.values[f"near_{number}"] for number in range(8, 19))
    assert 0.15 < nearest_m < 0.5
    ends = [step.observation for step in steps[stopped:] if step.observation.is_last]
    assert ends
    assert not ends[0].is_terminal


def test_agents_of_the_sphero_see_the_picture_alone():
    observation = lived("sphero-navigate", 1)[0].observation
    assert observation.images["camera"].shape == (64, 64, 3)
    assert set(load_run("sphero-navigate").observation_spec().vectors) == set()


def test_agents_of_the_a1_see_daydreamers_16_values():
    spec = load_run("a1-walk").observation_spec()
    assert sum(vector.size for vector in spec.vectors.values()) == 16
    assert load_run("a1-walk").action_spec().size == 12


def trajectory_hash(name, steps, variety):
    """Of everything that is observed."""
    digest = hashlib.sha256()
    for step in lived(name, steps, seed=3, variety=variety):
        digest.update(np.array([*step.observation.values.values(), step.observation.reward]).tobytes())
        for image in step.observation.images.values():
            digest.update(image.tobytes())
    return digest.hexdigest()


@pytest.mark.parametrize(
    ("name", "variety"),
    list(
        itertools.product(["a1-walk", "husky-goal", "sphero-navigate"], [Variety(), Variety(randomise=True, push=True)])
    ),
)
def test_a_life_repeats_bit_for_bit(name, variety):
    assert trajectory_hash(name, 60, variety) == trajectory_hash(name, 60, variety)
