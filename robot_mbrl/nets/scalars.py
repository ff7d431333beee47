"""Heads for one real number: what is expected of a network's outputs, and the loss towards a target."""

from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robot_mbrl.nets.parts import in_parts
from robot_mbrl.nets.precision import at_least_single
from robot_mbrl.nets.twohot import symexp, symlog


class Likelihood(Protocol):
    """How a network's outputs stand for a real number."""

    def mean(self, out: Tensor) -> Tensor:
        """Expected value (...) of outputs (..., n)."""
        ...

    def loss(self, out: Tensor, target: Tensor) -> Tensor:
        """Loss (...) of outputs (..., n) towards targets (...)."""
        ...


class UnitNormal:
    """A normal of deviation 1: half the squared error (Dreamer v1)."""

    def mean(self, out: Tensor) -> Tensor:
        """The output itself."""
        return out.squeeze(-1)

    def loss(self, out: Tensor, target: Tensor) -> Tensor:
        """Negative log-likelihood but for its constant."""
        return 0.5 * (out.squeeze(-1) - target).square()


class Symlog:
    """Squared error towards the target's symlog (DayDreamer)."""

    def mean(self, out: Tensor) -> Tensor:
        """The output's symexp."""
        return symexp(out.squeeze(-1))

    def loss(self, out: Tensor, target: Tensor) -> Tensor:
        """Squared error, without the half."""
        return (out.squeeze(-1) - symlog(target)).square()


class Bernoulli:
    """A probability, trained by cross-entropy towards targets in [0, 1]."""

    def mean(self, out: Tensor) -> Tensor:
        """The probability of 1."""
        return torch.sigmoid(out.squeeze(-1))

    def loss(self, out: Tensor, target: Tensor) -> Tensor:
        """Cross-entropy, nats."""
        return F.binary_cross_entropy_with_logits(out.squeeze(-1), target, reduction="none")


class ScalarHead(nn.Module):
    """A network that reads model states as one real number each."""

    def __init__(self, network: nn.Module, likelihood: Likelihood) -> None:
        """Make the head.

        Args:
            network: makes outputs (..., n) of deter, latents and what these carry, as `StateMLP` and `StateHead` do.
            likelihood: what the outputs stand for.
        """
        super().__init__()
        self.network = network
        self.likelihood = likelihood

    def forward(self, deter: Tensor, latent: Tensor, carried: Tensor | None = None) -> Tensor:
        """The network's outputs (..., n) in at least single precision; see `StateMLP`."""
        return at_least_single(self.network(deter, latent, carried))

    def mean(self, deter: Tensor, latent: Tensor, carried: Tensor | None = None) -> Tensor:
        """Expected values (...) of states."""
        if carried is not None:
            return self.likelihood.mean(self(deter, latent, carried))
        return in_parts(lambda *states: self.likelihood.mean(self(*states)), deter, latent)

    def loss(self, deter: Tensor, latent: Tensor, carried: Tensor | None, target: Tensor) -> Tensor:
        """Losses (...) of states towards targets (...)."""
        return self.likelihood.loss(self(deter, latent, carried), target)
