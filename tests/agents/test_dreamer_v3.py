"""DreamerV3 learns behaviour as its authors' code does: by Reinforce, with a critic that learns on replay as well."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from robot_mbrl.agents.dreamer_v3 import DreamerV3
from robot_mbrl.agents.families import make_agent
from robot_mbrl.agents.imagination import Dream, imagine
from robot_mbrl.agents.imagining_agent import ImaginingAgent
from robot_mbrl.specs import ActionSpec
from robot_mbrl.world_models.state import State
from tests.agents.imagining import DREAMER_V3, imagining_agent, numeric_gradient, remembered_batch, starts_of
from tests.agents.settings import BATCH, CONTINUOUS, DISCRETE, OBSERVATION, TIME

HORIZON, LAMBDA = 4, 0.95


def _agent(action: ActionSpec = CONTINUOUS, **changes: object) -> tuple[ImaginingAgent, DreamerV3]:
    agent = imagining_agent(DREAMER_V3.model_copy(update=changes), action)
    assert isinstance(agent.networks, DreamerV3)
    return agent, agent.networks


def _dream(agent: ImaginingAgent, networks: DreamerV3) -> Dream:
    with torch.no_grad():
        return imagine(
            networks.model.rssm, networks.actor, networks.distribution, starts_of(agent), HORIZON,
            torch.Generator().manual_seed(5), through_dynamics=False,
        )  # fmt: skip


@torch.no_grad()
def _returns(networks: DreamerV3, states: State) -> tuple[Tensor, Tensor, Tensor]:
    """Returns, values and weights (N, H), by the recursion."""
    twohot = networks.critic.likelihood
    value, reward = twohot.mean(networks.critic(*states)), twohot.mean(networks.model.reward(*states))
    going_on = torch.sigmoid(networks.model.continues(*states).squeeze(-1))
    following, returns = value[:, -1], []
    for step in reversed(range(HORIZON)):
        mixed = (1 - LAMBDA) * value[:, step + 1] + LAMBDA * following
        following = reward[:, step + 1] + going_on[:, step + 1] * mixed
        returns.insert(0, following)
    weight = torch.stack([going_on[:, : step + 1].prod(1) for step in range(HORIZON)], 1)
    return torch.stack(returns, 1), value[:, :-1], weight


def _cross_entropy(networks: DreamerV3, logits: Tensor, target: Tensor) -> Tensor:
    """Towards the two-hot encodings of targets, made by interpolation."""
    bins, size = networks.critic.likelihood.bins, logits.shape[-1]
    places = np.asarray(np.interp(target.double().numpy(), bins.double().numpy(), np.arange(size)))
    low = torch.tensor(np.floor(places)).long().clamp(max=size - 2)
    share = torch.tensor(places).to(logits.dtype) - low
    encoded = torch.zeros_like(logits)
    encoded.scatter_(-1, low.unsqueeze(-1), (1 - share).unsqueeze(-1))
    encoded.scatter_(-1, low.unsqueeze(-1) + 1, share.unsqueeze(-1))
    return -(encoded * torch.log_softmax(logits, -1)).sum(-1)


def _density(networks: DreamerV3, out: Tensor, dream: Dream) -> tuple[Tensor, Tensor]:
    """Log-density of what was drawn, and entropy, (N, H)."""
    if out.shape[-1] == DISCRETE.size:
        probs = 0.99 * torch.softmax(out, -1) + 0.01 / 3
        chosen = torch.stack(dream.actions, 1).argmax(-1, keepdim=True)
        return probs.gather(-1, chosen).squeeze(-1).log(), -(probs * probs.log()).sum(-1)
    mean, raw = out.chunk(2, -1)
    normal = torch.distributions.Normal(torch.tanh(mean), 0.9 * torch.sigmoid(raw + 2.0) + 0.1)
    drawn = (normal.mean + normal.stddev * dream.noise).detach()
    return normal.log_prob(drawn).sum(-1), normal.entropy().sum(-1)


@pytest.mark.parametrize("action", [CONTINUOUS, DISCRETE], ids=["continuous", "discrete"])
def test_the_actor_is_reinforced_by_advantages_in_units_of_the_returns_range(action: ActionSpec) -> None:
    agent, networks = _agent(action)
    dream = _dream(agent, networks)
    networks.returns.limits.copy_(torch.tensor([-2.0, 3.0]))
    losses, _ = networks._imagined(dream)
    returns, value, weight = _returns(networks, dream.states)
    limits = np.array([-2.0, 3.0]) + 0.01 * (np.percentile(returns.numpy(), [5, 95]) - np.array([-2.0, 3.0]))
    scale = max(1.0, float(limits[1] - limits[0]))
    density, entropy = _density(networks, networks.actor(*dream.departed()), dream)
    loss = -(weight * (density * (returns - value) / scale + 3e-4 * entropy)).mean()
    torch.testing.assert_close(losses.metrics["actor_loss"], loss.detach(), rtol=1e-4, atol=1e-6)
    expected = torch.autograd.grad(loss, list(networks.actor.parameters()))
    found = torch.autograd.grad(losses.total, list(networks.actor.parameters()))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_the_actors_gradient_is_that_of_finite_differences() -> None:
    agent, networks = _agent()
    networks.double()
    dream, limits = _dream(agent, networks), networks.returns.limits.clone()
    bias = networks.actor.outputs.layers[1].bias

    def objective() -> Tensor:
        networks.returns.limits.copy_(limits)
        return networks._imagined(dream)[0].metrics["actor_loss"]

    networks.returns.limits.copy_(limits)
    (analytic,) = torch.autograd.grad(networks._imagined(dream)[0].total, [bias])
    torch.testing.assert_close(analytic, numeric_gradient(objective, bias), rtol=1e-6, atol=1e-9)


def test_reinforce_ascends_the_expected_return_of_one_choice() -> None:
    """Over many draws, the gradient is that of the return's expectation, which a single choice has in closed form."""
    _, networks = _agent(DISCRETE)
    out = torch.randn(3, requires_grad=True)
    probs = 0.99 * torch.softmax(out, -1) + 0.01 / 3
    gains = torch.tensor([1.0, -2.0, 0.5])
    (expected,) = torch.autograd.grad((probs * gains).sum(), [out], retain_graph=True)
    noise = torch.rand(200_000, 1, generator=torch.Generator().manual_seed(0))
    drawn = networks.distribution.sample(out.detach().expand(len(noise), -1), noise)
    surrogate = (networks.distribution.log_prob(out.expand(len(noise), -1), drawn) * (drawn * gains).sum(-1)).mean()
    (found,) = torch.autograd.grad(surrogate, [out])
    torch.testing.assert_close(found, expected, atol=0.01, rtol=0)


