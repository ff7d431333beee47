"""The minimum of a quadratic function within bounds, and how it follows what its gradient depends on.

Written in the operations that ONNX has: it knows no linear solver.
"""

import torch
from torch import Tensor

from robot_mbrl.planners.scanning import Step, Tensors, scan

SWEEPS = 8
"""Rounds of coordinate descent: a step that is not bounded is solved exactly, whatever this is."""
SMALLEST_PIVOT = 1e-6
"""What the curvature along any direction is taken for at least: a function that falls for ever has no minimum."""


def solve(matrix: Tensor, right: Tensor) -> Tensor:
    """Solve `matrix @ x = right` for symmetric matrices, as if their pivots were at least `SMALLEST_PIVOT`.

    Elimination without a search for pivots, which positive definite matrices do not need; of others it solves a
    neighbour that is positive definite (a modified Cholesky factorisation, Nocedal and Wright 2006, section 3.4).

    Args:
        matrix: (..., n, n), small: the graph grows with n.
        right: (..., n, m).

    Returns:
        x, (..., n, m).
    """
    size = matrix.shape[-1]
    identity = torch.eye(size, dtype=matrix.dtype, device=matrix.device)
    rows = torch.cat([matrix, right], -1)  # (..., n, n + m)
    for index in range(size):
        pivot = rows[..., index : index + 1, index : index + 1].clamp(min=SMALLEST_PIVOT)
        row = rows[..., index : index + 1, :] / pivot
        unit = identity[:, index : index + 1]
        others = (1.0 - unit) * rows[..., :, index : index + 1]
        rows = (1.0 - unit) * rows + unit * row - others * row
    return rows[..., size:]


def bounded_minimum(
    curvature: Tensor, gradient: Tensor, mixed: Tensor, low: Tensor, high: Tensor
) -> tuple[Tensor, Tensor]:
    """Minimise d' curvature d / 2 + gradient' d within bounds (the step of control-limited DDP, Tassa et al. 2014).

    Args:
        curvature: (..., n, n), symmetric; directions that do not curve upwards are taken to do so slightly.
        gradient: (..., n).
        mixed: (..., n, s), derivative of the gradient by what it depends on.
        low: lower bounds, of the shape of `gradient` or broadcasting to it, at most 0.
        high: upper bounds, at least 0.

    Returns:
        The minimum d, (..., n); and its derivative by what the gradient depends on, (..., n, s): zero along directions
        that are held by a bound.
    """
    free_step = -solve(curvature, gradient.unsqueeze(-1)).squeeze(-1)
    step = torch.minimum(torch.maximum(free_step, low), high)
    size = curvature.shape[-1]
    if size == 2:
        step = _along_edges(curvature, gradient, low.expand_as(step), high.expand_as(step), step)
    elif size > 2:
        step = _descend(curvature, gradient, low, high, step)
    slope = (curvature @ step.unsqueeze(-1)).squeeze(-1) + gradient
    held = ((step <= low) & (slope > 0.0)) | ((step >= high) & (slope < 0.0))
    free = (~held).to(step)
    identity = torch.eye(size, dtype=step.dtype, device=step.device)
    reduced = free.unsqueeze(-1) * curvature * free.unsqueeze(-2) + (1.0 - free).unsqueeze(-1) * identity
    follows = -solve(reduced, free.unsqueeze(-1) * mixed)
    if size > 2:
        # Coordinate descent finds which directions are held; how far the others go is solved exactly.
        at_bounds = (1.0 - free) * step
        rest = gradient + (curvature @ at_bounds.unsqueeze(-1)).squeeze(-1)
        exact = -solve(reduced, (free * rest).unsqueeze(-1)).squeeze(-1)
        step = torch.minimum(torch.maximum(free * exact + at_bounds, low), high)
    return step, follows


def _along_edges(curvature: Tensor, gradient: Tensor, low: Tensor, high: Tensor, free_step: Tensor) -> Tensor:
    """The minimum of two variables (..., 2): the free one if it is within the bounds, or the best of the four edges'.

    Most robots of two motors spend their planning here; a loop would cost several times as much.
    """
    pivots = curvature.diagonal(dim1=-2, dim2=-1).clamp(min=SMALLEST_PIVOT).expand_as(gradient)
    coupling = curvature[..., 0, 1].unsqueeze(-1).expand_as(gradient[..., :1])  # (..., 1)
    bounds = torch.stack([low, high], -1)  # (..., 2, 2): of each variable
    others = -(gradient.flip(-1).unsqueeze(-1) + coupling.unsqueeze(-1) * bounds) / pivots.flip(-1).unsqueeze(-1)
    others = torch.minimum(torch.maximum(others, low.flip(-1).unsqueeze(-1)), high.flip(-1).unsqueeze(-1))
    first = torch.cat([free_step[..., :1], bounds[..., 0, :], others[..., 1, :]], -1)  # (..., 5)
    second = torch.cat([free_step[..., 1:], others[..., 0, :], bounds[..., 1, :]], -1)
    curved = 0.5 * (pivots[..., :1] * first.square() + pivots[..., 1:] * second.square()) + coupling * first * second
    costs = curved + gradient[..., :1] * first + gradient[..., 1:] * second
    best = costs.argmin(-1, keepdim=True)
    return torch.cat([first.gather(-1, best), second.gather(-1, best)], -1)


def _descend(curvature: Tensor, gradient: Tensor, low: Tensor, high: Tensor, step: Tensor) -> Tensor:
    """Cyclic coordinate descent from a step (..., n) within the bounds."""

    def move(carry: Tensors, inputs: Tensors) -> Step:
        unit = inputs[0]  # (n,), the direction whose turn it is
        slope = (curvature @ carry[0].unsqueeze(-1)).squeeze(-1) + gradient  # (..., n)
        pivot = (unit @ curvature @ unit).clamp(min=SMALLEST_PIVOT).unsqueeze(-1)
        moved = carry[0] - unit * slope / pivot
        return (torch.minimum(torch.maximum(moved, low), high),), (pivot,)

    size = curvature.shape[-1]
    directions = torch.eye(size, dtype=step.dtype, device=step.device).repeat(SWEEPS, 1)
    return scan(move, (step,), (directions,))[0][0]
