"""The published convolution stacks between pictures and features, all of (batch, height, width, channels) pictures.

Dreamer v1 and DayDreamer: kernels of 4 and strides of 2 without padding, and transposed kernels of 5, 5, 6, 6; made for
64x64. DreamerV3: kernels of 5 with max-pooling, and nearest-neighbour upsampling; for sides that are multiples of 16.
"""

import torch
from torch import Tensor, nn

from robot_mbrl.nets.latent_kinds import Latent, LatentLinear, StateLinear
from robot_mbrl.nets.recurrence import BlockDense
from robot_mbrl.nets.styles import Style

STRIDED_SIDE = 64
"""The only side of pictures that the strided stacks fold into 2x2 and unfold again."""
_KERNEL = 4
_TRANSPOSED_KERNELS = (5, 5, 6, 6)
_POOLED_KERNEL = 5
_MULTIPLES = (2, 3, 4, 4)
POOLED_MULTIPLE: int = 2 ** len(_MULTIPLES)
"""What sides of pictures must be multiples of, for the pooled stacks."""


class StridedEncoder(nn.Module):
    """Pictures of 64x64 to features, the channels doubling from `depth` on (World Models, appendix)."""

    def __init__(self, side: int, channels: int, depth: int, style: Style) -> None:
        super().__init__()
        _check_side(side)
        layers: list[nn.Module] = []
        for stage in range(4):
            outputs = depth * 2**stage
            layers += [style.convolution(channels, outputs, _KERNEL, 2), style.after_convolution(outputs)]
            channels = outputs
        self.layers = nn.Sequential(*layers)
        self.size = channels * 2 * 2

    def forward(self, picture: Tensor) -> Tensor:
        """Features (batch, size) of pictures (batch, 64, 64, channels)."""
        features: Tensor = self.layers(picture.permute(0, 3, 1, 2))
        return features.flatten(1)


class DenseFold(nn.Module):
    """Model states to the maps (batch, outputs, 5, 5), by a dense layer and a transposed convolution (Dreamer v1)."""

    def __init__(self, deter: int, latent: Latent, inner: int, outputs: int, style: Style) -> None:
        super().__init__()
        self.dense = StateLinear(deter, latent, inner, bias=True)
        style.initialise(self.dense.weight, self.dense.inputs, inner, 1.0)
        self.transposed = style.transposed(inner, outputs, _TRANSPOSED_KERNELS[0], 2)

    def forward(self, deter: Tensor, latent: Tensor, carried: Tensor | None = None) -> Tensor:
        """Maps of states (batch, ...)."""
        maps: Tensor = self.transposed(self.dense(deter, latent, carried)[:, :, None, None])
        return maps


class StateFold(nn.Module):
    """Model states to the maps (batch, outputs, 5, 5), by a transposed convolution of the 1x1 state (DayDreamer)."""

    def __init__(self, deter: int, latent: Latent, outputs: int, style: Style) -> None:
        super().__init__()
        self.side = _TRANSPOSED_KERNELS[0]
        area = self.side**2
        # Of a single pixel, a transposed convolution is a matrix product.
        self.kernel = StateLinear(deter, latent, outputs * area, bias=False)
        style.initialise(self.kernel.weight, *style.transposed_fans(self.kernel.inputs, outputs, area), 1.0)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, deter: Tensor, latent: Tensor, carried: Tensor | None = None) -> Tensor:
        """Maps of states (batch, ...)."""
        maps: Tensor = self.kernel(deter, latent, carried).view(deter.shape[0], -1, self.side, self.side)
        return maps + self.bias.view(-1, 1, 1)


class TransposedDecoder(nn.Module):
    """Model states to pictures of 64x64, from the maps that `fold` makes of them."""

    def __init__(self, fold: nn.Module, side: int, channels: int, depth: int, style: Style, output: nn.Module) -> None:
        """Make the decoder.

        Args:
            fold: states to maps (batch, 4 depth, 5, 5).
            side: of the pictures, pixels.
            channels: of the pictures.
            depth: channels of the last maps before the picture.
            style: how layers are built.
            output: what the last convolution is followed by.
        """
        super().__init__()
        _check_side(side)
        self.fold = fold
        widths = (4 * depth, 2 * depth, depth, channels)
        layers: list[nn.Module] = []
        for inputs, outputs, kernel in zip(widths, widths[1:], _TRANSPOSED_KERNELS[1:], strict=False):
            layers += [style.after_convolution(inputs), style.transposed(inputs, outputs, kernel, 2)]
        self.layers = nn.Sequential(*layers, output)

    def forward(self, deter: Tensor, latent: Tensor, carried: Tensor | None = None) -> Tensor:
        """Pictures (batch, 64, 64, channels) of states (batch, ...)."""
        picture: Tensor = self.layers(self.fold(deter, latent, carried))
        return picture.permute(0, 2, 3, 1)


