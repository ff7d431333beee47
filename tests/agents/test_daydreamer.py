"""DayDreamer learns behaviour as its authors' code does: normalised advantages over a critic copied now and then."""

import copy
import math

import pytest
import torch
from torch import Tensor

from robot_mbrl.agents.daydreamer import DayDreamer
from robot_mbrl.agents.imagination import Dream, frozen, imagine
from robot_mbrl.agents.imagining_agent import ImaginingAgent
from robot_mbrl.nets.twohot import symexp, symlog
from robot_mbrl.specs import ActionSpec
from robot_mbrl.world_models.state import State
from tests.agents.imagining import (
    DAYDREAMER,
    forgetful,
    ignore_states,
    imagining_agent,
    numeric_gradient,
    remembered_batch,
    starts_of,
)
from tests.agents.settings import CONTINUOUS, DISCRETE

COUNT, HORIZON, DISCOUNT, LAMBDA = 7, 4, 0.995, 0.95
ALIVE = torch.tensor([1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0])
"""One of the states that imagination starts from was terminal."""


def _agent(action: ActionSpec = CONTINUOUS, **changes: object) -> tuple[ImaginingAgent, DayDreamer]:
    agent = imagining_agent(DAYDREAMER.model_copy(update=changes), action)
    assert isinstance(agent.networks, DayDreamer)
    return agent, agent.networks


def _imagined(agent: ImaginingAgent, networks: DayDreamer) -> tuple[Dream, Tensor, Tensor, Tensor]:
    """A dream with its rewards, discounts and weights (N, H)."""
    model = networks.model
    with frozen(model):
        dream = imagine(
            model.rssm, networks.actor, networks.distribution, starts_of(agent), HORIZON,
            torch.Generator().manual_seed(5), through_dynamics=networks.through_dynamics,
        )  # fmt: skip
        reward = symexp(model.reward(*dream.arrived()).squeeze(-1))
        discount = DISCOUNT * torch.sigmoid(model.continues(*dream.arrived()).squeeze(-1))
    weight = [ALIVE.to(reward.dtype)]
    for step in range(HORIZON - 1):
        weight.append(weight[-1] * discount[:, step].detach())
    return dream, reward, discount, torch.stack(weight, 1)


def _advantages(networks: DayDreamer, states: State, reward: Tensor, discount: Tensor) -> tuple[Tensor, Tensor]:
    """Returns and advantages (N, H) over the slow critic, by the recursion."""
    value = symexp(networks.slow_critic(*states).squeeze(-1))
    following, returns = value[:, -1], []
    for step in reversed(range(HORIZON)):
        mixed = (1 - LAMBDA) * value[:, step + 1] + LAMBDA * following
        following = reward[:, step] + discount[:, step] * mixed
        returns.insert(0, following)
    stacked = torch.stack(returns, 1)
    return stacked, stacked - value[:, :-1]


def _bonus(networks: DayDreamer, out: Tensor) -> Tensor:
    """Weighted normalised entropies (N, H), by what the weights are now."""
    weight = networks.entropy_weight.weight
    if out.shape[-1] == DISCRETE.size:
        probs = 0.9 * torch.softmax(out, -1) + 0.1 / 3
        return weight * -(probs * probs.log()).sum(-1) / math.log(3)
    std = 0.9 * torch.sigmoid(out.chunk(2, -1)[1]) + 0.1
    return (weight * (std / 0.1).log() / math.log(10.0)).sum(-1)


def _normalised(networks: DayDreamer, advantage: Tensor) -> Tensor:
    mean = advantage.detach().mean()
    deviation = (advantage.detach().square().mean() - mean.square()).sqrt()
    return (advantage - mean) / deviation  # the first update's moments, without their bias, are its own


def test_the_critic_regresses_what_the_slow_critic_completes_in_symlog_space() -> None:
    agent, networks = _agent()
    dream, reward, discount, weight = _imagined(agent, networks)
    target, _ = _advantages(networks, dream.states, reward, discount)
    metrics = networks._critic_gradient(dream, reward, discount, weight)
    out = networks.critic(*dream.departed()).squeeze(-1)
    loss = (weight * (out - symlog(target.detach())).square()).mean()
    torch.testing.assert_close(metrics["critic_loss"], loss.detach())
    expected = torch.autograd.grad(loss, list(networks.critic.parameters()))
    torch.testing.assert_close([p.grad for p in networks.critic.parameters()], list(expected))


def test_continuous_actions_ascend_normalised_advantages_through_the_dynamics() -> None:
    agent, networks = _agent()
    networks._actor_gradient(*_imagined(agent, networks))
    found = [p.grad for p in networks.actor.parameters()]

    generator, start = torch.Generator().manual_seed(5), starts_of(agent)
    uniform = torch.rand(HORIZON, COUNT, 4, generator=generator)
    noise = torch.randn(HORIZON, COUNT, 2, generator=generator)
    model, state, states, outs = networks.model, start, [], []
    for step in range(HORIZON):
        outs.append(networks.actor(state.deter.detach(), state.latent))
        sample = networks.distribution.sample(outs[-1], noise[step])
        action = sample + (sample.clamp(-1.0, 1.0) - sample).detach()
        state = model.rssm.imagine(state, action, uniform[step])
        states.append(state)
    arrived = State(*(torch.stack(parts, 1) for parts in zip(*states, strict=True)))
    reward = symexp(model.reward(*arrived).squeeze(-1))
    discount = DISCOUNT * torch.sigmoid(model.continues(*arrived).squeeze(-1))
    value = torch.cat([networks.slow_critic(*start).view(-1, 1), networks.slow_critic(*arrived).squeeze(-1)], 1)
    following, advantages = symexp(value[:, -1]), []
    for step in reversed(range(HORIZON)):
        mixed = (1 - LAMBDA) * symexp(value[:, step + 1]) + LAMBDA * following
        following = reward[:, step] + discount[:, step] * mixed
        advantages.insert(0, following - symexp(value[:, step]))
    weight = torch.cat([ALIVE.unsqueeze(1), discount[:, :-1].detach()], 1).cumprod(1)
    advantage = _normalised(networks, torch.stack(advantages, 1))
    loss = -(weight * (advantage + _bonus(networks, torch.stack(outs, 1)))).mean()
    expected = torch.autograd.grad(loss, list(networks.actor.parameters()))
    torch.testing.assert_close(found, list(expected), rtol=1e-4, atol=1e-6)


