"""Behaviour cloning beside learning in imagination: an actor is drawn towards what a person did where they drove.

Minus the mean log-density of the person's actions is added to the actor's loss, as policy gradients are augmented by
demonstrations in DAPG (Rajeswaran et al. 2018). The term is the actor's alone: a world model that it moved would learn
to tell by whom a state was reached, and not what comes of it.
"""

import torch
from torch import Tensor, nn

from robot_mbrl.agents.imagination import Distribution
from robot_mbrl.nets.precision import at_least_single
from robot_mbrl.specs import Source
from robot_mbrl.world_models.batch import Batch
from robot_mbrl.world_models.state import State


def driven_by_person(batch: Batch) -> Tensor:
    """Which rows (B, T), bool, have an action that a person chose: none has that ends an episode, or only fills."""
    return (batch.source == Source.TELEOP) & batch.valid & (batch.is_last == 0)


def cloning_loss(
    actor: nn.Module, distribution: Distribution, posterior: State, batch: Batch
) -> tuple[Tensor, dict[str, Tensor]]:
    """Minus the mean log-density of a person's actions, nats; 0 where the batch has none.

    Args:
        actor: gives the distribution's parameters in a state (deter, latent).
        distribution: of its actions.
        posterior: states (B, T, ...) of the batch's rows; no gradient reaches them.
        batch: sequences (B, T, ...).

    Returns:
        The loss, and as metrics the loss and the share of rows that it is about.
    """
    persons = driven_by_person(batch).to(posterior.deter.dtype)  # (B, T)
    out = at_least_single(actor(posterior.deter.detach(), posterior.latent.detach()))
    log_density = distribution.log_prob(out, batch.action)  # (B, T)
    # A mask instead of an index: shapes do not depend on who drove, so that a CUDA graph can hold the update.
    loss = -(persons * log_density).sum() / persons.sum().clamp(min=1.0)
    return loss, {"cloning_loss": loss.detach(), "cloned_share": persons.mean()}


def add_cloning(
    actor: nn.Module, distribution: Distribution, posterior: State, batch: Batch, scale: float
) -> dict[str, Tensor]:
    """Add the gradient of `scale` times `cloning_loss` to those that lie in the actor's parameters.

    Returns:
        Metrics; {} at a scale of 0, where nothing is computed.
    """
    if scale == 0.0:
        return {}
    loss, metrics = cloning_loss(actor, distribution, posterior, batch)
    parameters = list(actor.parameters())
    for parameter, more in zip(parameters, torch.autograd.grad(scale * loss, parameters), strict=True):
        parameter.grad = more if parameter.grad is None else parameter.grad + more
    return metrics
