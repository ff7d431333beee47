"""Environments are found by name, those of the Control Suite among them, and what is missing is said."""

import sys
from contextlib import closing
from typing import ClassVar

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from sim.errors import WorldError
from sim.public.description import load_public_run
from sim.public.dm_control import SuiteEnvironment
from sim.public.making import make_environment, rate_hz, step_limit
from sim.public.robot import PublicRobot
from sim.public.spaces import Actions, parts_of, seen

CARTPOLE = "gym:dm_control/cartpole-swingup-v0"


def test_a_suite_task_is_truncated_at_its_time_limit_and_reproducible_by_seed():
    with closing(make_environment(CARTPOLE, rendered=False)) as environment:
        assert (rate_hz(environment), step_limit(environment)) == (pytest.approx(100.0), 1000)
        first, _ = environment.reset(seed=1)
        again, _ = environment.reset(seed=1)
        other, _ = environment.reset(seed=2)
        assert all(np.array_equal(first[key], again[key]) for key in first)
        assert any(not np.array_equal(first[key], other[key]) for key in first)
        ends = [environment.step(np.zeros(1, np.float32))[2:4] for _ in range(1000)]
    assert ends == [(False, False)] * 999 + [(False, True)]


def test_what_the_suite_calls_without_a_future_is_terminal():
    environment = SuiteEnvironment("dm_control/cartpole-swingup-v0")
    environment.reset(seed=0)
    task = environment._environment.task
    task.get_termination = lambda physics: 0.0
    assert environment.step(np.zeros(1, np.float32))[2:4] == (True, False)
    environment.close()


def test_a_suite_task_is_observed_as_the_suite_says():
    spec = load_public_run("gym:dm_control/walker-walk-v0").observation_spec()
    assert {name: vector.size for name, vector in spec.vectors.items()} == {
        "height": 1,
        "orientations": 14,
        "velocity": 9,
    }


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("gym:dm_control/cartpole-swing-v0", CARTPOLE),
        ("gym:CartPol-v1", "gym:CartPole-v1"),
        ("gym:dm_control/walker-v0", "gym:dm_control/walker-walk-v0"),
    ],
)
def test_an_unknown_name_is_told_the_nearest_ones(name: str, nearest: str):
    with pytest.raises(WorldError, match="the nearest are") as error:
        make_environment(name, rendered=False)
    assert nearest in str(error.value)


def test_a_missing_suite_names_the_extra(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "dm_control", None)
    with pytest.raises(WorldError, match=r"pip install robot-mbrl\[gym\]"):
        make_environment(CARTPOLE, rendered=False)


def test_choices_are_one_hot_and_begin_where_the_space_says():
    actions = Actions(spaces.Discrete(3, start=-1))
    assert [actions.of(row) for row in np.eye(3, dtype=np.float32)] == [-1, 0, 1]
    config = load_public_run("gym:CartPole-v1")
    assert config.action_spec().discrete
    assert config.action_spec().size == 2


@pytest.mark.parametrize(
    ("space", "said"),
    [
        (spaces.Discrete(4), "FlattenObservation"),
        (spaces.Dict({"a": spaces.Dict({"b": spaces.MultiBinary(3)})}), "a.b is a MultiBinary"),
        (spaces.Box(0, 255, (64, 64, 4), np.uint8), "channels"),
    ],
)
def test_what_agents_cannot_see_is_named_with_a_remedy(space: spaces.Space, said: str):
    with pytest.raises(WorldError, match=said):
        parts_of(space)


@pytest.mark.parametrize(
    ("space", "said"),
    [(spaces.Box(-np.inf, np.inf, (2,)), "RescaleAction"), (spaces.MultiDiscrete([2, 2]), "MultiDiscrete")],
)
def test_actions_that_agents_cannot_give_are_named(space: spaces.Space, said: str):
    with pytest.raises(WorldError, match=said):
        Actions(space)


def test_grey_pictures_have_three_equal_channels():
    picture = np.arange(64 * 64, dtype=np.uint8).reshape(64, 64)
    assert np.array_equal(seen(picture, 64), np.stack([picture] * 3, -1))


class Rendered(gymnasium.Env):
    """Shows a picture that differs from what it observes."""

    metadata: ClassVar = {"render_modes": ["rgb_array"]}

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode
        self.observation_space, self.action_space = spaces.Box(-1.0, 1.0, (2,)), spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        return np.zeros(2, np.float32), {}

    def step(self, action):
        return np.zeros(2, np.float32), 0.0, False, False, {}

    def render(self):
        return np.full((96, 96, 3), 7, np.uint8)


def test_rendered_pictures_are_observed_in_place_of_all_else():
    gymnasium.register("tests/Rendered-v0", entry_point=Rendered)
    config = load_public_run("gym:tests/Rendered-v0", pixels=True)
    assert not config.observation_spec().vectors
    picture = PublicRobot(config).observe().images["camera"]
    assert picture.shape == (64, 64, 3)
    assert np.unique(picture) == [7]
