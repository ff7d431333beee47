"""RMS normalisation with the SiLU that follows it: what comes after every hidden layer of DreamerV3."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from robot_mbrl.nets.parts import per_thread
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
        if x.numel() <= per_thread(CACHED):
            return F.silu((x * _inverse_root(x, self.epsilon)).mul_(weight), inplace=True)
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
    parts: tuple[Tensor, ...] = torch.split(rows, max(1, per_thread(CACHED) * len(rows) // max(1, rows.numel())))
    return parts


def _inverse_root(x: Tensor, epsilon: float) -> Tensor:
    """1 / sqrt(mean x² + epsilon) over the last dimension, kept."""
    norm: Tensor = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    return norm.square_().mul_(1.0 / x.shape[-1]).add_(epsilon).rsqrt_()


class _Together(torch.autograd.Function):
    """SiLU(x · r · weight) with r = 1 / sqrt(mean x² + epsilon), and its gradient in closed form."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, epsilon: float) -> Tensor:  # noqa: ANN401 torch's own type
        if x.numel() <= per_thread(CACHED):
            inverse = _inverse_root(x, epsilon)
            ctx.save_for_backward(x, weight, inverse)
            return F.silu((x * inverse).mul_(weight), inplace=True)
        rows = _rows(x)
        out, inverses = torch.empty_like(rows), []
        for part, into in zip(_parts(rows), _parts(out), strict=True):
            inverses.append(_inverse_root(part, epsilon))
            F.silu(torch.mul(part, inverses[-1], out=into).mul_(weight), inplace=True)
        ctx.save_for_backward(x, weight, *inverses)
        return out.view(x.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None]:  # noqa: ANN401
        x, weight, *inverses = ctx.saved_tensors
        if len(inverses) == 1:
            grad_x, grad_weight = _gradients(x, inverses[0], weight, grads[0])
            return grad_x, grad_weight, None
        rows = _rows(x)
        whole, sums = torch.empty_like(rows), []
        sizes = [len(inverse) for inverse in inverses]
        parts = (torch.split(tensor, sizes) for tensor in (rows, _rows(grads[0]), whole))
        for inverse, part, grad, into in zip(inverses, *parts, strict=True):
            grad_x, grad_weight = _gradients(part, inverse, weight, grad)
            into.copy_(grad_x)
            sums.append(grad_weight)
        return whole.view(x.shape), torch.stack(sums).sum(0), None


def _gradients(x: Tensor, inverse: Tensor, weight: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients of x (..., size) and of the weight (size), given that of the activation."""
    normed = x * inverse
    grad = torch.ops.aten.silu_backward(grad, normed * weight)  # with respect to x · r · weight
    along = grad * normed
    # Since dr/dx = -r³ x / size, all other elements of x have a share in what each one gets.
    shared = (along @ weight).mul_(-1.0 / x.shape[-1]).unsqueeze(-1)
    return grad.mul_(weight).addcmul_(normed, shared).mul_(inverse), _rows(along).sum(0)
