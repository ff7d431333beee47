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
        """Cross-entropy (...) of logits (..., bins) with the two-hot encoding of the targets (...).

        The encoding is never made: it has two entries, so the loss is two gathers.
        """
        target = target.clamp(self.bins[0], self.bins[-1]).contiguous()
        above = torch.searchsorted(self.bins, target).clamp(1, self.bins.shape[0] - 1)
        low, high = self.bins[above - 1], self.bins[above]
        weight = (target - low) / (high - low)
        logprobs = torch.log_softmax(logits, -1)
        at_low = logprobs.gather(-1, (above - 1).unsqueeze(-1)).squeeze(-1)
        at_high = logprobs.gather(-1, above.unsqueeze(-1)).squeeze(-1)
        return -(at_low * (1.0 - weight) + at_high * weight)