def test_the_actors_gradient_is_that_of_finite_differences() -> None:
    """Where nothing is straight-through: one class per latent, no action near its bounds."""
    agent, networks = _agent(classes=1, min_std=0.01, max_std=0.02)
    networks.double()
    ignore_states(networks.actor)
    with torch.no_grad():  # how far imagination reaches weighs the objective, but is no part of what is differentiated
        networks.model.continues.network.outputs.layers[0].weight.zero_()
    bias = networks.actor.outputs.layers[0].bias
    networks._actor_gradient(*_imagined(agent, networks))
    analytic = bias.grad
    assert analytic is not None
    moments = copy.deepcopy(networks.advantages)
    entropy_weight = networks.entropy_weight.weight.clone()

    def objective() -> Tensor:
        dream, reward, discount, weight = _imagined(agent, networks)
        with torch.no_grad():
            advantage = moments.normalised(_advantages(networks, dream.states, reward, discount)[1])
            std = networks.distribution.parameters_of(networks.actor(*dream.departed()))[1]
            entropy = (std / 0.01).log() / math.log(2.0)
            return -(weight * (advantage + (entropy_weight * entropy).sum(-1))).mean()

    torch.testing.assert_close(analytic, numeric_gradient(objective, bias), rtol=1e-4, atol=1e-8)
    assert analytic.all()


def test_choices_are_reinforced_by_normalised_advantages() -> None:
    agent, networks = _agent(DISCRETE)
    dream, reward, discount, weight = _imagined(agent, networks)
    networks._actor_gradient(dream, reward, discount, weight)
    with torch.no_grad():
        advantage = _normalised(networks, _advantages(networks, dream.states, reward, discount)[1])
    out = networks.actor(*dream.departed())
    chosen = torch.stack(dream.actions, 1).argmax(-1, keepdim=True)
    density = (0.9 * torch.softmax(out, -1) + 0.1 / 3).gather(-1, chosen).squeeze(-1).log()
    loss = -(weight * (density * advantage + _bonus(networks, out))).mean()
    expected = torch.autograd.grad(loss, list(networks.actor.parameters()))
    torch.testing.assert_close([p.grad for p in networks.actor.parameters()], list(expected))


def test_the_entropy_of_each_action_is_held_by_a_weight_of_its_own() -> None:
    _, networks = _agent()
    networks.entropy_weight.weight.fill_(0.5)
    out = torch.zeros(3, 4, 4)
    out[..., 2], out[..., 3] = -20.0, 20.0  # the least and the greatest deviation
    entropy = networks._normalised_entropy(out)
    torch.testing.assert_close(entropy[0, 0], torch.tensor([0.0, 1.0]), atol=1e-5, rtol=0)
    torch.testing.assert_close(networks._adapted(entropy), torch.tensor([0.55, 0.5 / 1.1]))


def test_the_entropy_target_means_a_deviation() -> None:
    """Published: 0.4 of the range from 0.1 to 1 is a deviation of 0.251, 0.5 is 0.316."""
    _, networks = _agent()
    for std, expected in ((0.251, 0.4), (0.316, 0.5)):
        share = torch.tensor((std - 0.1) / 0.9)
        out = torch.cat([torch.zeros(2), torch.logit(share).expand(2)])
        torch.testing.assert_close(networks._normalised_entropy(out), torch.full((2,), expected), atol=1e-3, rtol=0)


def test_the_slow_critic_is_the_critic_after_updates_1_101_201() -> None:
    _, networks = _agent(slow_critic_every=3)
    copied = []
    for update in range(1, 9):
        with torch.no_grad():
            for parameter in networks.critic.parameters():
                parameter.add_(1.0)
        networks._copy_critic()
        pairs = zip(networks.critic.parameters(), networks.slow_critic.parameters(), strict=True)
        if all(torch.equal(fast, slow) for fast, slow in pairs):
            copied.append(update)
    assert copied == [1, 4, 7]


def test_what_is_imagined_uses_the_model_that_the_same_update_has_trained() -> None:
    agent, networks = _agent()
    still_agent, still = _agent(model_rate=1e-30, weight_decay=0.0)
    batch = forgetful(remembered_batch())
    for each in (agent, still_agent):
        each.update({"sequences": batch})
    assert not torch.equal(networks.critic.network.first.weight, still.critic.network.first.weight)


def test_nothing_is_learned_from_what_would_follow_a_terminal_state() -> None:
    agent, networks = _agent()
    dream, reward, discount, weight = _imagined(agent, networks)
    assert not weight[2].any()
    first = networks._critic_gradient(dream, reward, discount, weight)["critic_loss"]
    other = reward.detach().clone()
    other[2] = 100.0
    assert torch.equal(networks._critic_gradient(dream, other, discount, weight)["critic_loss"], first)


@pytest.mark.parametrize("action", [CONTINUOUS, DISCRETE], ids=["continuous", "discrete"])
def test_continuous_actions_learn_through_the_dynamics_and_choices_by_reinforce(action: ActionSpec) -> None:
    _, networks = _agent(action)
    assert networks.through_dynamics == (not action.discrete)
