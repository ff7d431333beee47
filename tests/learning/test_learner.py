"""The learner keeps its train ratio, resumes bit for bit, and aligns what it learns from."""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from safetensors.torch import save as serialize

from robot_mbrl.agent_configs import DreamerConfig
from robot_mbrl.agents.dreamer import Dreamer
from robot_mbrl.agents.imagining_agent import ImaginingAgent
from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.durable import written_durably
from robot_mbrl.errors import CheckpointError, ConfigError
from robot_mbrl.experience.replay_files import SEGMENT
from robot_mbrl.learning import checkpoint
from robot_mbrl.learning.learner import Learner
from robot_mbrl.learning.state_tree import split
from robot_mbrl.specs import Source
from robot_mbrl.steps import Action, Observation, Step, StepKey
from robot_mbrl.world_models.state import State

STEP_NS = 50_000_000
SMALL = {
    **{"deter": 16, "hidden": 16, "units": 16, "stoch": 4, "classes": 4, "layers": 1, "head_layers": 1},
    **{"batch_size": 4, "batch_length": 8, "horizon": 3, "imagination_starts": 8, "prefill_steps": 50},
    "pretrain_updates": 0,
}


CHOICES = [{"name": "left", "values": {"slider": -1.0}}, {"name": "right", "values": {"slider": 1.0}}]


def _config(task: str = "cartpole", *, discrete: bool = False, **changes: object) -> RunConfig:
    overrides: dict[str, object] = {f"agent.{name}": value for name, value in (SMALL | changes).items()}
    if discrete:
        overrides["robot.choices"] = CHOICES
    return load_run(task, overrides, seed=3)


def _step(
    index: int,
    values: np.ndarray,
    action: float,
    reward: float,
    *,
    first: bool = False,
    source: Source = Source.POLICY,
    discrete: bool = False,
) -> Step:
    key = StepKey("session", (index + 1) * STEP_NS)
    names = ("cart_position", "pole_cos", "pole_sin", "cart_velocity", "pole_velocity")
    named = dict(zip(names, values.tolist(), strict=True))
    images = {"camera": np.random.default_rng(index).integers(0, 256, (64, 64, 3)).astype(np.uint8)}
    observation = Observation(key, named, images, reward=reward, is_first=first)
    applied = np.eye(2, dtype=np.float32)[int(action > 0)] if discrete else np.array([action], np.float32)
    return Step(observation, Action(key, applied, source))


def _live(learner: Learner, start: int, stop: int) -> None:
    discrete = learner.config.action_spec().discrete
    for index in range(start, stop):
        rng = np.random.default_rng(index)
        values, action, reward = rng.normal(size=5), rng.uniform(-1, 1), rng.normal()
        learner.receive(_step(index, values, action, reward, first=index % 20 == 0, discrete=discrete))


def _same(left: Learner, right: Learner) -> bool:
    (tree, tensors), (other_tree, others) = (split(learner.agent.state_dict()) for learner in (left, right))
    return tree == other_tree and all(torch.equal(tensor, others[name]) for name, tensor in tensors.items())


def _networks(learner: Learner) -> Dreamer:
    assert isinstance(learner.agent, ImaginingAgent)
    assert isinstance(learner.agent.networks, Dreamer)
    return learner.agent.networks


def test_updates_are_owed_at_the_train_ratio_once_enough_is_known(tmp_path: Path) -> None:
    learner = Learner(_config(train_ratio=16.0), tmp_path)  # half an update per step of 4 x 8 replayed ones
    _live(learner, 0, 49)
    assert (learner.prefilled, learner.owed) == (False, 0)
    _live(learner, 49, 69)
    assert learner.owed == 10
    learner.update()
    assert learner.owed == 9


def test_the_first_policy_is_owed_also_to_a_robot_that_stands_still_by_now(tmp_path: Path) -> None:
    learner = Learner(_config(pretrain_updates=12), tmp_path)
    for index in range(60):
        learner.receive(_step(index, np.zeros(5), 0.5, 0.0), owes=False)
    assert learner.owed == 12
    learner.update()
    learner.receive(_step(60, np.zeros(5), 0.5, 0.0), owes=False)
    assert learner.owed == 11


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