def test_the_critic_learns_the_live_returns_and_stays_near_its_average() -> None:
    agent, networks = _agent()
    with torch.no_grad():
        for parameter in networks.slow_critic.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    dream = _dream(agent, networks)
    losses, found = networks._imagined(dream)
    returns, _, weight = _returns(networks, dream.states)
    torch.testing.assert_close(found, returns, rtol=1e-4, atol=1e-4)
    logits = networks.critic(*dream.departed())
    slow = networks.critic.likelihood.mean(networks.slow_critic(*dream.departed())).detach()
    error = _cross_entropy(networks, logits, returns) + _cross_entropy(networks, logits, slow)
    loss = (weight * error).mean()
    torch.testing.assert_close(losses.metrics["critic_loss"], loss.detach(), rtol=1e-4, atol=1e-5)
    expected = torch.autograd.grad(loss, list(networks.critic.parameters()))
    found_gradients = torch.autograd.grad(losses.total, list(networks.critic.parameters()))
    torch.testing.assert_close(found_gradients, expected, rtol=1e-3, atol=1e-6)


def _replay_loss(networks: DreamerV3, states: State, imagined: Tensor) -> Tensor:
    """The critic's loss on replayed sequences, episode's ends and all, step by step."""
    batch, discount = remembered_batch(), 1.0 - 1.0 / 333.0
    logits = networks.critic(*states)
    slow = networks.critic.likelihood.mean(networks.slow_critic(*states)).detach()
    total = torch.zeros(())
    for row in range(BATCH):
        following = imagined[row, -1]
        for time in reversed(range(TIME - 1)):
            ends, last = batch.is_terminal[row, time + 1], batch.is_last[row, time + 1]
            share = 0.0 if last else LAMBDA
            mixed = (1 - share) * imagined[row, time + 1] + share * following
            following = batch.reward[row, time + 1] + (0.0 if ends else discount) * mixed
            if not batch.is_last[row, time]:
                error = _cross_entropy(networks, logits[row, time], following)
                total = total + error + _cross_entropy(networks, logits[row, time], slow[row, time])
    return total / (BATCH * (TIME - 1))


