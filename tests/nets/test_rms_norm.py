"""RMS normalisation and SiLU in one are what they are one after the other, with their gradients."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from robot_mbrl.nets.rms_norm import RMSNormSiLU

SHAPES = [(5, 6), (2, 3, 6), (7, 5_000, 6)]
"""The last one is too large to be computed at once."""


def _layer() -> RMSNormSiLU:
    torch.manual_seed(0)
    layer = RMSNormSiLU(6, 1e-2).double()
    with torch.no_grad():
        layer[0].weight.add_(0.3 * torch.randn(6))
    return layer


def _one_after_the_other(layer: RMSNormSiLU, x: Tensor) -> Tensor:
    normed = x / (x.square().mean(-1, keepdim=True) + layer.epsilon).sqrt()
    return F.silu(normed * layer[0].weight)


@pytest.mark.parametrize("shape", SHAPES)
def test_values_and_gradients_are_those_of_the_definition(shape: tuple[int, ...]) -> None:
    layer = _layer()
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(shape, dtype=torch.float64)
    inputs = (x, layer[0].weight)
    found, expected = layer(x), _one_after_the_other(layer, x)
    torch.testing.assert_close(found, expected)
    grads = torch.autograd.grad((found * weights).sum(), inputs)
    torch.testing.assert_close(grads, torch.autograd.grad((expected * weights).sum(), inputs))


def test_a_row_of_zeros_has_a_gradient() -> None:
    layer = _layer()
    x = torch.zeros(2, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, (x,))


@pytest.mark.parametrize("shape", SHAPES)
def test_without_gradients_it_is_the_same_and_leaves_its_input_as_it_was(shape: tuple[int, ...]) -> None:
    layer = _layer()
    x = torch.randn(shape, dtype=torch.float64)
    before = x.clone()
    with torch.no_grad():
        found = layer(x)
    assert torch.equal(found, layer(x))
    assert torch.equal(x, before)


def test_an_input_that_needs_no_gradient_leaves_the_weight_its_own() -> None:
    layer = _layer()
    x = torch.randn(5, 6, dtype=torch.float64)
    (found,) = torch.autograd.grad(layer(x).sum(), layer[0].weight)
    (expected,) = torch.autograd.grad(_one_after_the_other(layer, x).sum(), layer[0].weight)
    torch.testing.assert_close(found, expected)


def test_half_precision_is_computed_in_single() -> None:
    layer = _layer().float()
    assert layer(torch.randn(5, 6).bfloat16()).dtype == torch.float32
