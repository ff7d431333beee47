"""Dreamer's returns and gradients agree with independent computations of them."""

import copy

import pytest
import torch

from robot_mbrl.agents.dreamer import Dreamer
from robot_mbrl.agents.imagination import Dream, frozen, imagine, lambda_return
from robot_mbrl.specs import ActionSpec
from robot_mbrl.world_models.state import State
from tests.agents.settings import CONTINUOUS, DISCRETE, make_agent, make_batch


def _starts(agent: Dreamer, count: int = 7) -> State:
    config = agent.config
    generator = torch.Generator().manual_seed(3)
    deter = torch.rand(count, config.deter, generator=generator) * 2 - 1
    return State(deter, torch.randint(config.classes, (count, config.stoch), generator=generator))


def _imagine(agent: Dreamer, start: State) -> Dream:
    return imagine(
        agent.model.rssm,
        agent.actor,
        agent.distribution,
        start,
        agent.config.horizon,
        torch.Generator().manual_seed(5),
        through_dynamics=agent.through_dynamics,
    )


def test_lambda_return_is_the_weighted_mean_of_all_n_step_returns() -> None:
    generator = torch.Generator().manual_seed(0)
    reward, discount = torch.rand(2, 5, generator=generator), torch.rand(2, 5, generator=generator)
    value, decay, horizon = torch.randn(2, 6, generator=generator), 0.9, 5

    def n_step(start: int, steps: int) -> torch.Tensor:
        total, weight = torch.zeros(2), torch.ones(2)
        for k in range(start, start + steps):
            total = total + weight * reward[:, k]
            weight = weight * discount[:, k]
        return total + weight * value[:, start + steps]

    for start in range(horizon):
        left = horizon - start
        expected = sum((1 - decay) * decay ** (n - 1) * n_step(start, n) for n in range(1, left))
        expected = expected + decay ** (left - 1) * n_step(start, left)
        torch.testing.assert_close(lambda_return(reward, discount, value, decay)[:, start], expected)


def test_actor_gradient_through_the_dynamics_equals_differentiating_the_whole_dream_at_once() -> None:
    agent = make_agent(CONTINUOUS)
    config, start = agent.config, _starts(agent)
    with frozen(agent.model):
        dream = _imagine(agent, start)
    agent._learn_behaviour(dream, torch.ones(7))

    generator = torch.Generator().manual_seed(5)
    uniform = torch.rand(config.horizon, 7, config.stoch, generator=generator)
    noise = torch.randn(config.horizon, 7, CONTINUOUS.size, generator=generator)
    model, state, states, outs = agent.model, start, [start], []
    for step in range(config.horizon):
        outs.append(agent.actor(state.deter.detach(), state.latent))
        sample = agent.distribution.sample(outs[-1], noise[step])
        action = sample + (agent.distribution.bounded(sample) - sample).detach()
        state = model.rssm.imagine(state, action, uniform[step])
        states.append(state)
    rewards = torch.stack([model.reward(*s).squeeze(-1) for s in states[1:]], 1)
    discounts = torch.stack([torch.sigmoid(model.continues(*s).squeeze(-1)) for s in states[1:]], 1) * config.discount
    values = torch.stack([agent.twohot.mean(agent.critic(*s)) for s in states], 1)
    returns = lambda_return(rewards, discounts, values, config.return_lambda)
    reached = torch.cat([torch.ones(7, 1), discounts[:, :-1].detach()], 1).cumprod(1)
    scale = (agent.returns.limits[1] - agent.returns.limits[0]).clamp(min=config.return_floor)
    entropy = agent.distribution.entropy(torch.stack(outs, 1))
    loss = -(reached * (returns / scale + config.entropy * entropy)).mean()
    expected = torch.autograd.grad(loss, list(agent.actor.parameters()))
    torch.testing.assert_close([p.grad for p in agent.actor.parameters()], list(expected))