def test_the_critics_loss_on_replay_stops_at_the_ends_of_episodes_and_moves_the_states() -> None:
    _, networks = _agent()
    deter = torch.randn(BATCH, TIME, 16, requires_grad=True)
    probs = torch.softmax(torch.randn(BATCH, TIME, 4, 5), -1).requires_grad_()
    states = State(deter, torch.randint(5, (BATCH, TIME, 4)), probs)
    imagined = torch.randn(BATCH, TIME)
    losses = networks._replayed(remembered_batch(), states, imagined)
    expected = _replay_loss(networks, states, imagined)
    torch.testing.assert_close(losses.total, expected, rtol=1e-4, atol=1e-4)
    inputs = [deter, probs, *networks.critic.parameters()]
    found = torch.autograd.grad(losses.total, inputs)
    torch.testing.assert_close(found, torch.autograd.grad(expected, inputs), rtol=1e-3, atol=1e-5)
    assert found[0][:, :-1].any()


def test_only_the_last_states_of_each_sequence_are_imagined_from_and_valued_if_so_wanted() -> None:
    _, networks = _agent()
    states = State(torch.randn(BATCH, TIME, 16), torch.randint(5, (BATCH, TIME, 4)))
    imagined, batch = torch.randn(BATCH, 3), remembered_batch()
    names = ("reward", "is_first", "is_last", "is_terminal")
    short = batch._replace(**{name: getattr(batch, name)[:, -3:] for name in names})
    recent = State(states.deter[:, -3:], states.latent[:, -3:])
    found = networks._replayed(batch, states, imagined).total
    assert torch.equal(found, networks._replayed(short, recent, imagined).total)


def test_where_experience_was_cut_off_no_value_depends_on_what_comes_after() -> None:
    _, networks = _agent()
    deter = torch.randn(BATCH, TIME, 16, requires_grad=True)
    states = State(deter, torch.randint(5, (BATCH, TIME, 4)))
    imagined, batch = torch.randn(BATCH, TIME), remembered_batch()
    batch.is_first[1, 4] = 1.0  # without an end of the episode before
    richer = batch._replace(reward=batch.reward.clone())
    richer.reward[1, 4:] += 100.0
    one, other = (
        torch.autograd.grad(networks._replayed(b, states, imagined).total, [deter])[0] for b in (batch, richer)
    )
    assert torch.equal(one[1, :4], other[1, :4])
    assert not one[1, 3].any()  # of the last state before the cut nothing is known
    assert not torch.equal(one[1, 4:], other[1, 4:])


def test_the_world_model_learns_from_the_critics_loss_on_replay() -> None:
    agent, networks = _agent()
    other_agent, other = _agent(replay_value_scale=0.0)
    for each in (agent, other_agent):
        each.update({"sequences": remembered_batch()})
    encoder = "encoder.vectors.0.0.weight"
    assert not torch.equal(networks.model.get_parameter(encoder), other.model.get_parameter(encoder))


def test_the_slow_critic_follows_by_a_fiftieth_of_the_way() -> None:
    agent, networks = _agent()
    before = copy.deepcopy(networks.slow_critic)
    agent.update({"sequences": remembered_batch()})
    for slow, old, fast in zip(
        networks.slow_critic.parameters(), before.parameters(), networks.critic.parameters(), strict=True
    ):
        torch.testing.assert_close(slow, old + 0.02 * (fast - old))


def test_rewards_and_values_are_zero_at_first_and_actions_wide() -> None:
    fresh = make_agent(OBSERVATION, CONTINUOUS, DREAMER_V3, torch.device("cpu"), seed=0)
    assert isinstance(fresh, ImaginingAgent)
    networks, state = fresh.networks, starts_of(fresh)
    assert not networks.critic.mean(*state).any()
    assert not networks.model.reward.mean(*state).any()
    mean, std = networks.distribution.parameters_of(networks.actor(*state))
    assert float(mean.detach().abs().max()) < 0.1
    torch.testing.assert_close(std, torch.full_like(std, 0.1 + 0.9 / (1 + math.exp(-2.0))), atol=0.02, rtol=0)
