"""PlaNet: its loss written out from distributions, what moves it, and a resume that is equal bit for bit."""

import copy
import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import Independent, Normal, kl_divergence

from robot_mbrl.agent_configs import AgentSettings, PlaNetConfig
from robot_mbrl.agents.families import count_parameters, make_agent
from robot_mbrl.agents.imagination import draw_noise
from robot_mbrl.agents.planet import PlaNet
from robot_mbrl.agents.purpose import Purpose
from robot_mbrl.config import load_agent
from robot_mbrl.errors import ConfigError
from robot_mbrl.learning.state_tree import split
from robot_mbrl.specs import ActionSpec, ImageSpec, ObservationSpec
from robot_mbrl.world_models.batch import Batch
from tests.agents.imagining import PICTURES, forgetful, remembered_batch
from tests.agents.planet import CONFIG, planet_agent
from tests.agents.reads import Reads
from tests.agents.settings import BATCH, CONTINUOUS, DISCRETE, OBSERVATION, TIME


def _batch(observation: ObservationSpec = OBSERVATION, seed: int = 0) -> Batch:
    return forgetful(remembered_batch(CONTINUOUS, observation, seed))


def _unit_normal(predicted: Tensor, seen: Tensor, dims: int) -> Tensor:
    """Negative log-likelihood of unit normals, without its constant, summed over the last dimensions."""
    constant = 0.5 * math.log(2 * math.pi)
    return (-Normal(predicted, 1.0).log_prob(seen) - constant).flatten(-dims).sum(-1)


@pytest.mark.parametrize("free_nats", [0.0, 0.4, 3.0])
def test_the_loss_is_the_published_one(free_nats: float) -> None:
    model = planet_agent(PICTURES, free_nats=free_nats).model
    batch = _batch(PICTURES)
    noise = torch.randn(BATCH, TIME, model.latent.stoch)
    loss, states, terms = model.loss(batch, noise)
    embedding = model.encoder(*model.encoder.targets(batch.observation))
    _, posterior, prior = model.rssm.observe(
        embedding, batch.prev_action, batch.is_first, model.rssm.initial(BATCH), noise
    )
    vectors, pictures = model.decoder(states)
    seen = batch.observation
    values = torch.cat([seen["joints"][..., :1] / 2.0, seen["joints"][..., 1:], seen["imu"]], -1)
    pixels = torch.cat([seen["eye"].float() / 255.0, seen["depth"].float() / 5000.0], -1).clamp(max=1.0)
    reward = model.reward(*states).squeeze(-1)
    left, right = (Independent(Normal(*each.unbind(-1)), 1) for each in (posterior, prior))
    divergence = kl_divergence(left, right)  # (B, T)
    bounded = torch.where(divergence > free_nats, divergence - free_nats, 0.0)
    if free_nats == 0.4:  # Some steps have fewer than are free, others more: that is what is told apart here.
        assert bool((bounded == 0.0).any()) and bool((bounded > 0.0).any())
    by_step = _unit_normal(vectors, values, 1) + _unit_normal(pictures, pixels, 3) + bounded
    by_step = by_step + 10.0 * _unit_normal(reward.unsqueeze(-1), batch.reward.unsqueeze(-1), 1)
    torch.testing.assert_close(loss, by_step.mean())
    torch.testing.assert_close(terms["kl"], divergence.mean().detach())


def test_states_are_those_of_the_recurrence_written_out() -> None:
    """One step of the RSSM by its equations: hidden layer, GRU, posterior."""
    model = planet_agent().model
    rssm, batch = model.rssm, _batch()
    noise = torch.randn(BATCH, TIME, model.latent.stoch)
    embedding = model.encoder(*model.encoder.targets(batch.observation))
    states, _, _ = rssm.observe(embedding, batch.prev_action, batch.is_first, rssm.initial(BATCH), noise)
    deter, latent = torch.zeros(BATCH, CONFIG.deter), torch.zeros(BATCH, CONFIG.stoch)
    gru = torch.nn.GRUCell(CONFIG.hidden, CONFIG.deter)
    with torch.no_grad():
        gru.weight_ih.copy_(rssm.core.gru.inputs.weight)
        gru.weight_hh.copy_(rssm.core.gru.recurrent.weight)
        gru.bias_ih.copy_(rssm.core.gru.inputs.bias)
        gru.bias_hh.copy_(rssm.core.gru.recurrent.bias)
        for time in range(TIME):
            known = (1.0 - batch.is_first[:, time]).unsqueeze(-1)
            deter, latent = deter * known, latent * known
            driven = batch.prev_action[:, time] @ rssm.core.of_action.weight.T + rssm.core.of_action.bias
            hidden = torch.relu(latent @ rssm.core.of_latent.weight + driven)
            deter = gru(hidden, deter)
            first, last = rssm.posterior.first, rssm.posterior.rest[-1]
            out = last(torch.relu(first(torch.cat([deter, embedding[:, time]], -1))))
            mean, raw = out.chunk(2, -1)
            latent = mean + (torch.nn.functional.softplus(raw) + CONFIG.min_std) * noise[:, time]
            torch.testing.assert_close(states.deter[:, time], deter)
            torch.testing.assert_close(states.latent[:, time], latent)