def test_a_robot_at_rest_neither_fills_the_prefill_nor_owes_updates_nor_fills_the_replay(tmp_path: Path) -> None:
    learner = Learner(_config(), tmp_path)

    def rest(start: int, stop: int) -> None:
        for index in range(start, stop):
            learner.receive(_step(index, np.zeros(5), 0.0, 0.0, source=Source.STOP))

    rest(0, 100)
    assert (learner.prefilled, len(learner.replay), learner.robot_steps) == (False, 1, 100)
    _live(learner, 100, 160)
    owed = learner.owed
    rest(160, 200)
    rest(160, 200)  # Repeats are known, although they were not kept.
    assert learner.owed == owed + 8  # Of one step, the first of a stop: it tells how the robot came to rest.
    assert (len(learner.replay), learner.robot_steps, learner.resting_steps) == (62, 200, 138)
    _live(learner, 200, 201)
    newest = learner.replay.read(np.array([learner.replay.total - 1]))
    assert (newest["is_first"], newest["prev_action"]) == (1.0, 0.0)


@pytest.mark.parametrize("capacity", [1000, 70], ids=["growing", "ring gone round"])
@pytest.mark.parametrize("discrete", [False, True], ids=["continuous", "discrete"])
@pytest.mark.parametrize("task", ["cartpole", "cartpole-image"])
def test_updates_after_a_resume_equal_those_without_it_bit_for_bit(
    tmp_path: Path, task: str, discrete: bool, capacity: int
) -> None:
    config = _config(task, discrete=discrete, replay_capacity=capacity, cnn_depth=2)
    learner = Learner(config, tmp_path)
    _live(learner, 0, 80)
    for _ in range(5):
        learner.update()
    before = {name: value.clone() for name, value in _networks(learner).actor.named_parameters()}
    learner.save()
    resumed = Learner.resume(config, tmp_path)
    for one in (learner, resumed):
        for _ in range(5):
            one.update()
        _live(one, 80, 90)
        one.update()
    assert _same(learner, resumed)
    actor = _networks(learner).actor.named_parameters()
    assert not any(torch.equal(before[name], value) for name, value in actor)
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
    assert names == ["checkpoint.json", "latents-000001.npy", "replay-2.npz", "weights-2.safetensors"]
    assert Learner.resume(_config(), tmp_path).updates == 1


@pytest.mark.parametrize("victim", ["checkpoint.json", "weights-1.safetensors", "replay-1.npz", "rows-000000.npy"])
@pytest.mark.parametrize("left", [100, 0])
def test_a_damaged_checkpoint_is_named(tmp_path: Path, victim: str, left: int) -> None:
    learner = Learner(_config(), tmp_path)
    _live(learner, 0, SEGMENT + 10)
    learner.save()
    file = tmp_path / "checkpoints" / victim
    file.write_bytes(file.read_bytes()[:left])
    with pytest.raises(CheckpointError, match=f"{victim}.*restore the folder from a copy, or move it away"):
        Learner.resume(_config(), tmp_path)


@pytest.mark.parametrize("field", ["number", "weights", "replay", "sha256", "fingerprint", "agent"])
@pytest.mark.parametrize("value", [None, []])
def test_what_a_checkpoint_lacks_is_named(tmp_path: Path, field: str, value: object) -> None:
    Learner(_config(), tmp_path).save()
    index = tmp_path / "checkpoints" / "checkpoint.json"
    told = json.loads(index.read_text()) | {field: value}
    index.write_text(json.dumps(told))
    with pytest.raises(CheckpointError, match=f"checkpoint.json: damaged: {field} missing or wrong; restore"):
        Learner.resume(_config(), tmp_path)


