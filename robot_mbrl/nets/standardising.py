"""Values less their mean, divided by their standard deviation, as measured while learning.

The statistics are weights: checkpoints and bundles carry them. For vectors whose robot says their scale see `scaling`.
"""

import torch
from torch import Tensor, nn

SMALLEST = 1e-4
"""Smallest standard deviation that is divided by: what never changes is not blown up into noise."""


class Standardiser(nn.Module):
    """Mean and deviation of each element over all that was measured, every batch counting alike up to a memory."""

    mean: Tensor
    deviation: Tensor
    variance: Tensor
    batches: Tensor

    def __init__(self, size: int, rate: float) -> None:
        """Begin with nothing measured: a mean of 0 and a deviation of 1.

        Args:
            size: number of elements.
            rate: share of a batch once 1 / rate batches were measured.
        """
        super().__init__()
        self._rate = rate
        # What policies use is kept as it is used, so that the trace of a policy has it as weights.
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("deviation", torch.ones(size))
        self.register_buffer("variance", torch.ones(size))
        self.register_buffer("batches", torch.zeros(()))

    def forward(self, values: Tensor) -> Tensor:
        """Standardised values (..., size)."""
        return (values - self.mean) / self.deviation

    @property
    def signal(self) -> Tensor:
        """Root mean square of each element, (size,): how strong its signal is."""
        return (self.mean.square() + self.deviation.square()).sqrt()

    @torch.no_grad()
    def measure(self, values: Tensor, weights: Tensor) -> None:
        """Take a batch into the statistics; one that is not finite is left out.

        Args:
            values: (N, size).
            weights: (N,), 1 for those that count, 0 for the others, of which there must not be all.
        """
        share = (weights / weights.sum()).unsqueeze(-1)
        mean = (share * values).sum(0)
        variance = (share * (values - mean).square()).sum(0)
        finite = torch.isfinite(variance).all()
        self.batches += finite.to(self.batches)
        rate = (1.0 / self.batches.clamp(min=1.0)).clamp(min=self._rate)
        # Those of a mixture of what was known and the batch.
        away = mean - self.mean
        mixed = torch.lerp(self.variance, variance, rate) + rate * (1.0 - rate) * away.square()
        self.mean.copy_(torch.where(finite, self.mean + rate * away, self.mean))
        self.variance.copy_(torch.where(finite, mixed, self.variance))
        self.deviation.copy_(self.variance.sqrt().clamp(min=SMALLEST))