@pytest.mark.parametrize("observation", [OBSERVATION, PICTURES], ids=["vectors", "with cameras"])
def test_an_update_moves_the_whole_model_and_waits_for_no_device(observation: ObservationSpec) -> None:
    agent = planet_agent(observation, free_nats=0.0)
    batch = _batch(observation)
    agent.update({"sequences": batch})
    before = copy.deepcopy(dict(agent.model.named_parameters()))
    with Reads() as reads:
        learned = agent.update({"sequences": batch})
    assert reads.count == 0
    assert [name for name, p in agent.model.named_parameters() if torch.equal(p, before[name])] == []
    assert all(torch.isfinite(value) and not value.requires_grad for value in learned.metrics.values())
    assert learned.metrics["left_out"] == 0.0
    assert learned.latents == {}


def test_an_update_that_is_not_finite_changes_nothing() -> None:
    agent = planet_agent()
    batch = _batch()
    agent.update({"sequences": batch})
    before = copy.deepcopy(dict(agent.model.named_parameters()))
    batch.reward[0, 0] = torch.inf
    assert agent.update({"sequences": batch}).metrics["left_out"] == 1.0
    assert all(torch.equal(p, before[name]) for name, p in agent.model.named_parameters())


def test_the_model_gets_better_at_what_it_is_shown() -> None:
    agent = planet_agent(rate=1e-2)
    losses = [float(agent.update({"sequences": _batch()}).metrics["model_loss"]) for _ in range(60)]
    assert losses[-1] < 0.5 * losses[0]


def test_updates_after_a_resume_equal_those_without_it_bit_for_bit() -> None:
    one = planet_agent()
    for seed in range(3):
        one.update({"sequences": _batch(seed=seed)})
    other = planet_agent(seed=9)
    other.load_state_dict(copy.deepcopy(one.state_dict()))
    for agent in (one, other):
        for seed in range(3, 6):
            agent.update({"sequences": _batch(seed=seed)})
    (tree, tensors), (other_tree, others) = split(one.state_dict()), split(other.state_dict())
    assert tree == other_tree
    assert all(torch.equal(tensor, others[name]) for name, tensor in tensors.items())


def test_an_update_needs_no_numbers_to_be_made() -> None:
    agent = make_agent(PICTURES, CONTINUOUS, CONFIG, torch.device("meta"), seed=0)
    parts = (
        {n: v.to("meta") for n, v in part.items()} if isinstance(part, dict) else part.to("meta")
        for part in _batch(PICTURES)
    )
    learned = agent.update({"sequences": Batch(*parts)})
    assert all(value.is_meta and value.shape == () for value in learned.metrics.values())


def test_its_policy_is_worth_exporting_once_learning_has_begun() -> None:
    agent = planet_agent(pretrain_updates=2)
    ready = []
    for _ in range(3):
        ready.append(agent.ready)
        agent.update({"sequences": _batch()})
    assert (ready, agent.ready) == ([False, False, True], True)


def test_what_it_foresees_after_the_context_depends_on_actions_alone() -> None:
    agent, batch = planet_agent(), _batch()
    expected = agent.foresee(batch, 3, seed=1)
    other = {name: torch.cat([v[:, :3], v[:, 3:] + 5.0], 1) for name, v in batch.observation.items()}
    again = agent.foresee(batch._replace(observation=other), 3, seed=1)
    assert {name: value.shape for name, value in expected.items()} == {
        name: value.shape for name, value in batch.observation.items()
    }
    assert all(torch.equal(expected[name], again[name]) for name in expected)
    steered = agent.foresee(batch._replace(prev_action=batch.prev_action + 1.0), 3, seed=1)
    assert not any(torch.equal(expected[name], steered[name]) for name in expected)