def test_an_imagined_step_is_differentiated_as_finite_differences_say() -> None:
    """Where nothing is straight-through: one class per latent, no action near its bounds, one step."""
    narrow = {"min_std": 0.01, "max_std": 0.02}
    agent = make_agent(CONTINUOUS, classes=1, unimix=0.0, horizon=1, entropy=0.0, **narrow).double()
    start = _starts(agent)
    start = State(start.deter.double(), start.latent)
    weight = agent.actor.last.bias
    with torch.no_grad():  # how far imagination reaches weighs the objective, but is no part of what is differentiated
        agent.model.continues.network.last.weight.zero_()

    def objective() -> torch.Tensor:
        with frozen(agent.model):
            dream = _imagine(agent, start)
            agent.returns.limits.zero_()
            return agent._learn_behaviour(dream, torch.ones(7, dtype=torch.float64))["actor_loss"]

    objective()
    analytic = weight.grad
    assert analytic is not None
    analytic = analytic.clone()
    epsilon = 1e-5
    for position in range(weight.numel()):
        weight.data[position] += epsilon
        above = objective()
        weight.data[position] -= 2 * epsilon
        below = objective()
        weight.data[position] += epsilon
        numeric = (above - below) / (2 * epsilon)
        torch.testing.assert_close(analytic[position], numeric, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("action", [CONTINUOUS, DISCRETE], ids=["continuous", "discrete"])
def test_reinforce_raises_the_probability_of_what_turned_out_well(action: ActionSpec) -> None:
    agent = make_agent(action, actor_gradient="reinforce", entropy=0.0)
    with torch.no_grad():
        dream = _imagine(agent, _starts(agent))
        out = agent.actor(*dream.departed())
        drawn = agent.distribution.sample(out, dream.noise)
        before = agent.distribution.log_prob(out, drawn)
    agent._learn_behaviour(dream, torch.ones(7))
    with torch.no_grad():
        for parameter in agent.actor.parameters():
            assert parameter.grad is not None
            parameter -= 1e-4 * parameter.grad
        after = agent.distribution.log_prob(agent.actor(*dream.departed()), drawn)
        arrived, model = dream.arrived(), agent.model
        reward = model.reward(*arrived).squeeze(-1)
        discount = agent.config.discount * torch.sigmoid(model.continues(*arrived).squeeze(-1))
        value = agent.twohot.mean(agent.critic(*dream.states))
        advantage = lambda_return(reward, discount, value, agent.config.return_lambda) - value[:, :-1]
    assert ((after - before) * advantage).sum() > 0


def test_a_step_on_what_overflows_is_left_out() -> None:
    agent = make_agent(CONTINUOUS)
    batch = make_batch(CONTINUOUS)
    agent.update(batch, torch.Generator())
    before = copy.deepcopy(dict(agent.named_parameters()))
    overflowing = batch._replace(reward=torch.full_like(batch.reward, 1e30))
    _, metrics = agent.update(overflowing, torch.Generator())
    assert metrics["left_out"] == 1.0
    assert all(torch.equal(p, before[name]) for name, p in agent.named_parameters() if "slow_critic" not in name)
    _, metrics = agent.update(batch, torch.Generator())
    assert metrics["left_out"] == 0.0
    assert not torch.equal(agent.actor.last.weight, before["actor.last.weight"])


def test_rates_grow_linearly_while_it_warms_up() -> None:
    warm, cold = (make_agent(CONTINUOUS, warmup_updates=updates) for updates in (0, 4))
    before = copy.deepcopy(dict(cold.named_parameters()))
    for agent in (warm, cold):
        agent.update(make_batch(CONTINUOUS), torch.Generator().manual_seed(0))
    for (name, full), quarter in zip(warm.named_parameters(), cold.parameters(), strict=True):
        if "slow_critic" not in name:
            torch.testing.assert_close(4 * (quarter - before[name]), full - before[name], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("action", [CONTINUOUS, DISCRETE], ids=["continuous", "discrete"])
def test_reinforce_equals_the_gradient_of_the_log_density_of_what_was_drawn(action: ActionSpec) -> None:
    """With wide actors many draws are clipped: their density is that of the draw, not of its clipped image."""
    agent = make_agent(action, actor_gradient="reinforce", entropy=0.0, min_std=0.9)
    with torch.no_grad():
        dream = _imagine(agent, _starts(agent))
    objective = agent._learn_behaviour(dream, torch.ones(7))["actor_loss"]
    model, config = agent.model, agent.config
    with torch.no_grad():
        reward = model.reward(*dream.arrived()).squeeze(-1)
        discount = config.discount * torch.sigmoid(model.continues(*dream.arrived()).squeeze(-1))
        value = agent.twohot.mean(agent.critic(*dream.states))
        reached = torch.cat([torch.ones(7, 1), discount[:, :-1]], 1).cumprod(1)
        scale = (agent.returns.limits[1] - agent.returns.limits[0]).clamp(min=config.return_floor)
        advantage = (lambda_return(reward, discount, value, config.return_lambda) - value[:, :-1]) / scale
    out = agent.actor(*dream.departed())
    if action.discrete:
        chosen = torch.stack(dream.actions, 1).argmax(-1)
        probs = (1 - config.action_unimix) * torch.softmax(out, -1) + config.action_unimix / action.size
        density = probs.gather(-1, chosen.unsqueeze(-1)).squeeze(-1).log()
    else:
        mean, raw = out.chunk(2, -1)
        std = 0.9 + 0.1 * torch.sigmoid(raw + 2.0)
        normal = torch.distributions.Normal(torch.tanh(mean), std)
        drawn = (normal.mean + std * dream.noise).detach()
        assert (drawn.abs() > 1.0).any()
        density = normal.log_prob(drawn).sum(-1)
    loss = -(reached * density * advantage).mean()
    torch.testing.assert_close(loss.detach(), objective)
    expected = torch.autograd.grad(loss, list(agent.actor.parameters()))
    torch.testing.assert_close([p.grad for p in agent.actor.parameters()], list(expected))
