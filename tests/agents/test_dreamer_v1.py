"""Dreamer v1 learns behaviour as its paper says: values of states that include their reward, and nothing else."""

import pytest
import torch
from torch import Tensor

from robot_mbrl.agents.dreamer_v1 import DreamerV1
from robot_mbrl.agents.imagining_agent import ImaginingAgent
from robot_mbrl.specs import ActionSpec
from robot_mbrl.world_models.state import State
from tests.agents.imagining import (
    DREAMER_V1,
    batch_for,
    ignore_states,
    imagining_agent,
    numeric_gradient,
    remembered_batch,
    starts_of,
)
from tests.agents.settings import CONTINUOUS, DISCRETE

COUNT, HORIZON, DISCOUNT, LAMBDA = 7, 4, 0.99, 0.95


def _agent(action: ActionSpec = CONTINUOUS, **changes: object) -> tuple[ImaginingAgent, DreamerV1]:
    agent = imagining_agent(DREAMER_V1.model_copy(update=changes), action)
    assert isinstance(agent.networks, DreamerV1)
    return agent, agent.networks


def _dream(networks: DreamerV1, start: State, seed: int = 5) -> State:
    """States 1…H as functions of the actor's weights, imagined step by step."""
    generator = torch.Generator().manual_seed(seed)
    latent_noise = torch.randn(HORIZON, COUNT, 4, generator=generator, dtype=start.deter.dtype)
    shape = HORIZON, COUNT, networks.distribution.noise_size
    draw = torch.randn if networks.distribution.noise == "normal" else torch.rand
    noise = draw(shape, generator=generator, dtype=start.deter.dtype)
    state, states = start, []
    for step in range(HORIZON):
        out = networks.actor(state.deter.detach(), state.latent.detach())
        action = networks.distribution.sample(out, noise[step])
        state = networks.model.rssm.imagine(state, action, latent_noise[step])
        states.append(state)
    return State(torch.stack([s.deter for s in states], 1), torch.stack([s.latent for s in states], 1))


def _weighted_returns(networks: DreamerV1, states: State) -> tuple[Tensor, Tensor]:
    """Lambda-returns of states 1…H-1 by their recursion, and how much each counts."""
    reward = networks.model.reward(*states).squeeze(-1)
    value = networks.critic(*states).squeeze(-1)
    following = value[:, -1]
    returns: list[Tensor] = []
    for step in reversed(range(HORIZON - 1)):
        mixed = (1 - LAMBDA) * value[:, step + 1] + LAMBDA * following
        following = reward[:, step] + DISCOUNT * mixed
        returns.insert(0, following)
    weight = torch.tensor([DISCOUNT**step for step in range(HORIZON - 1)], dtype=value.dtype)
    return torch.stack(returns, 1), weight


@pytest.mark.parametrize("action", [CONTINUOUS, DISCRETE], ids=["continuous", "discrete"])
def test_the_actor_ascends_the_returns_through_the_whole_dream(action: ActionSpec) -> None:
    agent, networks = _agent(action)
    metrics = networks._learn_behaviour(starts_of(agent), torch.Generator().manual_seed(5))
    returns, weight = _weighted_returns(networks, _dream(networks, starts_of(agent)))
    loss = -(weight * returns).mean()
    torch.testing.assert_close(metrics["actor_loss"], loss.detach())
    expected = torch.autograd.grad(loss, list(networks.actor.parameters()))
    torch.testing.assert_close([p.grad for p in networks.actor.parameters()], list(expected))


def test_the_actors_gradient_is_that_of_finite_differences() -> None:
    agent, networks = _agent()
    networks.double()
    ignore_states(networks.actor)
    weight = networks.actor.outputs.layers[0].bias

    def objective() -> Tensor:
        with torch.no_grad():
            returns, counts = _weighted_returns(networks, _dream(networks, starts_of(agent)))
            return -(counts * returns).mean()

    networks._learn_behaviour(starts_of(agent), torch.Generator().manual_seed(5))
    analytic = weight.grad
    assert analytic is not None
    assert analytic.all()
    torch.testing.assert_close(analytic, numeric_gradient(objective, weight), rtol=1e-5, atol=1e-9)


def test_the_critic_regresses_the_returns_of_states_after_the_first_imagined_step() -> None:
    agent, networks = _agent()
    metrics = networks._learn_behaviour(starts_of(agent), torch.Generator().manual_seed(5))
    with torch.no_grad():
        states = _dream(networks, starts_of(agent))
        target, weight = _weighted_returns(networks, states)
    value = networks.critic(states.deter[:, :-1], states.latent[:, :-1]).squeeze(-1)
    loss = (weight * 0.5 * (value - target).square()).mean()
    torch.testing.assert_close(metrics["critic_loss"], loss.detach())
    expected = torch.autograd.grad(loss, list(networks.critic.parameters()))
    torch.testing.assert_close([p.grad for p in networks.critic.parameters()], list(expected))


def test_a_predicted_end_discounts_what_comes_after_and_no_last_state_is_a_start() -> None:
    agent, networks = _agent(predict_continue=True)
    posterior = State(torch.randn(3, 6, 16), torch.randn(3, 6, 4))
    starts = networks._starts(posterior)
    assert torch.equal(starts.deter, posterior.deter[:, :-1].flatten(0, 1))
    metrics = networks._learn_behaviour(starts_of(agent), torch.Generator().manual_seed(5))
    with torch.no_grad():
        states = _dream(networks, starts_of(agent))
        discount = torch.sigmoid(networks.model.discount(*states).squeeze(-1))
        reward, value = (head(*states).squeeze(-1) for head in (networks.model.reward, networks.critic))
        following, losses = value[:, -1], []
        for step in reversed(range(HORIZON - 1)):
            mixed = (1 - LAMBDA) * value[:, step + 1] + LAMBDA * following
            following = reward[:, step] + discount[:, step] * mixed
            losses.append(-discount[:, :step].prod(1) * following)
    torch.testing.assert_close(metrics["actor_loss"], torch.stack(losses).mean())


def test_all_gradients_are_taken_at_the_weights_before_the_update() -> None:
    """With a model that is not allowed to move, actor and critic make the same steps."""
    agent, networks = _agent()
    still_agent, still = _agent(model_rate=1e-30)
    batch = batch_for(agent, remembered_batch())
    for each in (agent, still_agent):
        each.update({"sequences": batch})
    for name in ("actor", "critic"):
        moved, kept = networks.get_submodule(name), still.get_submodule(name)
        assert all(torch.equal(p, q) for p, q in zip(moved.parameters(), kept.parameters(), strict=True))
    assert not torch.equal(networks.model.reward.network.first.weight, still.model.reward.network.first.weight)