def test_choices_and_objectives_that_are_not_there_are_refused() -> None:
    with pytest.raises(ConfigError, match="planet plan continuous actions"):
        make_agent(OBSERVATION, DISCRETE, CONFIG, torch.device("cpu"), seed=0)
    for_objective = CONFIG.model_copy(update={"plan_for": "objective"})
    with pytest.raises(ConfigError, match="family planet plan for tasks with an objective"):
        make_agent(OBSERVATION, CONTINUOUS, for_objective, torch.device("cpu"), 0, Purpose(None))


PUBLISHED: dict[str, Any] = {
    "deter": 200, "hidden": 200, "stoch": 30, "units": 300, "cnn_depth": 32, "reward_layers": 3, "min_std": 0.1,
    "free_nats": 3.0, "kl_scale": 1.0, "reward_scale": 10.0, "rate": 1e-3, "adam_epsilon": 1e-4, "clip": 1000.0,
    "planner": "cem", "plan_for": "reward", "imagine": "drawn",
    "horizon": 12, "candidates": 1000, "iterations": 10, "elites": 100,
    "deviation": 1.0, "smoothing": 0.0, "noise_colour": 0.0, "warm_start": False, "exploration": 0.3,
    "batch_size": 50, "batch_length": 50, "schedule": "per_episode", "updates_per_episode": 100,
}  # fmt: skip


def test_the_published_preset_is_what_was_published() -> None:
    preset = load_agent("planet-published")
    assert {key: preset.model_dump()[key] for key in PUBLISHED} == PUBLISHED
    told = {"description", "export_period_s"}
    defaults = {key: PlaNetConfig.model_fields[key].default for key in told}
    assert preset.model_copy(update=defaults) == PlaNetConfig()


def test_it_has_the_published_number_of_parameters() -> None:
    """Of the layers' shapes in the published code, for one camera and six actions.

    Its GRU has one bias where that of Keras and torch, which is used here, has two.
    """
    encoder = sum(4 * 4 * a * b + b for a, b in ((3, 32), (32, 64), (64, 128), (128, 256)))
    features = 230
    decoder = features * 1024 + 1024
    decoder += sum(k * k * a * b + b for k, a, b in ((5, 1024, 128), (5, 128, 64), (6, 64, 32), (6, 32, 3)))
    gru = 3 * 200 * (200 + 200) + 2 * 3 * 200
    latents = 2 * (200 * 60 + 60)
    rssm = (30 + 6) * 200 + 200 + gru + 200 * 200 + 200 + (200 + 1024) * 200 + 200 + latents
    reward = features * 300 + 300 + 2 * (300 * 300 + 300) + 301
    camera = ObservationSpec(images={"camera": ImageSpec()})
    six = ActionSpec(names=tuple("abcdef"))
    assert count_parameters(camera, six, load_agent("planet-published")) == encoder + decoder + rssm + reward


def test_the_size_for_a_cpu_has_the_published_loss() -> None:
    published, small = load_agent("planet-published").model_dump(), load_agent("planet-cpu").model_dump()
    sizes = {"deter", "hidden", "stoch", "units", "cnn_depth", "vector_layers", "reward_layers"}
    weights = {"kl_scale", "free_nats"}
    search = {"candidates", "iterations", "elites", "deviation", "least_deviation", "smoothing", "noise_colour"}
    search |= {"warm_start", "imagine"}
    schedule = set(AgentSettings.model_fields) | {"batch_size", "batch_length"}
    changed = {key for key in published if published[key] != small[key]}
    assert changed - sizes - weights - search - schedule == set()


def test_noise_comes_from_its_own_generator_alone() -> None:
    one, other = planet_agent(), planet_agent()
    torch.manual_seed(1)
    first = one.update({"sequences": _batch()}).metrics["model_loss"]
    torch.manual_seed(2)
    assert torch.equal(first, other.update({"sequences": _batch()}).metrics["model_loss"])
    generator = torch.Generator().manual_seed(0)
    noise = draw_noise("normal", (BATCH, TIME, CONFIG.stoch), _batch().reward, generator)
    assert torch.equal(first, planet_agent().model.loss(_batch(), noise)[0].detach())
    assert isinstance(one, PlaNet)
