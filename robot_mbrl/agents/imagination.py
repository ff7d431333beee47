"""What all Dreamers share of learning in imagination: the dream, lambda-returns, and gradients through the dynamics.

Shapes: N imagination starts, H horizon, A action; see docs/tensor_shapes.md.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from robot_mbrl.nets.latent_kinds import Latent
from robot_mbrl.nets.policies import BoundedNormal, Categorical, TanhNormal
from robot_mbrl.nets.precision import at_least_single
from robot_mbrl.world_models.batch import Batch
from robot_mbrl.world_models.recurrent import RecurrentModel
from robot_mbrl.world_models.state import State

Distribution = BoundedNormal | TanhNormal | Categorical


class Dream(NamedTuple):
    """Imagined trajectories: states 0…H and the actions between them."""

    states: State
    """(N, H + 1, ...)."""
    actions: tuple[Tensor, ...]
    """H x (N, A), taken at states 0…H-1: where gradients through the dynamics end."""
    draws: Tensor
    """(N, H, A), what the actions were before they were bounded."""
    noise: Tensor
    """(N, H, noise), what they were drawn with."""

    def departed(self) -> State:
        """States 0…H-1, without gradients."""
        return State(self.states.deter[:, :-1].detach(), self.states.latent[:, :-1].detach())

    def arrived(self) -> State:
        """States 1…H."""
        deter, latent, probs = self.states
        return State(deter[:, 1:], latent[:, 1:], None if probs is None else probs[:, 1:])


def draw_noise(
    kind: Literal["normal", "uniform"], shape: tuple[int, ...], like: Tensor, generator: torch.Generator
) -> Tensor:
    """Standard normal noise, or uniform in [0, 1), of the type and on the device of another tensor."""
    draw = torch.randn if kind == "normal" else torch.rand
    return draw(shape, generator=generator, device=like.device, dtype=like.dtype)


def latent_noise(latent: Latent, batch: Batch, generator: torch.Generator) -> Tensor:
    """What the latents of replayed sequences are drawn with, (B, T, S)."""
    return draw_noise(latent.noise, (*batch.reward.shape, latent.stoch), batch.reward, generator)


def last_of_each(states: Tensor, count: int) -> Tensor:
    """The last `count` of each sequence (B, T, ...), or all if it is 0, one after the other: (N, ...)."""
    return states[:, -count:].flatten(0, 1)


def ends(states: State, count: int) -> State:
    """The last `count` states of each sequence, or all if it is 0, without gradients: to imagine from, (N, ...)."""
    return State(last_of_each(states.deter, count), last_of_each(states.latent, count)).detach()


def imagine(
    rssm: RecurrentModel,
    actor: nn.Module,
    distribution: Distribution,
    start: State,
    horizon: int,
    generator: torch.Generator,
    *,
    through_dynamics: bool,
) -> Dream:
    """Follow an actor through the learned dynamics.

    Args:
        rssm: the dynamics.
        actor: the network that gives the distribution's parameters.
        distribution: of its actions.
        start: states (N, ...).
        horizon: steps.
        generator: source of all randomness.
        through_dynamics: whether states are differentiable functions of the actions before them.
    """
    count, latent = start.deter.shape[0], rssm.latent
    latent_noise = draw_noise(latent.noise, (horizon, count, latent.stoch), start.deter, generator)
    noise = draw_noise(distribution.noise, (horizon, count, distribution.noise_size), start.deter, generator)
    states, draws, actions = [start], [], []
    with torch.set_grad_enabled(through_dynamics):
        transition = rssm.core.transition()
    for step in range(horizon):
        # The actor sees the state without gradient: it learns from where its actions lead, not from what it saw.
        # So actions can be leaves here, and the actor's weights get their gradients for all steps at once later.
        with torch.no_grad():
            out = at_least_single(actor(states[-1].deter, states[-1].latent))
            draws.append(distribution.sample(out, noise[step]))
            action = distribution.bounded(draws[-1])
        action.requires_grad_(through_dynamics)
        with torch.set_grad_enabled(through_dynamics):
            states.append(rssm.imagine(states[-1], action, latent_noise[step], transition))
        actions.append(action)
    carried = None
    if through_dynamics and (second := states[1].probs) is not None:
        # The start's one-hot stands in for its probabilities, which are only a way for gradients to pass.
        first = latent.flat(start.latent, None).view_as(second).to(second.dtype)
        carried = torch.stack([first, *(state.probs for state in states[1:] if state.probs is not None)], 1)
    trajectory = State(torch.stack([s.deter for s in states], 1), torch.stack([s.latent for s in states], 1), carried)
    return Dream(trajectory, tuple(actions), torch.stack(draws, 1), noise.transpose(0, 1))


def through_actions(objective: Tensor, dream: Dream, sample: Tensor) -> Tensor:
    """A loss with the gradient that an objective has through a dream's actions.

    The clipping between draws and actions is passed as if there were none, so that saturated actions can return.

    Args:
        objective: a scalar that depends on the dream's actions.
        dream: imagined through the dynamics.
        sample: (N, H, A), the draws again, as functions of the actor's outputs.
    """
    through = torch.stack(torch.autograd.grad(objective, dream.actions), 1)  # (N, H, A)
    return (sample * through).sum()


def lambda_return(reward: Tensor, discount: Tensor, value: Tensor, return_lambda: float) -> Tensor:
    """Lambda-returns, from the last step backwards (DreamerV3, equation 7).

    Args:
        reward: (N, H), earned on arriving at states 1…H.
        discount: (N, H), discount times the probability that the episode goes on from there.
        value: (N, H + 1), of states 0…H.
        return_lambda: 0 trusts the next value, 1 the imagined rewards.

    Returns:
        (N, H), of states 0…H-1.
    """
    bootstrapped = (reward + discount * value[:, 1:] * (1.0 - return_lambda)).unbind(1)
    decay = (discount * return_lambda).unbind(1)
    result = value[:, -1]
    returns = []
    for step in reversed(range(len(decay))):
        result = torch.addcmul(bootstrapped[step], decay[step], result)
        returns.append(result)
    return torch.stack(returns[::-1], 1)


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Gradients pass through the module but none is computed for its weights."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)
