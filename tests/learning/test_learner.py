"""The learner keeps its train ratio, resumes bit for bit, and aligns what it learns from."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.errors import CheckpointError
from robot_mbrl.learning.learner import Learner
from robot_mbrl.steps import Action, Observation, Step, StepKey
from robot_mbrl.world_models.rssm import State
from tests.agents.settings import make_initial

STEP_NS = 50_000_000
SMALL = {
    **{"deter": 16, "hidden": 16, "units": 16, "stoch": 4, "classes": 4, "layers": 1, "head_layers": 1},
    **{"batch_size": 4, "batch_length": 8, "horizon": 3, "imagination_starts": 8, "prefill_steps": 50},
}


def _config(**changes: object) -> RunConfig:
    return load_run("cartpole", {f"agent.{name}": value for name, value in (SMALL | changes).items()}, seed=3)


def _step(index: int, values: np.ndarray, action: float, reward: float, *, first: bool = False) -> Step:
    key = StepKey("session", (index + 1) * STEP_NS)
    names = ("cart_position", "pole_cos", "pole_sin", "cart_velocity", "pole_velocity")
    named = dict(zip(names, values.tolist(), strict=True))
    observation = Observation(key, named, {}, reward=reward, is_first=first)
    return Step(observation, Action(key, np.array([action], np.float32)))


def _live(learner: Learner, start: int, stop: int) -> None:
    for index in range(start, stop):
        rng = np.random.default_rng(index)
        learner.receive(_step(index, rng.normal(size=5), rng.uniform(-1, 1), rng.normal(), first=index % 20 == 0))


def _same(left: Learner, right: Learner) -> bool:
    weights = zip(left.agent.state_dict().values(), right.agent.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in weights)


def test_updates_are_owed_at_the_train_ratio_once_enough_is_known(tmp_path: Path) -> None:
    learner = Learner(_config(train_ratio=16.0), tmp_path)  # half an update per step of 4 x 8 replayed ones
    _live(learner, 0, 49)
    assert (learner.prefilled, learner.owed) == (False, 0)
    _live(learner, 49, 69)
    assert learner.owed == 10
    learner.update()
    assert learner.owed == 9


def test_what_was_missed_or_is_repeated_owes_nothing(tmp_path: Path) -> None:
    learner = Learner(_config(), tmp_path)
    _live(learner, 0, 60)
    owed = learner.owed
    _live(learner, 0, 60)
    learner.receive(_step(60, np.zeros(5), 0.0, 0.0), owes=False)
    assert learner.owed == owed
    assert learner.robot_steps == 61


def test_debt_is_bounded_so_that_a_slow_machine_does_not_fall_ever_further_behind(tmp_path: Path) -> None:
    learner = Learner(_config(max_debt_updates=7), tmp_path)
    _live(learner, 0, 100)
    assert learner.owed == 7


def test_updates_after_a_resume_equal_those_without_it_bit_for_bit(tmp_path: Path) -> None:
    learner = Learner(_config(), tmp_path)
    _live(learner, 0, 80)
    for _ in range(5):
        learner.update()
    learner.save()
    resumed = Learner.resume(_config(), tmp_path)
    for one in (learner, resumed):
        for _ in range(5):
            one.update()
        _live(one, 80, 90)
        one.update()
    assert _same(learner, resumed)
    assert (resumed.updates, resumed.robot_steps, resumed.owed) == (learner.updates, learner.robot_steps, learner.owed)
    assert resumed.run_id == learner.run_id


def test_two_learners_of_one_seed_are_the_same(tmp_path: Path) -> None:
    learners = [Learner(_config(), tmp_path / name) for name in ("one", "two")]
    for learner in learners:
        _live(learner, 0, 60)
        learner.update()
    assert _same(*learners)


def test_a_checkpoint_replaces_the_one_before_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    learner = Learner(_config(), tmp_path)
    _live(learner, 0, 60)
    learner.save()
    learner.update()
    learner.save()
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == ["checkpoint.json", "replay-2.npz", "weights-2.safetensors"]
    assert Learner.resume(_config(), tmp_path).updates == 1


@pytest.mark.parametrize("victim", ["checkpoint.json", "weights-1.safetensors", "replay-1.npz"])
def test_a_damaged_checkpoint_is_named(tmp_path: Path, victim: str) -> None:
    learner = Learner(_config(), tmp_path)
    _live(learner, 0, 60)
    learner.save()
    file = tmp_path / "checkpoints" / victim
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(CheckpointError, match=victim):
        Learner.resume(_config(), tmp_path)


def test_a_resumed_run_may_learn_faster_but_not_something_else(tmp_path: Path) -> None:
    learner = Learner(_config(), tmp_path)
    _live(learner, 0, 60)
    learner.update()
    learner.save()
    resumed = Learner.resume(_config(threads=2, export_period_s=9.0, train_ratio=99.0), tmp_path)
    assert _same(learner, resumed)


def test_a_checkpoint_of_other_settings_is_refused_by_their_names(tmp_path: Path) -> None:
    Learner(_config(), tmp_path).save()
    with pytest.raises(CheckpointError, match="deter"):
        Learner.resume(_config(deter=32), tmp_path)
    index = tmp_path / "checkpoints" / "checkpoint.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | {"format": 99}))
    with pytest.raises(CheckpointError, match="not a checkpoint of this version"):
        Learner.resume(_config(), tmp_path)


def _echo_world(learner: Learner, lag: int, steps: int) -> None:
    """A world that shows and pays a random action `lag` steps after it was applied."""
    actions = np.random.default_rng(0).choice([-1.0, 1.0], steps + 4)
    for index in range(steps):
        echo = actions[index + 2 - lag]
        values = np.array([echo, 0.0, 0.0, 0.0, 0.0])
        learner.receive(_step(index, values, actions[index + 2], echo, first=index == 0))


def _prior_reward_error(learner: Learner) -> float:
    """Mean squared error of the reward predicted one step ahead, before its observation is seen; 1 is ignorance."""
    sampled = learner.replay.sample(np.random.default_rng(1), 64, 8)
    observation = {
        name.removeprefix("observation."): torch.from_numpy(value)
        for name, value in sampled.items()
        if name.startswith("observation.")
    }
    action, is_first = torch.from_numpy(sampled["prev_action"]), torch.from_numpy(sampled["is_first"])
    model, config = learner.agent.world_model, learner.config.agent
    with torch.no_grad():
        embedding = model.encoder(*model.encoder.targets(observation))
        uniform = torch.rand(64, 8, config.stoch, generator=torch.Generator().manual_seed(0))
        states, _ = model.rssm.observe(embedding, action, is_first, make_initial(config, 64), uniform)
        before = State(states.deter[:, -2], states.latent[:, -2])
        predicted = model.reward(*model.rssm.imagine(before, action[:, -1], uniform[:, -1])[:2]).squeeze(-1)
    return float((predicted - torch.from_numpy(sampled["reward"][:, -1])).square().mean())


@pytest.mark.parametrize(("lag", "foreseeable"), [(1, True), (0, False), (2, True)])
def test_a_reward_is_foreseen_from_the_action_that_led_to_it_and_from_no_later_one(
    tmp_path: Path, lag: int, foreseeable: bool
) -> None:
    """The action a_k decides r_(k+1): with lag 1 it can be foreseen from a_k, with 2 only remembered, with 0 never."""
    learner = Learner(_config(model_rate=3e-3, warmup_updates=0, classes=8), tmp_path)
    _echo_world(learner, lag, 400)
    for _ in range(250):
        learner.update()
    error = _prior_reward_error(learner)
    assert error < 0.2 if foreseeable else error > 0.8
