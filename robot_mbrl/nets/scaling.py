"""Vectors in units of their scales: those that a robot's description gives, and those measured while learning.

Where a scale is `auto`, values are centred and divided by their running mean and standard deviation over what is
replayed, as is usual for public tasks, whose values come without units. The statistics are weights: checkpoints and
bundles carry them.
"""

import torch
from torch import Tensor, nn

from robot_mbrl.specs import VALUE_BOUND, ObservationSpec

RATE = 1e-3
"""Share of an update's batch in the statistics, once they have settled: slow enough for networks to follow."""
SMALLEST = 1e-3
"""Smallest standard deviation that is divided by: what hardly ever changes is not blown up into noise."""


class VectorScaling(nn.Module):
    """Scales all vectors of an observation, concatenated to (..., V)."""

    scales: Tensor
    automatic: Tensor
    shift: Tensor
    scale: Tensor
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
            # What `forward` uses as it is, so that the trace of a policy has it as weights.
            self.register_buffer("shift", torch.zeros_like(self.scales))
            self.register_buffer("scale", self.scales.clone())
            self.register_buffer("variance", torch.ones_like(self.scales))
            self.register_buffer("batches", torch.zeros(()))

    def forward(self, values: Tensor) -> Tensor:
        """Scaled values (..., V) of values in physical units, bounded: a glitch cannot blow up the squared errors."""
        scaled = (values - self.shift) / self.scale if self.measures else values / self.scales
        return scaled.clamp(-VALUE_BOUND, VALUE_BOUND)

    def physical(self, scaled: Tensor) -> Tensor:
        """Values in physical units (..., V) of scaled ones."""
        return scaled * self.scale + self.shift if self.measures else scaled * self.scales

    def measure(self, values: Tensor) -> None:
        """Take a batch of values (..., V) into the statistics; one that is not finite is left out."""
        if not self.measures:
            return
        with torch.no_grad():
            flat = values.reshape(-1, values.shape[-1])
            variance, mean = torch.var_mean(flat, 0, correction=0)
            finite = torch.isfinite(variance).all()
            self.batches += finite.float()
            taken = self.automatic & finite
            rate = (1.0 / self.batches.clamp(min=1.0)).clamp(min=RATE)
            # Those of a mixture of what was known and the batch.
            away = mean - self.shift
            mixed = torch.lerp(self.variance, variance, rate) + rate * (1.0 - rate) * away.square()
            self.variance.copy_(torch.where(taken, mixed, self.variance))
            self.shift.copy_(torch.where(taken, self.shift + rate * away, self.shift))
            self.scale.copy_(torch.where(taken, mixed.sqrt().clamp(min=SMALLEST), self.scale))
