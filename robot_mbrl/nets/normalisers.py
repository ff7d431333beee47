"""Scales that follow what is seen: moments and ranges of returns, and weights that hold a measure near its target.

All are buffers updated where they lie, without a host that reads them, so that one CUDA graph can hold an update. What
is not finite leaves them as they were: seen once, it would stay.
"""

import torch
from torch import Tensor, nn


class MovingMoments(nn.Module):
    """Mean and deviation by exponential moving averages, without the bias of their start from zero (DayDreamer)."""

    mean: Tensor
    square: Tensor
    weight: Tensor

    def __init__(self, decay: float) -> None:
        super().__init__()
        self.decay = decay
        for name in ("mean", "square", "weight"):
            self.register_buffer(name, torch.zeros(()))

    @torch.no_grad()
    def update(self, seen: Tensor) -> None:
        """Take values of any shape into account."""
        now = torch.stack([seen.mean(), seen.square().mean(), torch.ones_like(self.weight)])
        before = torch.stack([self.mean, self.square, self.weight])
        after = torch.where(torch.isfinite(now).all(), before.lerp(now, 1.0 - self.decay), before)
        for buffer, value in zip((self.mean, self.square, self.weight), after, strict=True):
            buffer.copy_(value)

    def normalised(self, values: Tensor) -> Tensor:
        """Values less the mean, divided by the deviation; the two are constants for gradients."""
        mean = self.mean / self.weight
        variance = self.square / self.weight - mean.square()
        return (values - mean) * torch.rsqrt(variance.clamp(min=1e-16))


class MovingRange(nn.Module):
    """Range between two quantiles by an exponential moving average that starts from zero (DreamerV3)."""

    limits: Tensor
    quantiles: Tensor

    def __init__(self, low: float, high: float, rate: float, floor: float) -> None:
        super().__init__()
        self.rate, self.floor = rate, floor
        self.register_buffer("limits", torch.zeros(2))
        self.register_buffer("quantiles", torch.tensor([low, high]), persistent=False)

    @torch.no_grad()
    def update(self, seen: Tensor) -> None:
        """Take values of any shape into account."""
        now = torch.quantile(seen.flatten(), self.quantiles)
        self.limits.lerp_(torch.where(torch.isfinite(now).all(), now, self.limits), self.rate)

    def scale(self) -> Tensor:
        """The range, at least the floor."""
        return (self.limits[1] - self.limits[0]).clamp(min=self.floor)


class AdaptiveWeight(nn.Module):
    """Weights of a loss term that grow or shrink by a factor until what they weigh is as strong as wanted."""

    weight: Tensor

    def __init__(self, count: tuple[int, ...], factor: float, least: float, most: float) -> None:
        super().__init__()
        self.factor, self.least, self.most = factor, least, most
        self.register_buffer("weight", torch.ones(count))

    @torch.no_grad()
    def adapt(self, grow: Tensor, shrink: Tensor) -> Tensor:
        """Grow and shrink where the two, bool and of the weights' shape, say so; returns the weights."""
        factor = torch.where(grow, self.factor, torch.where(shrink, 1.0 / self.factor, 1.0))
        self.weight.mul_(factor).clamp_(self.least, self.most)
        return self.weight.clone()
