"""Convolutions between square pictures and features: strides of 2 down to 4x4, channels doubling on the way."""

import torch
from torch import Tensor, nn

from robot_mbrl.nets.layers import NormAct, linear
from robot_mbrl.specs import DEPTH_LIMIT_MM, ImageSpec

SMALLEST = 4
"""Side of the innermost feature map, pixels."""


def _stages(spec: ImageSpec) -> int:
    stages = (spec.height // SMALLEST).bit_length() - 1
    if spec.height != spec.width or spec.height != SMALLEST * 2**stages or stages < 1:
        raise ValueError(f"pictures must be square with a side of 8, 16, 32, 64, ...; got {spec.height}x{spec.width}")
    return stages


def unit_pixels(picture: Tensor) -> Tensor:
    """Pictures (..., height, width, channels) of uint8 colours or uint16 millimetres as float in [0, 1]."""
    full_scale = 255.0 if picture.dtype == torch.uint8 else float(DEPTH_LIMIT_MM)
    return picture.float().div(full_scale).clamp(max=1.0)


def normalise_pixels(picture: Tensor) -> Tensor:
    """Pictures (..., height, width, channels) of uint8 colours or uint16 millimetres as float in [-0.5, 0.5]."""
    return unit_pixels(picture) - 0.5


def to_grey_levels(normalised: Tensor) -> Tensor:
    """Normalised pictures as uint8, to look at."""
    return ((normalised + 0.5) * 255.0).round().clamp(0.0, 255.0).to(torch.uint8)


class _ChannelNorm(nn.Module):
    """Layer normalisation over the channels of each pixel of (batch, channels, height, width), then SiLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.act = NormAct(channels)

    def forward(self, x: Tensor) -> Tensor:
        # Pictures come with their channels last in memory, so neither permutation copies.
        out: Tensor = self.act(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return out


class ImageEncoder(nn.Module):
    """Normalised pictures (batch, height, width, channels) to features (batch, size)."""

    def __init__(self, spec: ImageSpec, depth: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = spec.shape[2]
        for stage in range(_stages(spec)):
            outputs = depth * 2**stage
            layers += [nn.Conv2d(channels, outputs, 4, 2, 1), _ChannelNorm(outputs)]
            channels = outputs
        self.layers = nn.Sequential(*layers)
        self.size = channels * SMALLEST**2

    def forward(self, picture: Tensor) -> Tensor:
        """Features of normalised pictures."""
        features: Tensor = self.layers(picture.permute(0, 3, 1, 2))
        return features.flatten(1)


class ImageDecoder(nn.Module):
    """Features (batch, inputs) to normalised pictures (batch, height, width, channels)."""

    def __init__(self, spec: ImageSpec, depth: int, inputs: int) -> None:
        super().__init__()
        stages = _stages(spec)
        self.channels = depth * 2 ** (stages - 1)
        self.inputs = linear(inputs, self.channels * SMALLEST**2)
        layers: list[nn.Module] = [_ChannelNorm(self.channels)]
        channels = self.channels
        for stage in reversed(range(stages - 1)):
            outputs = depth * 2**stage
            layers += [nn.ConvTranspose2d(channels, outputs, 4, 2, 1), _ChannelNorm(outputs)]
            channels = outputs
        layers.append(nn.ConvTranspose2d(channels, spec.shape[2], 4, 2, 1))
        self.layers = nn.Sequential(*layers)

    def forward(self, features: Tensor) -> Tensor:
        """Reconstruction of the normalised pictures."""
        maps = self.inputs(features).view(-1, self.channels, SMALLEST, SMALLEST)
        picture: Tensor = self.layers(maps)
        return picture.permute(0, 2, 3, 1)
