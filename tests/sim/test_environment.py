"""Simulated tasks as Gymnasium environments."""

import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from robot_mbrl.config import load_run, packaged
from sim.environment import RobotEnvironment
from sim.registration import environment_id, register_environments

TOLERATED = ("minimum value is -infinity", "maximum value is infinity")
"""Encoders have no bounds that a user should rely on."""


@pytest.fixture(autouse=True, scope="module")
def _registered():
    register_environments()


@pytest.mark.parametrize("task", packaged("tasks"))
def test_environment_passes_gymnasiums_checker(task):
    environment = gymnasium.make(environment_id(task), render_mode="rgb_array")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_env(environment.unwrapped)
    environment.close()
    complaints = [str(w.message) for w in caught]
    assert not [c for c in complaints if not any(t in c for t in TOLERATED)]


def test_registering_twice_is_registering_once():
    register_environments()
    assert [name for name in gymnasium.registry if name == environment_id("cartpole")] == [environment_id("cartpole")]


def test_observations_carry_the_specs_names():
    environment = RobotEnvironment("cartpole-positions")
    observation, _ = environment.reset(seed=0)
    assert set(observation) == {"positions"}
    assert observation["positions"].dtype == np.float32
    environment.close()


def test_episode_is_truncated_after_the_tasks_steps():
    environment = RobotEnvironment(load_run("cartpole", {"task.episode_steps": 7}))
    environment.reset(seed=0)
    ends = [environment.step(environment.action_space.sample())[2:4] for _ in range(7)]
    assert ends == [(False, False)] * 6 + [(False, True)]
    environment.reset()
    assert environment.step(environment.action_space.sample())[2:4] == (False, False)
    environment.close()


def choosing():
    choices = [{"name": "left", "values": {"slider": -10.0}}, {"name": "right", "values": {"slider": 10.0}}]
    return load_run("cartpole", {"robot.choices": choices})


def test_choices_become_a_discrete_action():
    environment = RobotEnvironment(choosing())
    assert environment.action_space == gymnasium.spaces.Discrete(2)
    environment.reset(seed=0)
    observation = environment.step(1)[0]
    # Cart and pole move to the right.
    assert observation["velocities"][0] > 0.3
    environment.close()


@pytest.mark.parametrize("action", [0.5, [0.5, 0.5], [[0.5]], []])
def test_an_action_of_the_wrong_shape_is_refused(action):
    environment = RobotEnvironment("cartpole")
    environment.reset(seed=0)
    with pytest.raises(ValueError, match=r"action of shape .*; the action space is Box\(-1.0, 1.0, \(1,\), float32\)"):
        environment.step(action)
    assert environment.step([0.5])[4]["source"] == "policy"
    environment.close()


@pytest.mark.parametrize("choice", [2, -1, 0.5, [0.0, 1.0]])
def test_a_choice_that_there_is_not_is_refused(choice):
    environment = RobotEnvironment(choosing())
    environment.reset(seed=0)
    with pytest.raises(ValueError, match=r"the action space is Discrete\(2\)"):
        environment.step(choice)
    environment.close()


def test_picture_for_people_is_rendered_on_request():
    environment = RobotEnvironment("pendulum", render_mode="rgb_array")
    environment.reset(seed=0)
    assert environment.render().shape == (240, 240, 3)
    environment.close()
    assert RobotEnvironment("pendulum").render() is None
