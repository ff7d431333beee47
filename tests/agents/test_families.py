"""Agents of quite another kind are served by the same learner, unseen."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import robot_mbrl as package
from robot_mbrl.agents.agent import Learned
from robot_mbrl.agents.families import FAMILIES, make_agent
from robot_mbrl.agents.policy_graph import PolicyGraph
from robot_mbrl.agents.random_source import RandomSource
from robot_mbrl.config import load_run
from robot_mbrl.control.bundle_file import Bundle, check_bundle
from robot_mbrl.errors import CheckpointError, ConfigError, ExperienceError
from robot_mbrl.experience.draws import Draw, Transitions
from robot_mbrl.learning.learner import Learner
from robot_mbrl.learning.live import LiveLearner
from robot_mbrl.learning.prediction import predict
from robot_mbrl.learning.state_tree import split
from robot_mbrl.specs import ActionSpec, ObservationSpec
from robot_mbrl.steps import Action, Observation, Step, StepKey
from robot_mbrl.tasks.reach_target import tip_m
from robot_mbrl.world_models.batch import Batch
from tests.experience import goals

CONFIG = load_run(
    "cartpole", {"agent.prefill_steps": 20, "agent.pretrain_updates": 3, "agent.train_ratio": 8.0}, seed=5
)


class Reflex(PolicyGraph):
    """A policy without a memory: a linear function of the observation, and of nothing else."""

    def __init__(self, observation: ObservationSpec, action: ActionSpec) -> None:
        super().__init__(observation, action, state={}, noise={})
        self.linear = nn.Linear(len(observation.element_names), action.size)

    def step(self, inputs: Mapping[str, Tensor]) -> tuple[Tensor, Mapping[str, Tensor]]:
        values = torch.cat([inputs[f"observation.{name}"] for name in self.observation.vectors], -1)
        return torch.tanh(self.linear(values)), {}


class Imitator:
    """Learns to do what was done before the best rewards: from transitions, remembering nothing."""

    def __init__(
        self, observation: ObservationSpec, action: ActionSpec, _: object, device: torch.device, seed: int, __: object
    ):
        self.policy = Reflex(observation, action).to(device)
        self.remembers: dict[str, Any] = {}
        self.cautions: dict[str, str] = {}
        self._random = RandomSource(device, seed)
        self._adam = torch.optim.Adam(self.policy.parameters(), lr=1e-2)
        self._updates = 0

    @property
    def size(self) -> int:
        return sum(parameter.numel() for parameter in self.policy.parameters())

    @property
    def ready(self) -> bool:
        return self._updates >= 2

    def draws(self) -> Mapping[str, Draw]:
        return {"transitions": Transitions(4)}

    def update(self, batches: Mapping[str, Batch]) -> Learned:
        batch = batches["transitions"]
        values = torch.cat([batch.observation[name][:, 0] for name in self.policy.observation.vectors], -1)
        done = torch.tanh(self.policy.linear(values))
        wanted = batch.action[:, 0] + 0.1 * torch.randn(done.shape, generator=self._random.generator)
        loss = (torch.sigmoid(batch.reward[:, 1:2]) * (done - wanted).square()).mean()
        self._adam.zero_grad()
        loss.backward()
        self._adam.step()
        self._updates += 1
        return Learned({"loss": loss.detach()})

    def probe(self, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        return {}

    def state_dict(self) -> dict[str, Any]:
        state = {"policy": self.policy.state_dict(), "adam": self._adam.state_dict(), "updates": self._updates}
        return state | {"random": self._random.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.policy.load_state_dict(state["policy"])
        self._adam.load_state_dict(state["adam"])
        self._updates = state["updates"]
        self._random.load_state_dict(state["random"], self._updates)


class Dreaming(Imitator):
    """Reads nothing from replay: it goes by its own dream, as an evolution strategy in a learned world does."""

    def draws(self) -> Mapping[str, Draw]:
        return {}

    def update(self, batches: Mapping[str, Batch]) -> Learned:
        assert not batches
        with torch.no_grad():
            bias = self.policy.linear.bias
            bias += 0.01 * torch.randn(bias.shape, generator=self._random.generator)
        self._updates += 1
        return Learned({})


def live_through(learner: Learner, start: int, stop: int) -> None:
    names = learner.config.observation_spec().element_names
    for index in range(start, stop):
        rng = np.random.default_rng(index)
        key = StepKey("session", (index + 1) * learner.step_ns)
        values = dict(zip(names, rng.normal(size=len(names)).tolist(), strict=True))
        observation = Observation(key, values, {}, reward=float(rng.normal()), is_first=index % 10 == 0)
        learner.receive(Step(observation, Action(key, rng.uniform(-1, 1, 1).astype(np.float32))))


@pytest.fixture(params=[Imitator, Dreaming])
def learner(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Learner:
    monkeypatch.setitem(FAMILIES, CONFIG.agent.family, request.param)
    return Learner(CONFIG, tmp_path)


def test_updates_are_due_by_what_the_agent_replays(learner: Learner) -> None:
    live_through(learner, 0, 19)
    assert learner.owed == 0
    live_through(learner, 19, 20)
    per_step = 2 if learner.agent.draws() else 8  # a ratio of 8 by 4 replayed transitions, or by none
    assert learner.owed == 3 + per_step
    for _ in range(3):
        learner.update()
    assert learner.owed == per_step
    assert learner.metrics()["train_ratio"] == (12.0 if learner.agent.draws() else 0.0)


def test_it_resumes_bit_for_bit(learner: Learner, tmp_path: Path) -> None:
    live_through(learner, 0, 40)
    for _ in range(4):
        learner.update()
    learner.save()
    resumed = Learner.resume(CONFIG, tmp_path)
    for one in (learner, resumed):
        live_through(one, 40, 50)
        for _ in range(4):
            one.update()
    (tree, tensors), (other_tree, others) = (split(one.agent.state_dict()) for one in (learner, resumed))
    assert tree == other_tree
    assert all(torch.equal(tensor, others[name]) for name, tensor in tensors.items())
    assert (resumed.updates, resumed.owed, resumed.train_ratio) == (learner.updates, learner.owed, learner.train_ratio)


def test_its_policy_drives_the_robot_as_any_other(learner: Learner) -> None:
    live_through(learner, 0, 40)
    learner.update()
    bundle = Bundle(learner.export(), "version 1")
    check_bundle(bundle, CONFIG)
    bundle.inputs["observation.positions"][:] = (0.5, -0.5, 1.0)
    bundle.inputs["observation.velocities"][:] = (0.1, 2.0)
    bundle.run()
    values = torch.tensor([[0.5, -0.5, 1.0, 0.1, 2.0]])
    with torch.no_grad():
        expected = torch.tanh(learner.agent.policy.linear(values))  # type: ignore[operator]
    np.testing.assert_allclose(bundle.outputs["action"], expected.numpy(), atol=1e-5)


def test_its_policy_is_handed_over_from_when_it_is_ready(learner: Learner, tmp_path: Path) -> None:
    live = LiveLearner(CONFIG, tmp_path / "live", lambda _: None, clock=lambda: 0.0)
    live_through(live.learner, 0, 20)
    assert live.work(now_s=0.0) is None
    assert live.learner.updates == 1
    bundle = live.work(now_s=0.0)
    assert bundle is not None
    assert live.learner.updates == 2
    check_bundle(Bundle(bundle, "version 1"), CONFIG)


def test_an_agent_without_a_world_model_has_no_pictures_to_show(learner: Learner) -> None:
    live_through(learner, 0, 100)
    with pytest.raises(ExperienceError, match="foresees no observations"):
        predict(learner, seed=0)


def test_a_checkpoint_of_another_agent_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, learner: Learner
) -> None:
    learner.save()
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match="of another version"):
        Learner.resume(CONFIG, tmp_path)


class Seeker(Imitator):
    """Learns in hindsight: every goal is one that was reached."""

    def draws(self) -> Mapping[str, Draw]:
        return {"transitions": Transitions(4, hindsight="future", relabelled=1.0)}

    def update(self, batches: Mapping[str, Batch]) -> Learned:
        batch = batches["transitions"]
        values = {name: batch.observation["arm"][..., place].numpy() for place, name in enumerate(ARM)}
        tip = np.stack(tip_m(values), -1)  # (4, 2, 2)
        self.distances = np.linalg.norm(batch.goal["target"].numpy() - tip, axis=-1)
        self.rewards = batch.reward.numpy()
        self._updates += 1
        return Learned({})


ARM = ("shoulder_cos", "shoulder_sin", "elbow_cos", "elbow_sin")


def test_an_agent_that_learns_in_hindsight_gets_goals_that_were_reached_and_what_they_pay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FAMILIES, CONFIG.agent.family, Seeker)
    learner = Learner(goals.goal_config(**{"agent.prefill_steps": 20}), tmp_path)
    for index in range(30):
        learner.receive(goals.make_step(index, first=index % 2 == 0, last=index % 2 == 1))
    learner.update()
    assert isinstance(learner.agent, Seeker)
    # In episodes of two steps, the one that is reached later is the transition's second.
    np.testing.assert_allclose(learner.agent.distances[:, 1], 0.0, atol=1e-6)
    np.testing.assert_allclose(learner.agent.rewards[:, 1], 1.0, atol=1e-6)
    assert (learner.agent.rewards[:, 0] < 1.0).all()


def test_an_agent_that_learns_in_hindsight_is_refused_by_a_task_that_knows_no_other_goals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FAMILIES, CONFIG.agent.family, Seeker)
    with pytest.raises(ConfigError, match="task cartpole: the agent relabels goals, .* declares no goal"):
        Learner(CONFIG, tmp_path)


def test_an_agents_first_weights_depend_on_its_seed_alone() -> None:
    def weights(seed: int) -> dict[str, Tensor]:
        torch.rand(seed + 3)
        spec = CONFIG.observation_spec(), CONFIG.action_spec()
        return split(make_agent(*spec, CONFIG.agent, torch.device("cpu"), seed).state_dict())[1]

    one, again, other = weights(1), weights(1), weights(2)
    assert all(torch.equal(tensor, again[name]) for name, tensor in one.items())
    assert not all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_no_part_that_serves_agents_names_one() -> None:
    root = Path(package.__file__).parent
    served = [root.parent / "ros_nodes", *(root / part for part in ("learning", "experience", "control", "commands"))]
    own = {"agent", "families", "policy_graph", "purpose", "task_policy"}
    for path in (path for folder in served for path in folder.glob("*.py")):
        code = path.read_text()
        assert set(re.findall(r"robot_mbrl\.agents\.(\w+)", code)) <= own, path
        for family in FAMILIES:
            assert f'"{family}"' not in code, path
