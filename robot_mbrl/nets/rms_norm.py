"""RMS normalisation with the SiLU that follows it: what comes after every hidden layer of DreamerV3."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from robot_mbrl.nets.precision import at_least_single

CACHED = 2**17
"""Numbers of which several tensors fit into a core's cache: passes over a part of this size cost no memory traffic."""


class RMSNorm(nn.RMSNorm):
    """Division by the root mean square, computed in at least single precision."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalised x, same shape (..., size)."""
        return super().forward(at_least_single(x))


class RMSNormSiLU(nn.Sequential):
    """The two after one another: on a CPU as one operation, since each pass over a large layer costs like a product.

    Torch's own normalisation there is made of elementwise operations, whose gradients are a dozen more.
    """

    def __init__(self, size: int, epsilon: float) -> None:
        super().__init__(RMSNorm(size, eps=epsilon), nn.SiLU())
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        """Normalised and activated x, same shape (..., size)."""
        if x.device.type != "cpu" or torch.compiler.is_exporting():
            return F.silu(self[0](x))
        weight = self[0].weight
        assert isinstance(weight, Tensor)
        x = at_least_single(x)
        if torch.is_grad_enabled():
            out: Tensor = _Together.apply(x, weight, self.epsilon)  # type: ignore[no-untyped-call]
            return out
        rows = _rows(x)
        out = torch.empty_like(rows)
        for part, into in zip(_parts(rows), _parts(out), strict=True):
            F.silu(torch.mul(part, _inverse_root(part, self.epsilon), out=into).mul_(weight), inplace=True)
        return out.view(x.shape)


def _rows(x: Tensor) -> Tensor:
    """All rows (n, size) of (..., size)."""
    return x.reshape(-1, x.shape[-1])


def _parts(rows: Tensor) -> tuple[Tensor, ...]:
    """Rows (n, ...) in parts that fit into the cache."""
    parts: tuple[Tensor, ...] = torch.split(rows, max(1, CACHED * len(rows) // max(1, rows.numel())))
    return parts


def _inverse_root(x: Tensor, epsilon: float) -> Tensor:
    """1 / sqrt(mean x² + epsilon) over the last dimension, kept."""
    norm: Tensor = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    return norm.square_().mul_(1.0 / x.shape[-1]).add_(epsilon).rsqrt_()


class _Together(torch.autograd.Function):
    """SiLU(x · r · weight) with r = 1 / sqrt(mean x² + epsilon), and its gradient in closed form."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, epsilon: float) -> Tensor:  # noqa: ANN401 torch's own type
        rows = _rows(x)
        out, inverse = torch.empty_like(rows), []
        for part, into in zip(_parts(rows), _parts(out), strict=True):
            inverse.append(_inverse_root(part, epsilon))
            torch.ops.aten.silu.out((part * inverse[-1]).mul_(weight), out=into)
        ctx.save_for_backward(x, weight, *inverse)
        return out.view(x.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None]:  # noqa: ANN401
        x, weight, *inverse = ctx.saved_tensors
        rows = _rows(x)
        grad_x, grad_weight = torch.empty_like(rows), torch.zeros_like(weight)
        parts = zip(_parts(rows), inverse, _parts(_rows(grads[0])), _parts(grad_x), strict=True)
        for part, root, grad_out, into in parts:
            normed = part * root
            grad = torch.ops.aten.silu_backward(grad_out, normed * weight)  # with respect to x · r · weight
            along = torch.mul(grad, normed, out=into)
            grad_weight += along.sum(0)
            # Since dr/dx = -r³ x / size, all other elements of x have a share in what each one gets.
            shared = torch.mv(along, weight).mul_(-1.0 / rows.shape[1]).unsqueeze(1)
            torch.mul(grad, weight, out=into).addcmul_(normed, shared).mul_(root)
        return grad_x.view(x.shape), grad_weight, None
