"""The stochastic part of a model state: Gaussian (PlaNet, Dreamer v1) or categorical (DreamerV2 and after).

A latent is drawn by noise given as input, so that a policy's graph stays a pure function. What it is drawn from is one
tensor, its statistics. Categorical latents are carried as class indices (see `nets/latents.py`).
"""

from typing import Literal, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robot_mbrl.nets.latents import categorical_kl, onehot, sample_index, sum_of_rows, unimix_probs
from robot_mbrl.nets.precision import at_least_single


class Latent(Protocol):
    """A kind of latent."""

    stoch: int
    """Number of variables."""
    width: int
    """Numbers that one latent stands for: the rows of a kernel that reads it."""
    outputs: int
    """Numbers that a network gives per latent."""
    dtype: torch.dtype
    """Of drawn latents."""

    @property
    def noise(self) -> Literal["normal", "uniform"]:
        """What it is drawn with: standard normal, or uniform in [0, 1)."""
        ...

    def statistics(self, out: Tensor) -> Tensor:
        """What latents are drawn from (..., stoch, n), of network outputs (..., outputs); in single precision."""
        ...

    def sample(self, statistics: Tensor, noise: Tensor) -> Tensor:
        """Latents (..., stoch) for noise (..., stoch)."""
        ...

    def mode(self, statistics: Tensor) -> Tensor:
        """The likeliest latents (..., stoch)."""
        ...

    def carried(self, statistics: Tensor) -> Tensor | None:
        """What must go along with drawn latents for gradients to pass; None where they pass by themselves."""
        ...

    def flat(self, latent: Tensor, carried: Tensor | None) -> Tensor:
        """The numbers (..., width) that latents (..., stoch) stand for."""
        ...

    def image(self, latent: Tensor, carried: Tensor | None, kernel: Tensor) -> Tensor:
        """Their linear image (..., size) under a kernel (width, size)."""
        ...

    def kl(self, left: Tensor, right: Tensor) -> Tensor:
        """KL(left || right), summed over the variables (...), nats, of statistics (..., stoch, n)."""
        ...


class GaussianLatent:
    """Independent normal variables of at least a least deviation (Dreamer v1: softplus + 0.1)."""

    noise: Literal["normal"] = "normal"
    dtype = torch.float32

    def __init__(self, stoch: int, min_std: float) -> None:
        self.stoch, self.min_std = stoch, min_std
        self.width, self.outputs = stoch, 2 * stoch

    def statistics(self, out: Tensor) -> Tensor:
        """Mean and deviation, (..., stoch, 2)."""
        mean, raw = at_least_single(out).chunk(2, -1)
        return torch.stack([mean, F.softplus(raw) + self.min_std], -1)

    def sample(self, statistics: Tensor, noise: Tensor) -> Tensor:
        """Latents (..., stoch), with gradient, for standard normal noise (..., stoch)."""
        mean, std = statistics.unbind(-1)
        return mean + std * noise

    def mode(self, statistics: Tensor) -> Tensor:
        """The means."""
        return statistics[..., 0]

    def carried(self, statistics: Tensor) -> None:
        """Nothing: the latents are differentiable."""

    def flat(self, latent: Tensor, carried: Tensor | None) -> Tensor:
        """The latents themselves."""
        return latent

    def image(self, latent: Tensor, carried: Tensor | None, kernel: Tensor) -> Tensor:
        """The matrix product."""
        return latent @ kernel

    def kl(self, left: Tensor, right: Tensor) -> Tensor:
        """In closed form."""
        (mean, std), (other_mean, other_std) = left.unbind(-1), right.unbind(-1)
        square = (std.square() + (mean - other_mean).square()) / other_std.square()
        return (other_std.log() - std.log() + 0.5 * (square - 1.0)).sum(-1)