def test_every_setting_either_says_what_the_weights_are_or_may_change_while_a_run_is_stopped() -> None:
    free = {
        *("vector_scale", "image_scale", "reward_scale", "continue_scale", "dynamics_scale", "representation_scale"),
        *("free_nats", "imagination_starts", "horizon", "return_lambda", "actor_gradient", "entropy", "return_decay"),
        *(
            "return_floor",
            "slow_critic_rate",
            "slow_critic_scale",
            "cloning_scale",
            "model_rate",
            "actor_rate",
            "critic_rate",
        ),
        *("adam_epsilon", "warmup_updates", "clip", "batch_size", "batch_length", "replay_capacity", "prefill_steps"),
        *("pretrain_updates", "train_ratio", "max_debt_updates", "export_period_s", "checkpoint_period_s", "threads"),
        *("schedule", "updates_per_episode", "update_budget", "device", "cuda_graph", "online_queue", "description"),
    }
    meant = DreamerConfig.MEANT
    assert not meant & free
    assert set(DreamerConfig.model_fields) == meant | free


def test_a_resumed_run_may_learn_otherwise(tmp_path: Path) -> None:
    learner = Learner(_config(), tmp_path)
    _live(learner, 0, 60)
    learner.update()
    learner.save()
    schedule = {"threads": 2, "export_period_s": 9.0, "checkpoint_period_s": 99.0, "train_ratio": 99.0}
    rates = {"actor_rate": 1e-5, "model_rate": 1e-5, "critic_rate": 1e-5, "entropy": 1e-3, "horizon": 2}
    data = {"batch_size": 2, "batch_length": 4, "replay_capacity": 70, "prefill_steps": 20}
    changed = _config(**schedule, **rates, **data).model_copy(update={"seed": 99})
    resumed = Learner.resume(changed, tmp_path)
    assert _same(learner, resumed)
    assert resumed.updates == 1
    _live(resumed, 60, 90)
    resumed.update()
    assert not _same(learner, resumed)


MEANINGS = {
    "limits": ("robot.commands.0.joints.0.high", 100.0, "commands.slider.high was 10.0, here it is 100.0"),
    "scale": ("robot.vectors.positions.elements.0.scale", 3.0, "vectors.positions.cart_position.scale was 1.5"),
    "control rate": ("robot.control_rate_hz", 19.0, "control_rate_hz was 20.0, here it is 19.0"),
    "repeat": ("task.action_repeat", 2, "action_repeat was 1, here it is 2"),
    "size": ("agent.deter", 32, "agent.deter was 16, here it is 32"),
    "discount": ("agent.discount", 0.9, "agent.discount was 0.99, here it is 0.9"),
    "order": ("task.observe", ["velocities", "positions"], "agent.observe was ['positions', 'velocities']"),
}


@pytest.mark.parametrize(("path", "value", "sentence"), MEANINGS.values(), ids=MEANINGS)
def test_a_checkpoint_whose_weights_mean_something_else_is_refused_by_the_field(
    tmp_path: Path, path: str, value: object, sentence: str
) -> None:
    Learner(_config(), tmp_path).save()
    raw = _config().model_dump(mode="json")
    *parents, leaf = path.split(".")
    node = raw
    for parent in parents:
        node = node[int(parent) if parent.isdigit() else parent]
    node[leaf] = value
    with pytest.raises(CheckpointError, match=re.escape(sentence)):
        Learner.resume(RunConfig.model_validate(raw), tmp_path)


def test_a_checkpoint_with_swapped_elements_is_refused(tmp_path: Path) -> None:
    Learner(_config(), tmp_path).save()
    raw = _config().model_dump(mode="json")
    raw["robot"]["vectors"]["velocities"]["elements"].reverse()
    with pytest.raises(CheckpointError, match=r"vectors\.velocities\.elements was 'cart_velocity, pole_velocity'"):
        Learner.resume(RunConfig.model_validate(raw), tmp_path)


def test_weights_that_do_not_do_what_they_did_when_they_were_saved_do_not_go_on(tmp_path: Path) -> None:
    """As with another version of a network's code: every file is whole, and the probe alone can tell."""
    learner = Learner(_config("cartpole-image", cnn_depth=2), tmp_path)
    _live(learner, 0, 60)
    for _ in range(3):
        learner.update()
    learner.save()
    Learner.resume(learner.config, tmp_path)
    path = tmp_path / "checkpoints" / "weights-1.safetensors"
    tensors = load_file(path)
    tensors["probe.output.action"] += 0.01
    path.write_bytes(serialize(tensors))
    index = tmp_path / "checkpoints" / "checkpoint.json"
    index.write_text(
        json.dumps(json.loads(index.read_text()) | {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()})
    )
    with pytest.raises(CheckpointError, match="does not do what it did when it was saved: action was"):
        Learner.resume(learner.config, tmp_path)


