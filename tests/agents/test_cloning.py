"""An actor is drawn towards a person's actions where asked to, and nothing else learns otherwise for it."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from robot_mbrl.agent_configs.settings import ActorSettings
from robot_mbrl.agents.agent import Agent
from robot_mbrl.agents.cloning import add_cloning, cloning_loss
from robot_mbrl.agents.families import make_agent
from robot_mbrl.agents.imagination import Distribution
from robot_mbrl.config import load_run
from robot_mbrl.errors import ConfigError
from robot_mbrl.experience.draws import Sequences
from robot_mbrl.experience.replay import Replay
from robot_mbrl.learning.state_tree import split
from robot_mbrl.nets.policies import BoundedNormal, Categorical, TanhNormal
from robot_mbrl.specs import ActionSpec, Source
from robot_mbrl.steps import Action, Step
from robot_mbrl.world_models.batch import Batch
from robot_mbrl.world_models.state import State
from tests.agents.imagining import ALL, PICTURES, forgetful, numeric_gradient, remembered_batch
from tests.agents.reads import Reads
from tests.agents.settings import BATCH, CONTINUOUS, DISCRETE, OBSERVATION, TIME
from tests.experience.lived import make_replay, make_step

each_agent = pytest.mark.parametrize("name", ALL)
each_action = pytest.mark.parametrize("action", [CONTINUOUS, DISCRETE], ids=["continuous", "discrete"])
SCALE, RATE = 0.7, 0.01
DETER, STOCH = 16, 4
PERSONS = [(0, 0), (0, 1), (1, 0), (2, TIME - 1)]
"""Rows whose actions a person chose."""
BOUNDED, TANH = BoundedNormal(2, 0.1, 1.0), TanhNormal(2, init_std=1.0, min_std=0.1, mean_scale=2.0)
CHOICES = Categorical(3, 0.04)


class _Actor(nn.Module):
    """As simple as an actor can be that looks at all of a state."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.weight = nn.Parameter(torch.randn(DETER + STOCH, outputs, generator=generator, dtype=torch.float64) / 8)

    def forward(self, deter: Tensor, latent: Tensor) -> Tensor:
        return torch.cat([deter, latent.to(deter)], -1) @ self.weight


def _posterior() -> State:
    generator = torch.Generator().manual_seed(2)
    deter = torch.rand(BATCH, TIME, DETER, generator=generator, dtype=torch.float64)
    return State(deter, torch.randint(5, (BATCH, TIME, STOCH), generator=generator))


