"""How a policy acts by what its actor says: with exploration, or as well as it can. Part of its graph, so all is noise.

Shapes: B batch, A action.
"""

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor

from robot_mbrl.bundles import NoiseSpec
from robot_mbrl.nets.policies import BoundedNormal, Categorical, TanhNormal


class Acting(Protocol):
    """A rule that chooses actions."""

    @property
    def noise(self) -> Mapping[str, NoiseSpec]:
        """What it needs to be given at random at each step, by name."""

    def choose(self, out: Tensor, explore: Tensor, noise: Mapping[str, Tensor]) -> Tensor:
        """Actions (B, A) within [-1, 1], or one-hot.

        Args:
            out: of the actor, (B, outputs).
            explore: bool, (B, 1).
            noise: by the names of `noise`, (B, ...).
        """


class DrawOrMode:
    """A draw from the actor's distribution; its mode where the policy is evaluated."""

    def __init__(self, distribution: BoundedNormal | Categorical) -> None:
        self.distribution = distribution

    @property
    def noise(self) -> dict[str, NoiseSpec]:
        """See `Acting`."""
        distribution = self.distribution
        return {"action": NoiseSpec(shape=(distribution.noise_size,), distribution=distribution.noise)}

    def choose(self, out: Tensor, explore: Tensor, noise: Mapping[str, Tensor]) -> Tensor:
        """See `Acting`."""
        drawn = self.distribution.bounded(self.distribution.sample(out, noise["action"]))
        # Selected rather than blended: one-hot choices must stay one-hot.
        return torch.where(explore, drawn, self.distribution.mode(out))


class NoisyTanhNormal:
    """A draw with normal noise added, clipped; the likeliest of many draws where the policy is evaluated."""

    def __init__(self, distribution: TanhNormal, deviation: float, draws: int) -> None:
        self.distribution, self.deviation, self.draws = distribution, deviation, draws

    @property
    def noise(self) -> dict[str, NoiseSpec]:
        """See `Acting`."""
        size = self.distribution.size
        return {
            "action": NoiseSpec(shape=(size,), distribution="normal"),
            "exploration": NoiseSpec(shape=(size,), distribution="normal"),
            "draws": NoiseSpec(shape=(self.draws, size), distribution="normal"),
        }

    def choose(self, out: Tensor, explore: Tensor, noise: Mapping[str, Tensor]) -> Tensor:
        """See `Acting`."""
        drawn = self.distribution.sample(out, noise["action"]) + self.deviation * noise["exploration"]
        return torch.where(explore, drawn.clamp(-1.0, 1.0), self.distribution.likeliest(out, noise["draws"]))


class NoisyChoice:
    """A draw, or with some probability any choice; the likeliest choice where the policy is evaluated."""

    def __init__(self, distribution: Categorical, probability: float) -> None:
        self.distribution, self.probability = distribution, probability

    @property
    def noise(self) -> dict[str, NoiseSpec]:
        """See `Acting`."""
        one = NoiseSpec(shape=(1,), distribution="uniform")
        return {"action": one, "exploration": one, "any": one}

    def choose(self, out: Tensor, explore: Tensor, noise: Mapping[str, Tensor]) -> Tensor:
        """See `Acting`."""
        drawn = self.distribution.sample(out, noise["action"])
        anything = self.distribution.sample(torch.zeros_like(out), noise["any"])
        drawn = torch.where(noise["exploration"] < self.probability, anything, drawn)
        return torch.where(explore, drawn, self.distribution.mode(out))