def test_parts_of_two_checkpoints_do_not_make_one(tmp_path: Path) -> None:
    for name in ("one", "two"):
        learner = Learner(_config(), tmp_path / name)
        _live(learner, 0, 60)
        for _ in range(1 if name == "one" else 2):
            learner.update()
        learner.save()
    weights = "checkpoints/weights-1.safetensors"
    (tmp_path / "one" / weights).write_bytes((tmp_path / "two" / weights).read_bytes())
    with pytest.raises(CheckpointError, match="its hash differs"):
        Learner.resume(_config(), tmp_path / "one")


def test_the_checkpoint_before_stays_when_the_disk_gives_back_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = Learner(_config(), tmp_path)
    _live(learner, 0, 60)
    learner.save()
    learner.update()

    def damaged(path: Path) -> Iterator[BinaryIO]:
        @contextmanager
        def write() -> Iterator[BinaryIO]:
            with written_durably(path) as file:
                yield file
            path.write_bytes(path.read_bytes()[:-1] + b"?")

        return write()

    monkeypatch.setattr(checkpoint, "written_durably", damaged)
    with pytest.raises(CheckpointError, match="gives back something else"):
        learner.save()
    monkeypatch.undo()
    assert Learner.resume(_config(), tmp_path).updates == 0
    learner.save()
    assert Learner.resume(_config(), tmp_path).updates == 1


@pytest.mark.parametrize("killed_at", range(5))
def test_a_learner_killed_while_it_saves_resumes_from_the_checkpoint_before(tmp_path: Path, killed_at: int) -> None:
    """Killed as it is about to give the segment, the latent states, the replay, the weights or the index its name."""
    learner = Learner(_config(), tmp_path)
    _live(learner, 0, SEGMENT - 20)
    learner.save()
    _live(learner, SEGMENT - 20, SEGMENT + 20)
    learner.update()
    pid = os.fork()
    if pid == 0:
        names = [0]
        replace = Path.replace

        def die_in_time(path: Path, target: Path) -> Path:
            names[0] += 1
            if names[0] > killed_at:
                os._exit(9)
            return replace(path, target)

        Path.replace = die_in_time  # type: ignore[method-assign]
        learner.save()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
    resumed = Learner.resume(_config(), tmp_path)
    assert (resumed.updates, resumed.robot_steps) == (0, SEGMENT - 20)
    resumed.save()
    assert Learner.resume(_config(), tmp_path).robot_steps == SEGMENT - 20


def test_a_checkpoint_of_a_version_that_knew_fewer_settings_is_resumed(tmp_path: Path) -> None:
    Learner(_config(), tmp_path).save()
    path = tmp_path / "checkpoints" / "checkpoint.json"
    index = json.loads(path.read_text())
    del index["agent"]["discount"]
    path.write_text(json.dumps(index))
    Learner.resume(_config(), tmp_path)
    index["agent"]["momentum"] = 0.5
    path.write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match=r"agent\.momentum was 0\.5, here it is 'absent'"):
        Learner.resume(_config(), tmp_path)


def test_a_device_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"agent\.device: cuda:99 is not there"):
        Learner(_config(device="cuda:99"), tmp_path)


def test_a_checkpoint_of_other_settings_is_refused_by_their_names(tmp_path: Path) -> None:
    Learner(_config(), tmp_path).save()
    with pytest.raises(CheckpointError, match=r"agent\.deter was 16, here it is 32"):
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
    networks = _networks(learner)
    model, config = networks.model, networks.config
    with torch.no_grad():
        embedding = model.encoder(*model.encoder.targets(observation))
        uniform = torch.rand(64, 8, config.stoch, generator=torch.Generator().manual_seed(0))
        states, _, _ = model.rssm.observe(embedding, action, is_first, model.rssm.initial(64), uniform)
        before = State(states.deter[:, -2], states.latent[:, -2])
        predicted = model.reward.mean(*model.rssm.imagine(before, action[:, -1], uniform[:, -1])[:2])
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
