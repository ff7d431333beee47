"""Vectors in units of their scales: those that a robot's description gives, and those measured while learning.

Where a scale is `auto`, values are centred and divided by their running mean and standard deviation over what is
replayed, as is usual for public tasks, whose values come without units. The statistics are weights: checkpoints and
bundles carry them.
"""

import torch
from torch import Tensor, nn

from robot_mbrl.specs import ObservationSpec

BOUND = 100.0
"""Scaled values beyond this are glitches of a sensor: bounded, one cannot blow up the squared errors."""
RATE = 1e-3
"""Share of an update's batch in the statistics, once they have settled: slow enough for networks to follow."""
SMALLEST = 1e-3
"""Smallest standard deviation that is divided by: what hardly ever changes is not blown up into noise."""


class VectorScaling(nn.Module):
    """Scales all vectors of an observation, concatenated to (..., V)."""

    scales: Tensor
    automatic: Tensor
    mean: Tensor
    variance: Tensor
    batches: Tensor

    def __init__(self, spec: ObservationSpec) -> None:
        """Begin with nothing measured: automatic scales are 1 until `measure` is called."""
        super().__init__()
        vectors = spec.vectors.values()
        self.register_buffer("scales", torch.cat([torch.from_numpy(v.scales) for v in vectors]), persistent=False)
        self.measures = any(vector.automatic.any() for vector in vectors)
        if self.measures:
            automatic = torch.cat([torch.from_numpy(vector.automatic) for vector in vectors])
            self.register_buffer("automatic", automatic, persistent=False)
            self.register_buffer("mean", torch.zeros_like(self.scales))
            self.register_buffer("variance", torch.ones_like(self.scales))
            self.register_buffer("batches", torch.zeros(()))

    def forward(self, values: Tensor) -> Tensor:
        """Scaled values (..., V) of values in physical units, bounded."""
        if not self.measures:
            return (values / self.scales).clamp(-BOUND, BOUND)
        shift, scale = self._measured()
        return ((values - shift) / scale).clamp(-BOUND, BOUND)

    def physical(self, scaled: Tensor) -> Tensor:
        """Values in physical units (..., V) of scaled ones."""
        if not self.measures:
            return scaled * self.scales
        shift, scale = self._measured()
        return scaled * scale + shift

    def measure(self, values: Tensor) -> None:
        """Take a batch of values (..., V) into the statistics; one that is not finite is left out."""
        if not self.measures:
            return
        with torch.no_grad():
            flat = values.reshape(-1, values.shape[-1])
            variance, mean = torch.var_mean(flat, 0, correction=0)
            counts = torch.isfinite(variance).all().float()
            self.batches += counts
            rate = (1.0 / self.batches.clamp(min=1.0)).clamp(min=RATE) * counts
            # Those of a mixture of what was known and the batch.
            away = mean - self.mean
            mixed = torch.lerp(self.variance, variance, rate) + rate * (1.0 - rate) * away.square()
            self.variance.copy_(torch.where(counts > 0.0, mixed, self.variance))
            self.mean.copy_(torch.where(counts > 0.0, self.mean + rate * away, self.mean))

    def _measured(self) -> tuple[Tensor, Tensor]:
        shift = torch.where(self.automatic, self.mean, 0.0)
        return shift, torch.where(self.automatic, self.variance.sqrt().clamp(min=SMALLEST), self.scales)