class CategoricalLatent:
    """Categorical variables mixed with a uniform distribution, with straight-through gradients (DreamerV2, V3)."""

    noise: Literal["uniform"] = "uniform"
    dtype = torch.int64

    def __init__(self, stoch: int, classes: int, unimix: float) -> None:
        self.stoch, self.classes, self.unimix = stoch, classes, unimix
        self.width = self.outputs = stoch * classes

    def statistics(self, out: Tensor) -> Tensor:
        """Probabilities, (..., stoch, classes)."""
        return unimix_probs(at_least_single(out).view(*out.shape[:-1], self.stoch, self.classes), self.unimix)

    def sample(self, statistics: Tensor, noise: Tensor) -> Tensor:
        """Classes (..., stoch), int64, for uniform noise (..., stoch)."""
        return sample_index(statistics, noise)

    def mode(self, statistics: Tensor) -> Tensor:
        """The likeliest classes."""
        return statistics.argmax(-1)

    def carried(self, statistics: Tensor) -> Tensor:
        """The probabilities, which pass gradients on as if they had been drawn themselves."""
        return statistics

    def flat(self, latent: Tensor, carried: Tensor | None) -> Tensor:
        """One-hots one after the other, with the gradient of the probabilities they were drawn from."""
        return onehot(latent, carried, self.classes).flatten(-2)

    def image(self, latent: Tensor, carried: Tensor | None, kernel: Tensor) -> Tensor:
        """The product with the one-hots: on a CPU by adding up rows, several times cheaper than the matrix product."""
        plain = kernel.device.type == "cpu" and not torch.is_autocast_enabled("cpu")
        if plain and not torch.compiler.is_exporting():  # ONNX has no embedding bag
            return sum_of_rows(latent, carried, kernel, self.classes)
        return self.flat(latent, carried).to(kernel.dtype) @ kernel

    def kl(self, left: Tensor, right: Tensor) -> Tensor:
        """In closed form."""
        return categorical_kl(left, right)


class LatentLinear(nn.Module):
    """A linear layer that reads a latent."""

    def __init__(self, latent: Latent, outputs: int, *, bias: bool) -> None:
        """Make the layer; its weights are for the caller to initialise, who knows what else the image is added to."""
        super().__init__()
        self.latent = latent
        self.weight = nn.Parameter(torch.empty(latent.width, outputs))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    def forward(self, latent: Tensor, carried: Tensor | None = None, kept: Tensor | None = None) -> Tensor:
        """Image (..., outputs) of latents (..., stoch).

        Args:
            latent: the latents.
            carried: what goes along with them for gradients to pass.
            kept: (..., 1), 0 where the latent counts as all zeros; None for nowhere.
        """
        image = self.latent.image(latent, carried, self.weight)
        if kept is not None:
            image = image * kept
        return image if self.bias is None else image + self.bias


class StateLinear(nn.Module):
    """A linear layer that reads a whole model state by one kernel: deter first, then the latent."""

    def __init__(self, deter: int, latent: Latent, outputs: int, *, bias: bool) -> None:
        """Make the layer; its weights are for the caller to initialise."""
        super().__init__()
        self.latent = latent
        self.inputs = deter + latent.width
        self.sizes = [deter, latent.width]
        self.weight = nn.Parameter(torch.empty(self.inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    def forward(self, deter: Tensor, latent: Tensor, carried: Tensor | None = None) -> Tensor:
        """Image (..., outputs) of deter (..., deter) and latents (..., stoch)."""
        if torch.compiler.is_exporting():  # in one product: an ONNX graph must use the kernel whole, under its name
            image = torch.cat([deter, self.latent.flat(latent, None)], -1) @ self.weight
            return image if self.bias is None else image + self.bias
        of_deter, of_latent = torch.split(self.weight, self.sizes)
        rows = deter.flatten(end_dim=-2)
        image = rows @ of_deter if self.bias is None else torch.addmm(self.bias, rows, of_deter)
        # Added where it lies, before it is viewed: autograd would copy it otherwise.
        image = image.add_(self.latent.image(latent, carried, of_latent).flatten(end_dim=-2))
        return image if deter.ndim == 2 else image.view(*deter.shape[:-1], -1)
