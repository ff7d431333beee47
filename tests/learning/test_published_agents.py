"""The learner serves the published Dreamers: what they remember, and a resume that is equal bit for bit."""

from pathlib import Path

import numpy as np
import pytest
import torch

from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.control.bundle_file import Bundle, check_bundle
from robot_mbrl.learning.learner import Learner
from robot_mbrl.learning.prediction import LENGTH, predict
from robot_mbrl.learning.state_tree import split
from robot_mbrl.steps import Action, Observation, Step, StepKey

PRESETS = ["dreamer-v1-cpu", "daydreamer-cpu", "dreamerv3-cpu"]
SMALL = {"deter": 16, "hidden": 16, "units": 16, "stoch": 4, "batch_size": 4, "batch_length": 8, "horizon": 3}
EPISODE = 60
each_preset = pytest.mark.parametrize("preset", PRESETS)


def _config(preset: str) -> RunConfig:
    schedule = {"prefill_steps": 50, "pretrain_updates": 0}
    overrides = {"task.agent": preset} | {f"agent.{name}": value for name, value in (SMALL | schedule).items()}
    return load_run("pendulum", overrides, seed=3)


def _live(learner: Learner, start: int, stop: int) -> None:
    names = learner.config.observation_spec().element_names
    for index in range(start, stop):
        rng = np.random.default_rng(index)
        key = StepKey("session", (index + 1) * learner.step_ns)
        values = dict(zip(names, rng.normal(size=len(names)).tolist(), strict=True))
        observation = Observation(key, values, {}, reward=float(rng.normal()), is_first=index % EPISODE == 0)
        learner.receive(Step(observation, Action(key, rng.uniform(-1, 1, 1).astype(np.float32))))


@each_preset
def test_a_sequence_goes_on_from_what_is_remembered_and_begins_anew_where_nothing_is(
    tmp_path: Path, preset: str
) -> None:
    learner = Learner(_config(preset), tmp_path)
    _live(learner, 0, 60)
    for _ in range(30):
        learner.update()
    (draw,) = learner.agent.draws().values()
    drawn = draw.read(learner.replay, np.random.default_rng(0))
    begun = drawn["is_first"][:, 0]
    inside = drawn["row"][:, 0] % EPISODE != 0
    assert inside.any()
    if preset == "dreamerv3-cpu":
        assert not begun[inside].all()
        assert drawn["before.deter"].any()
    else:
        assert begun.all()


@each_preset
def test_updates_after_a_resume_equal_those_without_it_bit_for_bit(tmp_path: Path, preset: str) -> None:
    learner = Learner(_config(preset), tmp_path)
    _live(learner, 0, 80)
    for _ in range(5):
        learner.update()
    learner.save()
    resumed = Learner.resume(_config(preset), tmp_path)
    for one in (learner, resumed):
        _live(one, 80, 90)
        for _ in range(5):
            one.update()
    (tree, tensors), (other_tree, others) = (split(one.agent.state_dict()) for one in (learner, resumed))
    assert tree == other_tree
    assert all(torch.equal(tensor, others[name]) for name, tensor in tensors.items())


@each_preset
def test_its_policy_is_a_bundle_as_any_other_and_what_it_foresees_can_be_looked_at(tmp_path: Path, preset: str) -> None:
    config = _config(preset)
    learner = Learner(config, tmp_path)
    _live(learner, 0, 60)
    learner.update()
    check_bundle(Bundle(learner.export(), "version 1"), config)
    observed, expected = predict(learner, seed=0).values
    assert expected.shape == observed.shape == (LENGTH, 3)
    assert np.isfinite(expected).all()
