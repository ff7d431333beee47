"""Learning without a robot: it begins, is killed, goes on, and ends in what a robot takes as any other."""

from pathlib import Path

import numpy as np
import pytest
import torch

from robot_mbrl.agents.agent import Agent
from robot_mbrl.control.bundle_file import load_bundle
from robot_mbrl.errors import ExperienceError
from robot_mbrl.experience.filling import fill_replay
from robot_mbrl.experience.replay import Replay
from robot_mbrl.learning.held_out import CONTEXT, LENGTH, LOSS, held_out_loss
from robot_mbrl.learning.offline import OfflineTraining
from robot_mbrl.learning.synchronous import SynchronousTraining
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.steps import Action, Step
from robot_mbrl.world_models.batch import Batch
from sim.in_process import InProcessRobot
from tests.learning.test_live import CONFIG, PREFILL
from tests.learning.test_recordings import episodes, record

CPU = torch.device("cpu")
EPISODES, STEPS = 6, 30


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Episodes of the simulated cart-pole, driven at random."""
    config = CONFIG.model_copy(update={"task": CONFIG.task.model_copy(update={"episode_steps": STEPS - 1})})
    folder = tmp_path_factory.mktemp("recording")
    robot = InProcessRobot(config, seed=0)
    rng = np.random.default_rng(0)
    steps = []
    for _ in range(EPISODES * STEPS):
        observation = robot.observe()
        action = Action(observation.key, rng.uniform(-1, 1, 1).astype(np.float32))
        applied = robot.apply(None if observation.is_last else action)
        steps.append(Step(observation, applied))
    robot.close()
    record(folder, steps)
    return folder


def begin(folder: Path, recording: Path, said: list[str] | None = None) -> OfflineTraining:
    path = RunFolder(folder) if (folder / "config.yaml").exists() else RunFolder.create(CONFIG, folder)
    return OfflineTraining(CONFIG, path, [recording], (said if said is not None else []).append)


def weights(training: OfflineTraining) -> torch.Tensor:
    parameters = training.learner.agent.networks.parameters()
    return torch.cat([parameter.detach().flatten() for parameter in parameters])


def test_it_learns_from_what_is_not_held_out_and_leaves_a_bundle_that_a_robot_takes(tmp_path: Path, recording: Path):
    training = begin(tmp_path, recording)
    assert training.recorded.held_out == STEPS
    assert len(training.learner.replay) == (EPISODES - 1) * STEPS
    reports = list(training.run(40))
    training.close()
    assert training.learner.updates == len(reports) == 40
    bundle = load_bundle(tmp_path / "policy.onnx", CONFIG)
    assert bundle.metadata.updates == 40
    assert LOSS in reports[-1]


def test_interrupted_it_goes_on_as_if_it_had_not_been(tmp_path: Path, recording: Path):
    whole = begin(tmp_path / "whole", recording)
    list(whole.run(24))
    parted = begin(tmp_path / "parted", recording)
    list(parted.run(10))
    parted.close()
    resumed = begin(tmp_path / "parted", recording)
    assert resumed.learner.updates == 10
    assert resumed.recorded.steps == 0
    assert resumed.recorded.held_out == STEPS
    list(resumed.run(24))
    assert torch.equal(weights(resumed), weights(whole))


def test_a_robot_goes_on_from_it_in_the_same_folder(tmp_path: Path, recording: Path):
    training = begin(tmp_path, recording)
    list(training.run(12))
    training.close()
    robot = InProcessRobot(CONFIG, seed=1)
    online = SynchronousTraining(CONFIG, RunFolder.open(tmp_path), robot)
    assert online.learner.run_id == training.learner.run_id
    list(online.run(5))
    applied = online.learner.replay.read(np.arange(online.learner.replay.total - 5, online.learner.replay.total))
    assert set(applied["source"]) == {0}  # The policy drives at once, no random actions come first.
    assert online.learner.updates > 12
    online.close()
    robot.close()


def test_too_little_is_told_with_what_is_needed(tmp_path: Path, recording: Path):
    record(tmp_path / "bag", episodes(2))
    with pytest.raises(ExperienceError, match=f"agent.prefill_steps asks for {PREFILL}"):
        begin(tmp_path / "run", tmp_path / "bag")


class Oracle:
    """Foresees what `guess` makes of the truth."""

    def __init__(self, guess):
        self._guess = guess

    def foresee(self, batch: Batch, context: int, seed: int):
        return {name: self._guess(values) for name, values in batch.observation.items()}


def held_out(recording: Path) -> Replay:
    replay = Replay(CONFIG.observation_spec(), CONFIG.action_spec(), 1000, step_ns=50_000_000)
    fill_replay(replay, recording)
    return replay


def loss(agent: Agent, recording: Path) -> float:
    return held_out_loss(agent, held_out(recording), CPU)[LOSS]


def test_the_loss_is_0_for_who_knows_and_1_for_who_expects_the_mean(recording: Path):
    assert loss(Oracle(lambda x: x), recording) == 0.0
    mean = Oracle(lambda x: x[:, CONTEXT:].flatten(0, 1).mean(0).expand_as(x))
    assert loss(mean, recording) == pytest.approx(1.0, rel=1e-4)


def test_the_loss_is_of_what_was_not_seen(recording: Path):
    def spoilt(values: torch.Tensor) -> torch.Tensor:
        values = values.clone()
        values[:, :CONTEXT] += 100.0
        return values

    assert loss(Oracle(spoilt), recording) == 0.0


def test_who_foresees_nothing_has_no_loss_and_neither_have_episodes_that_are_too_short(recording: Path):
    assert held_out_loss(object(), held_out(recording), CPU) == {}
    short = Replay(CONFIG.observation_spec(), CONFIG.action_spec(), 1000, step_ns=50_000_000)
    assert len(short) < LENGTH
    assert held_out_loss(Oracle(lambda x: x), short, CPU) == {}
