"""Action distributions: a bounded normal for continuous actions, a categorical for discrete ones."""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from robot_mbrl.nets.latents import sample_index, unimix_probs

_HALF_LOG_2PI_E = 0.5 * math.log(2 * math.pi * math.e)


class BoundedNormal(nn.Module):
    """Normal around a tanh mean, its standard deviation within a range (DreamerV3's continuous actor)."""

    noise: Literal["normal"] = "normal"

    def __init__(self, size: int, min_std: float, max_std: float) -> None:
        super().__init__()
        self.size, self.min_std, self.max_std = size, min_std, max_std
        self.outputs = 2 * size
        """Numbers the network gives per distribution."""

    def parameters_of(self, out: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation, each (..., A), of network outputs (..., 2 A)."""
        mean, raw = out.chunk(2, -1)
        # The offset starts the deviation near its upper end, that is with exploration.
        std = self.min_std + (self.max_std - self.min_std) * torch.sigmoid(raw + 2.0)
        return torch.tanh(mean), std

    def mode(self, out: Tensor) -> Tensor:
        """Most likely action (..., A)."""
        return self.parameters_of(out)[0]

    def sample(self, out: Tensor, noise: Tensor) -> Tensor:
        """Draw (..., A) for standard normal noise (..., A); not yet within bounds."""
        mean, std = self.parameters_of(out)
        return mean + std * noise

    def bounded(self, sample: Tensor) -> Tensor:
        """The action (..., A) within [-1, 1] that a draw stands for: clipped, as the guard clips it."""
        return sample.clamp(-1.0, 1.0)

    def log_prob(self, out: Tensor, sample: Tensor) -> Tensor:
        """Log-density (...) of draws (..., A)."""
        mean, std = self.parameters_of(out)
        return (-0.5 * ((sample - mean) / std).square() - std.log() - 0.5 * math.log(2 * math.pi)).sum(-1)

    def entropy(self, out: Tensor) -> Tensor:
        """Differential entropy (...), nats."""
        return (self.parameters_of(out)[1].log() + _HALF_LOG_2PI_E).sum(-1)


class Categorical(nn.Module):
    """One of several choices as a one-hot, mixed with a uniform distribution (DreamerV3's discrete actor)."""

    noise: Literal["uniform"] = "uniform"

    def __init__(self, size: int, unimix: float) -> None:
        super().__init__()
        self.size, self.unimix = size, unimix
        self.outputs = size

    def mode(self, out: Tensor) -> Tensor:
        """Most likely choice as a one-hot (..., A)."""
        return self._onehot(out.argmax(-1))

    def sample(self, out: Tensor, noise: Tensor) -> Tensor:
        """Choice as a one-hot (..., A) for uniform noise (..., 1), with the straight-through gradient."""
        probs = unimix_probs(out, self.unimix)
        onehot = self._onehot(sample_index(probs.unsqueeze(-2), noise).squeeze(-1))
        return onehot + (probs - probs.detach())  # bracketed so that rounding leaves it one-hot

    def bounded(self, sample: Tensor) -> Tensor:
        """The action (..., A) that a draw stands for: itself."""
        return sample

    def log_prob(self, out: Tensor, sample: Tensor) -> Tensor:
        """Log-probability (...) of one-hot draws (..., A)."""
        return (unimix_probs(out, self.unimix).log() * sample).sum(-1)

    def entropy(self, out: Tensor) -> Tensor:
        """Entropy (...), nats."""
        probs = unimix_probs(out, self.unimix)
        return -(probs * probs.log()).sum(-1)

    def _onehot(self, index: Tensor) -> Tensor:
        return nn.functional.one_hot(index, self.size).float()
