"""The bounded quadratic step, against an exhaustive search over which bounds hold."""

import itertools

import numpy as np
import pytest
import torch

from robot_mbrl.planners.bounded import SMALLEST_PIVOT, bounded_minimum, solve


def exhaustive(curvature: np.ndarray, gradient: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The minimum within bounds: the best of those that any choice of held bounds leads to."""
    best, least = np.zeros_like(gradient), np.inf
    for held in itertools.product((-1, 0, 1), repeat=len(gradient)):
        step = np.where(np.array(held) < 0, low, np.where(np.array(held) > 0, high, 0.0))
        free = np.array(held) == 0
        if free.any():
            right = -(gradient + curvature @ step)[free]
            step[free] = np.linalg.solve(curvature[np.ix_(free, free)], right)
        cost = 0.5 * step @ curvature @ step + gradient @ step
        if (step >= low - 1e-12).all() and (step <= high + 1e-12).all() and cost < least:
            best, least = step, cost
    return best


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_it_is_the_minimum_within_the_bounds(size: int) -> None:
    rng = np.random.default_rng(size)
    roots = rng.normal(size=(50, size, size))
    curvature = roots @ roots.transpose(0, 2, 1) + 0.3 * np.eye(size)
    gradient, low, high = rng.normal(size=(50, size)), -rng.random((50, size)), rng.random((50, size))
    mixed = rng.normal(size=(50, size, 2))
    step, follows = bounded_minimum(*(torch.from_numpy(x) for x in (curvature, gradient, mixed, low, high)))
    expected = np.stack([exhaustive(*x) for x in zip(curvature, gradient, low, high, strict=True)])
    np.testing.assert_allclose(step.numpy(), expected, atol=1e-6)
    # How the minimum follows the gradient, by differences; where it leaves or meets a bound there is no derivative.
    nudge = 1e-6
    moved = np.stack(
        [
            exhaustive(c, g + nudge * m[:, 0], lo, hi)
            for c, g, m, lo, hi in zip(curvature, gradient, mixed, low, high, strict=True)
        ]
    )
    np.testing.assert_allclose(follows.numpy()[..., 0], (moved - expected) / nudge, atol=1e-4)
    assert (expected == low).any()
    assert (expected == high).any()


def test_a_matrix_is_solved_as_numpy_does() -> None:
    rng = np.random.default_rng(0)
    roots = rng.normal(size=(20, 5, 5))
    matrix, right = roots @ roots.transpose(0, 2, 1) + 0.1 * np.eye(5), rng.normal(size=(20, 5, 3))
    found = solve(torch.from_numpy(matrix), torch.from_numpy(right))
    np.testing.assert_allclose(found.numpy(), np.linalg.solve(matrix, right), rtol=1e-6)


def test_where_it_falls_for_ever_it_goes_to_the_bound_that_is_downhill() -> None:
    curvature = torch.tensor([[[-1.0]], [[0.0]]])
    gradient = torch.tensor([[0.2], [-0.2]])
    bounds = torch.full((2, 1), -1.0), torch.full((2, 1), 1.0)
    step, follows = bounded_minimum(curvature, gradient, torch.ones(2, 1, 1), *bounds)
    assert step.flatten().tolist() == [-1.0, 1.0]
    assert (follows == 0.0).all()
    assert SMALLEST_PIVOT > 0.0