def _batch(action: ActionSpec, source: Source = Source.TELEOP, seed: int = 0) -> Batch:
    """Random sequences with random actions, those of `PERSONS` of this source, all others of every other source."""
    batch = remembered_batch(action, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    if action.discrete:
        chosen = torch.randint(action.size, (BATCH, TIME), generator=generator)
        actions = nn.functional.one_hot(chosen, action.size).float()
    else:
        actions = torch.rand(BATCH, TIME, action.size, generator=generator) * 2 - 1
    others = torch.tensor([Source.POLICY, Source.LATE, Source.RANDOM, Source.STOP], dtype=torch.uint8)
    sources = others[torch.arange(BATCH * TIME) % len(others)].view(BATCH, TIME).clone()
    for row, time in PERSONS:
        sources[row, time] = source
    return batch._replace(action=actions, source=sources)


def _log_density(distribution: Distribution, out: list[float], action: list[float]) -> float:
    """What an action is worth to a distribution, by its definition: number by number, in Python."""
    if isinstance(distribution, Categorical):
        exponentials = [math.exp(x) for x in out]
        share = exponentials[action.index(1.0)] / sum(exponentials)
        return math.log((1 - 0.04) * share + 0.04 / 3)
    size, total = len(action), 0.0
    for mean, raw, value in zip(out[:size], out[size:], action, strict=True):
        if isinstance(distribution, BoundedNormal):
            centre, deviation = math.tanh(mean), 0.1 + 0.9 / (1 + math.exp(-(raw + 2.0)))
            place, slope = value, 1.0
        else:
            centre = 2.0 * math.tanh(mean / 2.0)
            deviation = math.log(1 + math.exp(raw + math.log(math.e - 1))) + 0.1
            place, slope = math.atanh(value), 1 - value**2
        density = math.exp(-0.5 * ((place - centre) / deviation) ** 2) / (deviation * math.sqrt(2 * math.pi))
        total += math.log(density / slope)
    return total


@pytest.mark.parametrize("distribution", [BOUNDED, TANH, CHOICES], ids=lambda d: type(d).__name__)
def test_the_loss_is_minus_the_mean_log_density_of_what_a_person_did(distribution: Distribution) -> None:
    actor, posterior = _Actor(distribution.outputs), _posterior()
    batch = _batch(DISCRETE if distribution is CHOICES else CONTINUOUS)
    batch = batch._replace(action=(0.95 * batch.action if distribution is TANH else batch.action).double())
    outs = actor(*posterior[:2]).detach()
    densities = [_log_density(distribution, outs[i].tolist(), batch.action[i].tolist()) for i in PERSONS]
    loss, metrics = cloning_loss(actor, distribution, posterior, batch)
    assert float(loss.detach()) == pytest.approx(-sum(densities) / len(densities), rel=1e-9)
    assert float(metrics["cloning_loss"]) == float(loss.detach())
    assert float(metrics["cloned_share"]) == pytest.approx(len(PERSONS) / (BATCH * TIME))


@pytest.mark.parametrize("distribution", [BOUNDED, TANH, CHOICES], ids=lambda d: type(d).__name__)
def test_its_gradient_is_added_to_the_actors_as_finite_differences_say_and_goes_nowhere_else(
    distribution: Distribution,
) -> None:
    actor, posterior = _Actor(distribution.outputs), _posterior()
    batch = _batch(DISCRETE if distribution is CHOICES else CONTINUOUS)
    batch = batch._replace(action=batch.action.double())
    posterior.deter.requires_grad_()
    actor.weight.grad = there = torch.rand_like(actor.weight)
    before = there.clone()
    add_cloning(actor, distribution, posterior, batch, SCALE)
    assert actor.weight.grad is not None
    added = (actor.weight.grad - before).flatten()
    flat = actor.weight.data.view(-1)
    slopes = numeric_gradient(lambda: SCALE * cloning_loss(actor, distribution, posterior, batch)[0].detach(), flat)
    torch.testing.assert_close(added, slopes, rtol=1e-5, atol=1e-7)
    assert posterior.deter.grad is None


def test_the_last_row_of_an_episode_and_rows_that_only_fill_have_no_action_to_learn_from() -> None:
    """An import gives the last observation of an episode, on which nothing was done, as the person's as well."""
    actor, posterior, batch = _Actor(4), _posterior(), _batch(CONTINUOUS)
    only = batch._replace(source=torch.full_like(batch.source, Source.POLICY))
    only.source[0, 1] = Source.TELEOP
    more = only._replace(source=only.source.clone(), is_last=batch.is_last.clone(), valid=batch.valid.clone())
    for row, time in ((1, 1), (2, 2)):
        more.source[row, time] = Source.TELEOP
    more.is_last[1, 1], more.valid[2, 2] = 1.0, False
    expected, metrics = cloning_loss(actor, BOUNDED, posterior, only)
    loss, others = cloning_loss(actor, BOUNDED, posterior, more)
    assert float(loss.detach()) == float(expected.detach())
    assert float(others["cloned_share"]) == float(metrics["cloned_share"]) == pytest.approx(1 / (BATCH * TIME))


def test_a_person_at_full_stick_pulls_an_actor_that_never_reaches_its_bounds_no_further_than_it_goes() -> None:
    """Before the tanh a bound is infinitely far."""
    out = torch.zeros(1, 4, requires_grad=True)
    pulled = TANH.log_prob(out, torch.tensor([[1.0, -1.0]]))
    pulled.sum().backward()
    assert torch.isfinite(pulled).all()
    assert out.grad is not None
    assert torch.isfinite(out.grad).all()
    assert out.grad[0, 0] > 0.0 > out.grad[0, 1]
    farthest = math.tanh(2.0)
    torch.testing.assert_close(pulled, TANH.log_prob(out, torch.tensor([[farthest, -farthest]])))


def _agent(name: str, action: ActionSpec, **changes: object) -> Agent:
    config = ALL[name].model_copy(update=changes)
    return make_agent(OBSERVATION, action, config, torch.device("cpu"), seed=0)


def _for(agent: Agent, batch: Batch) -> dict[str, Batch]:
    return {"sequences": batch if agent.remembers else forgetful(batch)}


def _learned(agent: Agent, *batches: Batch) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Everything that an agent is after updates on these batches, and the metrics of the last."""
    metrics: dict[str, Tensor] = {}
    for batch in batches:
        metrics = dict(agent.update(_for(agent, batch)).metrics)
    return split(copy.deepcopy(agent.state_dict()))[1], metrics


@each_agent
@each_action
def test_without_it_nobody_asks_who_drove(name: str, action: ActionSpec) -> None:
    seeds = range(3)
    persons, metrics = _learned(_agent(name, action), *(_batch(action, Source.TELEOP, seed) for seed in seeds))
    policys, others = _learned(_agent(name, action), *(_batch(action, Source.POLICY, seed) for seed in seeds))
    assert persons.keys() == policys.keys()
    assert all(torch.equal(values, policys[key]) for key, values in persons.items())
    assert all(torch.equal(value, others[key]) for key, value in metrics.items())
    assert not {"cloning_loss", "cloned_share"} & metrics.keys()


@each_agent
@each_action
def test_rows_of_the_policy_do_not_count(name: str, action: ActionSpec) -> None:
    seeds = range(3)
    off, _ = _learned(_agent(name, action), *(_batch(action, Source.POLICY, seed) for seed in seeds))
    on, metrics = _learned(
        _agent(name, action, cloning_scale=SCALE), *(_batch(action, Source.POLICY, seed) for seed in seeds)
    )
    assert off.keys() == on.keys()
    assert all(torch.equal(values, on[key]) for key, values in off.items())
    assert metrics["cloning_loss"] == metrics["cloned_share"] == 0.0


@each_agent
@each_action
def test_an_update_moves_the_actor_otherwise_and_nothing_else(name: str, action: ActionSpec) -> None:
    off, _ = _learned(_agent(name, action), _batch(action))
    on, metrics = _learned(_agent(name, action, cloning_scale=SCALE), _batch(action))
    networks = {key for key in off if key.startswith("networks.")}
    otherwise = {key for key in networks if not torch.equal(off[key], on[key])}
    assert otherwise
    assert all(key.startswith("networks.actor.") for key in otherwise)
    assert metrics["left_out"] == 0.0
    assert float(metrics["cloned_share"]) == pytest.approx(len(PERSONS) / (BATCH * TIME))


@each_agent
@each_action
def test_updates_make_the_actor_do_what_the_person_did(name: str, action: ActionSpec) -> None:
    changes = {"rate": RATE} if name == "dreamerv3" else {"actor_rate": RATE}
    # As certain as Dreamer v1's actor may become as published, every draw of the latents makes another loss.
    changes |= {"action_min_std": 0.1} if name == "dreamer-v1" else {}
    agent = _agent(name, action, cloning_scale=10.0, **changes)
    batch = _batch(action)
    losses = [float(agent.update(_for(agent, batch)).metrics["cloning_loss"]) for _ in range(60)]
    assert sum(losses[-5:]) < sum(losses[:5]) - 5 * 0.2


@each_agent
@each_action
def test_an_update_with_it_waits_for_no_device(name: str, action: ActionSpec) -> None:
    agent = _agent(name, action, cloning_scale=SCALE)
    batches = _for(agent, _batch(action))
    agent.update(batches)
    with Reads() as reads:
        agent.update(batches)
    assert reads.count == 0


@pytest.mark.parametrize("name", ALL)
def test_one_graph_can_hold_an_update_whoever_drove(name: str) -> None:
    """On the meta device nothing can be read."""
    config = ALL[name].model_copy(update={"cloning_scale": SCALE})
    agent = make_agent(PICTURES, CONTINUOUS, config, torch.device("meta"), seed=0)
    parts = _for(agent, remembered_batch(CONTINUOUS, PICTURES))["sequences"]
    moved = (
        {n: v.to("meta") for n, v in part.items()} if isinstance(part, dict) else part.to("meta") for part in parts
    )
    metrics = agent.update({"sequences": Batch(*moved)}).metrics
    assert metrics["cloning_loss"].is_meta
    assert all(value.shape == () for value in metrics.values())


def test_what_is_drawn_from_replay_says_who_drove() -> None:
    replay: Replay = make_replay()
    sources = [Source(index % len(Source)) for index in range(30)]
    for index, source in enumerate(sources):
        step = make_step(index, first=index == 0)
        action = Action(step.action.key, step.action.values, source)
        assert replay.append(Step(step.observation, action))
    batch = Batch.of(Sequences(8, 5).read(replay, np.random.default_rng(0)), torch.device("cpu"))
    assert batch.source.tolist() == [[sources[row] for row in rows] for rows in batch.row.tolist()]


@pytest.mark.parametrize("preset", ["dreamer-cpu", "daydreamer-cpu", "dreamerv3-cpu", "dreamer-v1-cpu"])
def test_it_is_a_setting_of_every_dreamer_that_is_off_and_never_pushes_away(preset: str) -> None:
    agent = load_run("pendulum", {"task.agent": preset}).agent
    assert isinstance(agent, ActorSettings)
    assert agent.cloning_scale == 0.0
    with pytest.raises(ConfigError, match=r"agent\.cloning_scale: .*greater than or equal to 0"):
        load_run("pendulum", {"task.agent": preset, "agent.cloning_scale": -0.1})
