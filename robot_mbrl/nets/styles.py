"""How each of the published Dreamers builds its layers: initial weights, biases, and what follows a hidden layer."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from robot_mbrl.nets.initial import truncated_normal
from robot_mbrl.nets.rms_norm import RMSNormSiLU

Initialiser = Callable[[Tensor, int, int, float], None]
"""Fills a kernel, given its fan-in, its fan-out and a scale."""


def glorot_uniform(kernel: Tensor, fan_in: int, fan_out: int, scale: float) -> None:
    """Uniform with variance scale / mean(fan_in, fan_out): the default of Keras."""
    limit = math.sqrt(6.0 * scale / (fan_in + fan_out))
    nn.init.uniform_(kernel, -limit, limit)


def _truncated_normal(kernel: Tensor, fan_in: int, fan_out: int, scale: float) -> None:
    """Truncated normal of deviation scale / √fan_in (DreamerV3)."""
    del fan_out
    truncated_normal(kernel, scale / math.sqrt(fan_in))


class OverChannels(nn.Module):
    """Applies a module to the channels of every pixel of (batch, channels, height, width)."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        """The module's result, of the same layout."""
        # Pictures come with their channels last in memory, so neither permutation copies.
        out: Tensor = self.inner(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return out


@dataclass(frozen=True)
class Style:
    """One paper's way of building layers."""

    initialise: Initialiser
    """For dense kernels; the scale is that of the paper's `outscale`."""
    bias: bool
    """Whether hidden layers have one."""
    after: Callable[[int], nn.Module]
    """Makes what follows a hidden layer of some width: normalisation and activation."""
    after_convolution: Callable[[int], nn.Module]
    """The same after a convolution of some channels."""
    convolution_fans: Callable[[int, int, int], tuple[int, int]]
    """Fans of a convolution's kernel, given inputs, outputs and the area of the kernel."""
    transposed_fans: Callable[[int, int, int], tuple[int, int]]
    """The same for a transposed convolution."""

    def linear(self, inputs: int, outputs: int, scale: float = 1.0, *, bias: bool = True) -> nn.Linear:
        """A linear layer with initial weights of this style, and a bias of zero."""
        layer = nn.Linear(inputs, outputs, bias=bias)
        self.initialise(layer.weight, inputs, outputs, scale)
        if bias:
            nn.init.zeros_(layer.bias)
        return layer

    def hidden(self, inputs: int, units: int) -> nn.Sequential:
        """A hidden layer with all that follows it."""
        return nn.Sequential(self.linear(inputs, units, bias=self.bias), self.after(units))

    def mlp(self, inputs: int, units: int, layers: int) -> nn.Sequential:
        """Hidden layers of one width."""
        return nn.Sequential(*(self.hidden(units if layer else inputs, units) for layer in range(layers)))

    def convolution(self, inputs: int, outputs: int, kernel: int, stride: int, padding: int = 0) -> nn.Conv2d:
        """A convolution with initial weights of this style."""
        layer = nn.Conv2d(inputs, outputs, kernel, stride, padding)
        self.initialise(layer.weight, *self.convolution_fans(inputs, outputs, kernel**2), 1.0)
        assert layer.bias is not None
        nn.init.zeros_(layer.bias)
        return layer

    def transposed(self, inputs: int, outputs: int, kernel: int, stride: int) -> nn.ConvTranspose2d:
        """A transposed convolution with initial weights of this style."""
        layer = nn.ConvTranspose2d(inputs, outputs, kernel, stride)
        self.initialise(layer.weight, *self.transposed_fans(inputs, outputs, kernel**2), 1.0)
        assert layer.bias is not None
        nn.init.zeros_(layer.bias)
        return layer


def _with_area(inputs: int, outputs: int, area: int) -> tuple[int, int]:
    return inputs * area, outputs * area


def _without_area(inputs: int, outputs: int, area: int) -> tuple[int, int]:
    del area
    return inputs, outputs


def _elu(units: int) -> nn.Module:
    del units
    return nn.ELU()


def _relu(channels: int) -> nn.Module:
    del channels
    return nn.ReLU()


def _layer_norm_elu(units: int) -> nn.Module:
    return nn.Sequential(nn.LayerNorm(units, eps=1e-3), nn.ELU())


def _rms_norm_silu(units: int) -> nn.Module:
    return RMSNormSiLU(units, 1e-4)


KERAS = Style(glorot_uniform, True, _elu, _relu, _with_area, _with_area)
"""Dreamer v1: no normalisation anywhere."""

KERAS_RELU = Style(glorot_uniform, True, _relu, _relu, _with_area, _with_area)
"""PlaNet: as Dreamer v1, but for the activation."""

LAYER_NORM = Style(
    glorot_uniform, False, _layer_norm_elu, lambda n: OverChannels(_layer_norm_elu(n)), _without_area, _with_area
)
"""DayDreamer. Its convolutions start with weights that leave out the kernel's area, its transposed ones do not."""

RMS_NORM = Style(
    _truncated_normal, True, _rms_norm_silu, lambda n: OverChannels(_rms_norm_silu(n)), _with_area, _with_area
)
"""DreamerV3."""
