"""Categorical latents carried as indices: sampling, straight-through gradients, KL divergence, first layers.

A latent of `stoch` variables with `classes` each is an integer vector, never a one-hot: its linear image is a sum of
rows, several times cheaper than the matrix product on a CPU. Gradients flow as if the one-hot had been
`onehot + probs - stop_gradient(probs)` (DreamerV2, section 2, straight-through).
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robot_mbrl.nets.initial import truncated_normal
from robot_mbrl.nets.parts import per_thread


def unimix_probs(logits: Tensor, unimix: float) -> Tensor:
    """Softmax of the logits mixed with a uniform distribution (DreamerV3: 1%), over the last dimension."""
    probs = torch.softmax(logits, -1)
    kept = probs * (1.0 - unimix) if probs.requires_grad else probs.mul_(1.0 - unimix)
    return kept.add_(unimix / logits.shape[-1])


_MANY = 2**16
"""Probabilities from which on a CPU draws faster by a binary search than by comparing with all of them."""


def sample_index(probs: Tensor, uniform: Tensor) -> Tensor:
    """Draw classes by inverting the cumulative distribution.

    Args:
        probs: (..., stoch, classes).
        uniform: (..., stoch), in [0, 1).

    Returns:
        Indices (..., stoch), int64, without gradient.
    """
    cumulative = probs.detach().cumsum(-1)
    if probs.numel() < _MANY or probs.device.type != "cpu" or torch.compiler.is_exporting():  # ONNX has no search
        return (uniform.unsqueeze(-1) >= cumulative[..., :-1]).sum(-1)
    sought = uniform.unsqueeze(-1).to(cumulative.dtype).contiguous()
    index = torch.searchsorted(cumulative, sought, right=True).squeeze(-1)
    return index.clamp_(max=probs.shape[-1] - 1)  # what rounding leaves above the sum of all belongs to the last


def categorical_kl(left: Tensor, right: Tensor) -> Tensor:
    """KL(left || right) of factorised categoricals, nats.

    Args:
        left: probabilities (..., stoch, classes), all positive.
        right: likewise.

    Returns:
        Sum over the variables, shape (...).
    """
    return (left * (left.log() - right.log())).sum((-2, -1))


_CACHED = 2**19
"""Numbers of one-hots that are made at a time: so many fit into a core's cache."""


class _OneHotLinear(torch.autograd.Function):
    """onehot(index) @ weight with the straight-through gradient towards the probabilities, if there are any."""

    @staticmethod
    def forward(ctx: Any, probs: Tensor | None, rows: Tensor, weight: Tensor) -> Tensor:  # noqa: ANN401 torch's own type
        ctx.save_for_backward(rows, weight)
        ctx.probs_shape = None if probs is None else probs.shape
        return F.embedding_bag(rows, weight, mode="sum")

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, None, Tensor | None]:  # noqa: ANN401
        rows, weight = ctx.saved_tensors
        (grad,) = grads
        grad_probs = (grad @ weight.T).view(ctx.probs_shape) if ctx.needs_input_grad[0] else None
        return grad_probs, None, _gradient_of_rows(rows, grad, len(weight)) if ctx.needs_input_grad[2] else None


def _gradient_of_rows(rows: Tensor, grad: Tensor, count: int) -> Tensor:
    """Gradient (count, size) of a kernel of which rows (n, stoch) were added up, given that of the sums, (n, size).

    As a product with the one-hots, made for a few sums at a time: twice as fast as torch's own, which sorts the rows.
    """
    at_a_time = max(1, per_thread(_CACHED) // count)
    if len(rows) <= at_a_time or grad.device.type != "cpu":
        return grad.new_zeros(len(rows), count).scatter_(1, rows, 1.0).T @ grad
    onehot = grad.new_zeros(at_a_time, count)
    total = grad.new_zeros(count, grad.shape[1])
    for part, of_part in zip(torch.split(rows, at_a_time), torch.split(grad, at_a_time), strict=True):
        total.addmm_(onehot[: len(part)].scatter_(1, part, 1.0).T, of_part)
        onehot[: len(part)].scatter_(1, part, 0.0)
    return total


def onehot(index: Tensor, probs: Tensor | None, classes: int) -> Tensor:
    """One-hots (..., stoch, classes) of classes (..., stoch), straight-through to the probabilities if given."""
    # Compared rather than by torch's one_hot, which reads the indices to check them.
    drawn = index.unsqueeze(-1) == torch.arange(classes, device=index.device)
    if probs is None:
        return drawn.float()
    return drawn.to(probs.dtype) + (probs - probs.detach())  # bracketed so that rounding leaves it one-hot


def sum_of_rows(index: Tensor, probs: Tensor | None, weight: Tensor, classes: int) -> Tensor:
    """The product of `onehot` and a kernel (stoch * classes, size), without making the one-hots: (..., size)."""
    stoch = index.shape[-1]
    rows = (index + torch.arange(0, stoch * classes, classes, device=index.device)).view(-1, stoch)
    shape = (*index.shape[:-1], weight.shape[-1])
    return _sums(probs, rows, weight).view(shape)


def _sums(probs: Tensor | None, rows: Tensor, weight: Tensor) -> Tensor:
    """Sums (n, size) of rows (n, stoch) of a kernel, with gradients towards the probabilities if given."""
    if not torch.is_grad_enabled():
        return F.embedding_bag(rows, weight, mode="sum")
    sums: Tensor = _OneHotLinear.apply(probs, rows, weight)  # type: ignore[no-untyped-call]
    return sums


class OneHotLinear(nn.Module):
    """Linear image, without bias, of a categorical latent given as indices."""

    offsets: Tensor

    def __init__(self, stoch: int, classes: int, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(stoch * classes, size))
        # Each variable contributes one row, so the image's variance is that of `stoch` rows.
        truncated_normal(self.weight, stoch**-0.5)
        self.register_buffer("offsets", torch.arange(stoch) * classes, persistent=False)

    def forward(self, index: Tensor, probs: Tensor | None = None, kept: Tensor | None = None) -> Tensor:
        """Image of the latent.

        Args:
            index: (..., stoch) classes.
            probs: (..., stoch, classes) that the classes were drawn from, to pass gradients to; None for none.
            kept: (..., 1), 0 where the latent counts as all zeros; None for nowhere.

        Returns:
            (..., size).
        """
        rows = index + self.offsets
        if torch.compiler.is_exporting():  # ONNX has Gather, but no embedding bag
            image = F.embedding(rows, self.weight).sum(-2)
        else:
            image = _sums(probs, rows.view(-1, rows.shape[-1]), self.weight).view(*index.shape[:-1], -1)
        return image if kept is None else image * kept


class StateLinear(nn.Module):
    """First layer of whatever reads the model state: a linear image of (deter, stoch)."""

    def __init__(self, deter: int, stoch: int, classes: int, size: int) -> None:
        super().__init__()
        self.deter = nn.Linear(deter, size)
        self.stoch = OneHotLinear(stoch, classes, size)
        # Both halves add up, so each brings half of the variance.
        truncated_normal(self.deter.weight, (2 * deter) ** -0.5)
        nn.init.zeros_(self.deter.bias)
        with torch.no_grad():
            self.stoch.weight.mul_(2**-0.5)

    def forward(self, deter: Tensor, index: Tensor, probs: Tensor | None = None) -> Tensor:
        """Image (..., size) of deter (..., deter) and classes (..., stoch), drawn from probs (..., stoch, classes)."""
        image: Tensor = self.deter(deter) + self.stoch(index, probs)
        return image