class PooledEncoder(nn.Module):
    """Pictures to features by convolutions of 5x5, each followed by max-pooling over 2x2 (DreamerV3)."""

    def __init__(self, side: int, channels: int, depth: int, style: Style) -> None:
        super().__init__()
        smallest = _smallest(side)
        layers: list[nn.Module] = []
        for multiple in _MULTIPLES:
            outputs = depth * multiple
            convolution = style.convolution(channels, outputs, _POOLED_KERNEL, 1, _POOLED_KERNEL // 2)
            layers += [convolution, nn.MaxPool2d(2), style.after_convolution(outputs)]
            channels = outputs
        self.layers = nn.Sequential(*layers)
        self.size = channels * smallest**2

    def forward(self, picture: Tensor) -> Tensor:
        """Features (batch, size) of pictures (batch, side, side, channels)."""
        features: Tensor = self.layers(picture.permute(0, 3, 1, 2))
        return features.flatten(1)


class UpsamplingDecoder(nn.Module):
    """Model states to pictures in [0, 1] by nearest-neighbour upsampling and convolutions of 5x5 (DreamerV3).

    The innermost maps are the sum of a block-diagonal image of deter and an MLP's of the latent.
    """

    def __init__(
        self, deter: int, latent: Latent, side: int, channels: int, depth: int, units: int, blocks: int, style: Style
    ) -> None:
        super().__init__()
        self.smallest, self.blocks = _smallest(side), blocks
        inner = depth * _MULTIPLES[-1]
        size = inner * self.smallest**2
        self.of_deter = BlockDense(deter, size, blocks, style)
        self.of_latent = LatentLinear(latent, 2 * units, bias=True)
        style.initialise(self.of_latent.weight, latent.width, 2 * units, 1.0)
        self.latent_hidden = nn.Sequential(style.after(2 * units), style.linear(2 * units, size))
        layers: list[nn.Module] = [style.after_convolution(inner)]
        inputs = inner
        for multiple in (*reversed(_MULTIPLES[:-1]), None):
            outputs = channels if multiple is None else depth * multiple
            layers += [nn.Upsample(scale_factor=2), style.convolution(inputs, outputs, _POOLED_KERNEL, 1, 2)]
            layers.append(nn.Sigmoid() if multiple is None else style.after_convolution(outputs))
            inputs = outputs
        self.layers = nn.Sequential(*layers)

    def forward(self, deter: Tensor, latent: Tensor, carried: Tensor | None = None) -> Tensor:
        """Pictures (batch, side, side, channels) of states (batch, ...)."""
        batch, side = deter.shape[0], (self.smallest, self.smallest)
        # Every block makes its own channels of all pixels: (batch, blocks, height, width, channels / blocks).
        by_block = self.of_deter(deter.view(batch, self.blocks, -1)).reshape(batch, self.blocks, *side, -1)
        maps = by_block.permute(0, 1, 4, 2, 3).flatten(1, 2)
        of_latent = self.latent_hidden(self.of_latent(latent, carried)).view(batch, *side, -1)
        picture: Tensor = self.layers(maps + of_latent.permute(0, 3, 1, 2))
        return picture.permute(0, 2, 3, 1)


def _check_side(side: int) -> None:
    if side != STRIDED_SIDE:
        raise ValueError(f"the convolutions of Dreamer v1 and DayDreamer see pictures of 64x64, not {side}x{side}")


def _smallest(side: int) -> int:
    if side % POOLED_MULTIPLE:
        raise ValueError(f"DreamerV3's convolutions see pictures whose side is a multiple of 16, not {side}x{side}")
    return side // POOLED_MULTIPLE
