"""The planning agent: what it learns from, that it learns it, and that it goes on bit for bit where it was saved."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch

from robot_mbrl.agents.families import count_parameters, make_agent
from robot_mbrl.agents.mpc import FIT, HELD_OUT
from robot_mbrl.agents.purpose import Purpose
from robot_mbrl.config import load_agent, load_run
from robot_mbrl.errors import ConfigError
from robot_mbrl.learning.learner import Learner
from robot_mbrl.learning.state_tree import split
from robot_mbrl.specs import ActionSpec, ImageSpec, ObservationSpec
from robot_mbrl.steps import Action, Observation, Step, StepKey
from tests.agents.planning import ACTION, CONFIG, GOAL, OBSERVATION, BeThere, batches, planning_agent, step, transitions
from tests.agents.reads import Reads

each_likelihood = pytest.mark.parametrize("likelihood", ["deterministic", "gaussian"])
each_history = pytest.mark.parametrize("history", [1, 3])


@each_likelihood
@each_history
def test_an_update_moves_every_weight_and_waits_for_no_device(likelihood: str, history: int) -> None:
    agent = planning_agent(likelihood=likelihood, history=history)
    agent.update(batches(agent))
    before = copy.deepcopy(dict(agent.model.named_parameters()))
    given = batches(agent, seed=1)
    with Reads() as reads:
        learned = agent.update(given)
    assert reads.count == 0
    assert [name for name, p in agent.model.named_parameters() if torch.equal(p, before[name])] == []
    assert all(torch.isfinite(value) and value.shape == () for value in learned.metrics.values())
    assert not any(value.requires_grad for value in learned.metrics.values())
    assert learned.metrics["left_out"] == 0.0
    assert learned.latents == {}


@each_likelihood
@each_history
def test_it_learns_how_the_world_changes(likelihood: str, history: int) -> None:
    agent = planning_agent(likelihood=likelihood, history=history, rate=3e-3)
    errors = [float(agent.update(batches(agent, seed)).metrics["held_out_error"]) for seed in range(300)]
    assert sum(errors[-10:]) < 0.1 * sum(errors[:10])
    batch = transitions(64, history, seed=9)
    values = torch.cat([batch.observation["joints"], batch.observation["imu"]], -1)[:-2]
    window = agent.model.window_of(values[:, :history], batch.action[:-2, : history - 1]).expand(2, -1, -1)
    action = batch.action[:-2, history - 1]
    with torch.no_grad():
        expected = agent.model.advance(window, action.expand(2, -1, -1))[..., :3].mean(0)
    truth = step(values[:, history - 1], action)
    moved = (truth - values[:, history - 1]).square().mean()
    assert float((expected - truth).square().mean() / moved) < 0.05


def test_members_learn_from_transitions_of_their_own_and_none_from_those_held_out() -> None:
    agent = planning_agent()
    given = batches(agent)
    draws = agent.draws()
    assert (draws[FIT].part, draws[HELD_OUT].part) == ("fit", "held_out")
    assert draws[FIT].batch == CONFIG.members * CONFIG.batch_size
    other = {FIT: given[FIT], HELD_OUT: transitions(16, 1, seed=77)}
    agents = [planning_agent(), planning_agent()]
    for one, batch in zip(agents, (given, other), strict=True):
        one.update(batch)
    weights = [split(one.state_dict())[1] for one in agents]
    assert all(torch.equal(tensor, weights[1][name]) for name, tensor in weights[0].items())
    # What only the second member is given moves only the second member.
    half = {FIT: given[FIT]._replace(action=given[FIT].action.clone()), HELD_OUT: given[HELD_OUT]}
    half[FIT].action[CONFIG.batch_size :] *= -1.0
    agents = [planning_agent(), planning_agent()]
    for one, batch in zip(agents, (given, half), strict=True):
        one.update(batch)
    kernels = [one.model.network.kernels[1] for one in agents]
    assert torch.equal(kernels[0][0], kernels[1][0])
    assert not torch.equal(kernels[0][1], kernels[1][1])


@each_history
def test_transitions_beyond_the_end_of_an_episode_count_for_nothing(history: int) -> None:
    agent = planning_agent(history=history, data_noise=0.0)
    other = planning_agent(history=history, data_noise=0.0)
    given = batches(agent)
    changed = {name: batch._replace(observation=dict(batch.observation)) for name, batch in given.items()}
    for batch in changed.values():
        moved = {name: values.clone() for name, values in batch.observation.items()}
        for values in moved.values():
            values[~batch.valid] = -7.0
        batch.observation.update(moved)
    for one, batch in ((agent, given), (other, changed)):
        one.update(batch)
    tensors, others = (split(one.state_dict())[1] for one in (agent, other))
    for name, tensor in tensors.items():
        torch.testing.assert_close(tensor, others[name], atol=1e-6, rtol=1e-4)


def test_noise_is_as_strong_as_said_on_inputs_and_targets() -> None:
    agent = planning_agent(data_noise=0.1, history=2)
    for seed in range(20):
        agent.update(batches(agent, seed))
    model = agent.model
    window, target = torch.zeros(20_000, model.window), torch.zeros(20_000, 3)
    noisy, noisy_target = agent._with_noise(window, target)
    expected = 0.1 * model.observed.signal.repeat(2)
    torch.testing.assert_close(noisy[:, :6].std(0), expected, rtol=0.05, atol=0.0)
    assert (noisy[:, 6:] == 0.0).all()
    of_target = 0.1 * model.change.signal / model.change.deviation
    torch.testing.assert_close(noisy_target.std(0), of_target, rtol=0.05, atol=0.0)


@each_likelihood
def test_it_goes_on_bit_for_bit_where_it_was_saved(likelihood: str) -> None:
    agent = planning_agent(likelihood=likelihood)
    for seed in range(3):
        agent.update(batches(agent, seed))
    other = planning_agent(likelihood=likelihood, seed=9)
    other.load_state_dict(copy.deepcopy(agent.state_dict()))
    for seed in range(3, 6):
        for one in (agent, other):
            one.update(batches(one, seed))
    (tree, tensors), (other_tree, others) = split(agent.state_dict()), split(other.state_dict())
    assert tree == other_tree
    assert tensors.keys() == others.keys()
    assert all(torch.equal(tensor, others[name]) for name, tensor in tensors.items())


def test_a_learner_resumes_it_bit_for_bit(tmp_path: Path) -> None:
    overrides = {
        "task.agent": "mpc-cpu", "agent.prefill_steps": 510, "agent.pretrain_updates": 3, "agent.units": 8,
        "agent.candidates": 8, "agent.elites": 2, "agent.horizon": 3, "agent.replay_capacity": 1000,
    }  # fmt: skip
    config = load_run("pendulum-goal", overrides, seed=5)
    learner = Learner(config, tmp_path)
    names = config.observation_spec().element_names

    def live_through(one: Learner, start: int, stop: int) -> None:
        for index in range(start, stop):
            rng = np.random.default_rng(index)
            key = StepKey("session", (index + 1) * one.step_ns)
            values = dict(zip(names, rng.normal(size=len(names)).tolist(), strict=True))
            values |= {"goal_angle": 0.5, "weight_effort": 0.0}
            observation = Observation(key, values, {}, reward=float(rng.normal()), is_first=index % 50 == 0)
            one.receive(Step(observation, Action(key, rng.uniform(-1, 1, 1).astype(np.float32))))

    live_through(learner, 0, 520)
    for _ in range(4):
        learner.update()
    learner.save()
    resumed = Learner.resume(config, tmp_path)
    for one in (learner, resumed):
        live_through(one, 520, 530)
        for _ in range(4):
            one.update()
    (tree, tensors), (other_tree, others) = (split(one.agent.state_dict()) for one in (learner, resumed))
    assert tree == other_tree
    assert all(torch.equal(tensor, others[name]) for name, tensor in tensors.items())
    assert (resumed.updates, resumed.owed) == (learner.updates, learner.owed)


def test_what_is_not_finite_changes_no_weight() -> None:
    agent = planning_agent()
    agent.update(batches(agent))
    before = copy.deepcopy(agent.model.state_dict())
    poisoned = batches(agent, seed=1)
    poisoned[FIT].observation["imu"][0] = torch.nan
    assert agent.update(poisoned).metrics["left_out"] == 1.0
    assert all(torch.equal(value, before[name]) for name, value in agent.model.state_dict().items())
    assert agent.update(batches(agent, seed=2)).metrics["left_out"] == 0.0


def test_it_is_worth_exporting_once_its_first_updates_were_made() -> None:
    agent = planning_agent(pretrain_updates=2)
    states = []
    for seed in range(3):
        states.append(agent.ready)
        agent.update(batches(agent, seed))
    assert [*states, agent.ready] == [False, False, True, True]


@each_history
def test_it_foresees_what_will_be_observed_from_actions_alone(history: int) -> None:
    agent = planning_agent(history=history, rate=3e-3)
    for seed in range(300):
        agent.update(batches(agent, seed))
    batch, context = transitions(8, 9, seed=5), history + 1
    batch = batch._replace(
        **{name: value[:6] for name, value in batch._asdict().items() if isinstance(value, torch.Tensor)}
    )
    batch = batch._replace(observation={name: value[:6] for name, value in batch.observation.items()})
    expected = agent.foresee(batch, context, seed=0)
    assert {name: value.shape for name, value in expected.items()} == {"joints": (6, 10, 2), "imu": (6, 10, 1)}
    for name, value in expected.items():
        assert torch.equal(value[:, :context], batch.observation[name][:, :context])
        error = (value - batch.observation[name])[:, context:].square().mean()
        assert float(error) < 0.1 * float(batch.observation[name].var())
    unseen = {name: value.clone() for name, value in batch.observation.items()}
    for value in unseen.values():
        value[:, context:] = 0.0
    other = agent.foresee(batch._replace(observation=unseen), context, seed=0)
    assert all(torch.equal(value, other[name]) for name, value in expected.items())


@pytest.mark.parametrize("preset", ["mpc-cpu", "mpc-published"])
def test_its_size_is_known_without_a_task_or_numbers(preset: str) -> None:
    settings = load_agent(preset)
    agent = make_agent(OBSERVATION, ACTION, settings, torch.device("cpu"), 0)
    numbers = sum(tensor.numel() for _, tensor in agent.model.named_parameters())  # type: ignore[attr-defined]
    assert count_parameters(OBSERVATION, ACTION, settings) == numbers


def test_what_it_cannot_plan_for_is_named() -> None:
    device = torch.device("cpu")
    pictures = ObservationSpec(images={"eye": ImageSpec()})
    choices = ActionSpec(kind="discrete", names=("left", "right"))
    blind = ObservationSpec(vectors={"joints": OBSERVATION.vectors["joints"]})
    purpose = Purpose(BeThere(), GOAL)
    for observation, action, aim, sentence in (
        (pictures, ACTION, purpose, "see vectors alone, no pictures as eye"),
        (OBSERVATION, choices, purpose, "plan continuous actions; this robot's are choices"),
        (OBSERVATION, ACTION, Purpose(None), "plan for tasks with an objective"),
        (blind, ACTION, purpose, r"a cost of \['c'\], which an agent that plans for it must observe"),
    ):
        with pytest.raises(ConfigError, match=sentence):
            make_agent(observation, action, CONFIG, device, 0, aim)
    with pytest.raises(ConfigError, match="without a task, and so without a policy"):
        _ = make_agent(OBSERVATION, ACTION, CONFIG, device, 0).policy
