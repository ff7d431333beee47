"""Action distributions: a bounded normal for continuous actions, a categorical for discrete ones."""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from robot_mbrl.nets.latents import onehot, sample_index, unimix_probs

_HALF_LOG_2PI_E = 0.5 * math.log(2 * math.pi * math.e)
_LARGEST_TANH = 1.0 - 1e-6
"""Nearer to 1, single precision says little of what a tanh is of."""


class BoundedNormal(nn.Module):
    """Normal around a tanh mean, its standard deviation within a range (DayDreamer's and DreamerV3's actor)."""

    noise: Literal["normal"] = "normal"

    def __init__(self, size: int, min_std: float, max_std: float, std_offset: float = 2.0) -> None:
        """Make the distribution.

        Args:
            size: number of actions.
            min_std: least deviation.
            max_std: greatest deviation.
            std_offset: added to what the network says of the deviation; DreamerV3's 2 starts it near its upper end,
                that is with exploration.
        """
        super().__init__()
        self.size, self.min_std, self.max_std, self.std_offset = size, min_std, max_std, std_offset
        self.noise_size = size
        self.parts = (size, size)
        """Numbers the network gives per distribution, by what they are of: means, and deviations."""
        self.outputs = sum(self.parts)

    def parameters_of(self, out: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation, each (..., A), of network outputs (..., 2 A)."""
        mean, raw = out.chunk(2, -1)
        std = self.min_std + (self.max_std - self.min_std) * torch.sigmoid(raw + self.std_offset)
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


class TanhNormal(nn.Module):
    """The tanh of a normal variable, whose deviation starts wide (Dreamer v1)."""

    noise: Literal["normal"] = "normal"

    def __init__(self, size: int, init_std: float, min_std: float, mean_scale: float) -> None:
        """Make the distribution.

        Args:
            size: number of actions.
            init_std: deviation, before the tanh, of a network whose outputs are zero.
            min_std: least deviation before the tanh.
            mean_scale: greatest mean before the tanh.
        """
        super().__init__()
        self.size, self.min_std, self.mean_scale = size, min_std, mean_scale
        self.raw_init_std = math.log(math.expm1(init_std))
        self.farthest = min(math.tanh(mean_scale), _LARGEST_TANH)
        self.noise_size = size
        self.outputs = 2 * size

    def parameters_of(self, out: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation before the tanh, each (..., A), of network outputs (..., 2 A)."""
        mean, raw = out.chunk(2, -1)
        std = nn.functional.softplus(raw + self.raw_init_std) + self.min_std
        return self.mean_scale * torch.tanh(mean / self.mean_scale), std

    def sample(self, out: Tensor, noise: Tensor) -> Tensor:
        """Draw (..., A) for standard normal noise (..., A)."""
        mean, std = self.parameters_of(out)
        return torch.tanh(mean + std * noise)

    def bounded(self, sample: Tensor) -> Tensor:
        """The action (..., A) that a draw stands for: itself."""
        return sample

    def log_prob(self, out: Tensor, action: Tensor) -> Tensor:
        """Log-density (...) of actions (..., A).

        Actions at their bounds, which no draw ever reaches, count as those as far out as a mean can be.
        """
        mean, std = self.parameters_of(out)
        raw = torch.atanh(action.clamp(-self.farthest, self.farthest))
        normal = -0.5 * ((raw - mean) / std).square() - std.log() - 0.5 * math.log(2 * math.pi)
        return (normal - _log_tanh_slope(raw)).sum(-1)

    def likeliest(self, out: Tensor, noise: Tensor) -> Tensor:
        """The likeliest of several draws: the mode has no closed form.

        Args:
            out: (B, 2 A).
            noise: standard normal, (B, n, A), one for each of n draws.

        Returns:
            (B, A).
        """
        mean, std = (value.unsqueeze(-2) for value in self.parameters_of(out))
        raw = mean + std * noise  # (B, n, A)
        density = (-0.5 * noise.square() - std.log() - _log_tanh_slope(raw)).sum(-1)  # (B, n), but for a constant
        best = density.argmax(-1)[:, None, None].expand(-1, 1, self.size)
        return torch.tanh(raw).gather(1, best).squeeze(1)


def _log_tanh_slope(raw: Tensor) -> Tensor:
    """The logarithm of 1 - tanh², as is exact also where tanh is 1."""
    return 2.0 * (math.log(2.0) - raw - nn.functional.softplus(-2.0 * raw))


class Categorical(nn.Module):
    """One of several choices as a one-hot, mixed with a uniform distribution (DreamerV3's discrete actor)."""

    noise: Literal["uniform"] = "uniform"

    def __init__(self, size: int, unimix: float) -> None:
        super().__init__()
        self.size, self.unimix = size, unimix
        self.noise_size = 1
        self.parts = (size,)
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
        return onehot(index, None, self.size)
