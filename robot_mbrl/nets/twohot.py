"""A distribution over real numbers as a categorical over exponentially spaced bins (DreamerV3, equations 8-10)."""

import torch
from torch import Tensor, nn


def symlog(x: Tensor) -> Tensor:
    """sign(x) ln(|x| + 1)."""
    return torch.sign(x) * torch.log1p(torch.abs(x))


def symexp(x: Tensor) -> Tensor:
    """sign(x) (exp|x| - 1), the inverse of `symlog`."""
    return torch.sign(x) * torch.expm1(torch.abs(x))


class TwoHot(nn.Module):
    """Reads and trains logits over bins at symexp(linspace(-limit, limit))."""

    bins: Tensor

    def __init__(self, count: int, limit: float) -> None:
        super().__init__()
        if count % 2 == 0:
            raise ValueError(f"the number of bins must be odd, so that one is at zero; got {count}")
        half = symexp(torch.linspace(-limit, 0.0, count // 2 + 1))
        self.register_buffer("bins", torch.cat([half, -half[:-1].flip(0)]), persistent=False)

    def mean(self, logits: Tensor) -> Tensor:
        """Expected value (...) of logits (..., bins).

        Mirrored bins are paired before summing: a plain sum over bins of huge and opposite values loses the small mean.
        """
        probs = torch.softmax(logits, -1)
        middle = self.bins.shape[0] // 2
        positive = probs[..., middle + 1 :] - probs[..., :middle].flip(-1)
        return (positive * self.bins[middle + 1 :]).sum(-1)

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Cross-entropy (...) of logits (..., bins) with the two-hot encoding of the targets (...)."""
        return self.losses(logits, target.unsqueeze(-1)).squeeze(-1)

    def losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropies (..., n) of logits (..., bins) with the two-hot encodings of n targets each, (..., n).

        The encodings are never made: each has two entries, so what is left of all sums are gathers.
        """
        targets = targets.clamp(self.bins[0], self.bins[-1]).contiguous()
        above = torch.searchsorted(self.bins, targets).clamp(1, self.bins.shape[0] - 1)
        low, high = self.bins[above - 1], self.bins[above]
        weight = (targets - low) / (high - low)
        at_low, at_high = logits.gather(-1, torch.cat([above - 1, above], -1)).chunk(2, -1)
        return torch.logsumexp(logits, -1, keepdim=True) - torch.lerp(at_low, at_high, weight)
