"""Categorical latents as indices behave as the one-hots they stand for."""

import pytest
import torch
from torch import Tensor
from torch.distributions import Categorical, Independent, kl_divergence

from robot_mbrl.nets.latents import OneHotLinear, StateLinear, categorical_kl, sample_index, unimix_probs

STOCH, CLASSES = 5, 7


@pytest.fixture
def probs() -> Tensor:
    torch.manual_seed(0)
    return unimix_probs(torch.randn(11, STOCH, CLASSES), 0.01)


def test_unimix_leaves_no_class_below_its_share() -> None:
    probs = unimix_probs(torch.tensor([[100.0, 0.0, 0.0, 0.0]]), 0.01)
    torch.testing.assert_close(probs, torch.tensor([[0.9925, 0.0025, 0.0025, 0.0025]]))


def test_sampling_draws_the_class_whose_share_of_the_unit_interval_holds_the_uniform(probs: Tensor) -> None:
    uniform = torch.rand(11, STOCH, generator=torch.Generator().manual_seed(1))
    drawn = sample_index(probs, uniform)
    for row in range(11):
        for variable in range(STOCH):
            total, expected = 0.0, 0
            for expected in range(CLASSES):  # noqa: B007 the last class if rounding leaves the sum below 1
                total += float(probs[row, variable, expected])
                if float(uniform[row, variable]) < total:
                    break
            assert int(drawn[row, variable]) == expected


def test_sampling_stays_within_the_classes_at_either_end_of_the_uniform() -> None:
    probs = torch.full((1, 1, 3), 1 / 3)
    assert sample_index(probs, torch.tensor([[0.0]])).item() == 0
    assert sample_index(probs, torch.tensor([[1.0 - 2**-24]])).item() == 2


FEW_AND_MANY = pytest.mark.parametrize("count", [1, 30_000])
"""Many are drawn another way."""


@FEW_AND_MANY
def test_what_rounding_leaves_above_the_sum_of_all_classes_is_the_last_ones(count: int) -> None:
    probs = torch.tensor([0.5, 0.3, 0.1]).repeat(count, 1, 1)
    assert (sample_index(probs, torch.full((count, 1), 0.95)) == 2).all()


@FEW_AND_MANY
def test_a_uniform_where_one_class_ends_draws_the_next(count: int) -> None:
    probs = torch.tensor([0.25, 0.5, 0.25]).repeat(count, 1, 1)
    assert (sample_index(probs, torch.full((count, 1), 0.25)) == 1).all()
    assert (sample_index(probs, torch.full((count, 1), 0.75)) == 2).all()


def test_sample_frequencies_are_the_probabilities() -> None:
    probs = torch.tensor([0.5, 0.3, 0.15, 0.05]).expand(100_000, 1, 4)
    drawn = sample_index(probs, torch.rand(100_000, 1, generator=torch.Generator().manual_seed(2)))
    frequencies = torch.bincount(drawn.flatten(), minlength=4) / 100_000
    torch.testing.assert_close(frequencies, probs[0, 0], atol=0.006, rtol=0.0)


def test_kl_agrees_with_torch_distributions(probs: Tensor) -> None:
    other = unimix_probs(torch.randn(11, STOCH, CLASSES), 0.01)
    expected = kl_divergence(Independent(Categorical(probs), 1), Independent(Categorical(other), 1))
    torch.testing.assert_close(categorical_kl(probs, other), expected)


def test_linear_of_indices_is_linear_of_straight_through_one_hots_with_its_gradients(probs: Tensor) -> None:
    layer = OneHotLinear(STOCH, CLASSES, 3).double()
    source = probs.double().requires_grad_()
    index = sample_index(source, torch.rand(11, STOCH))
    weights = torch.randn(11, 3, dtype=torch.float64)

    (layer(index, source) * weights).sum().backward()
    by_index = source.grad, layer.weight.grad

    dense_source = probs.double().requires_grad_()
    onehot = torch.nn.functional.one_hot(index, CLASSES).double()
    straight_through = onehot + dense_source - dense_source.detach()
    dense_weight = layer.weight.detach().clone().requires_grad_()
    image = straight_through.flatten(1) @ dense_weight
    (image * weights).sum().backward()

    torch.testing.assert_close(layer(index, source), image)
    torch.testing.assert_close(by_index, (dense_source.grad, dense_weight.grad))


@pytest.mark.parametrize("count", [3, 40_000])
def test_the_kernels_gradient_is_that_of_one_hots_however_many_rows_are_added_up(count: int) -> None:
    layer = OneHotLinear(STOCH, CLASSES, 3).double()
    index = torch.randint(CLASSES, (count, STOCH))
    weights = torch.randn(count, 3, dtype=torch.float64)
    (layer(index) * weights).sum().backward()
    expected = torch.nn.functional.one_hot(index, CLASSES).double().flatten(1).T @ weights
    torch.testing.assert_close(layer.weight.grad, expected)


def test_first_layer_of_a_state_takes_any_leading_dimensions(probs: Tensor) -> None:
    layer = StateLinear(4, STOCH, CLASSES, 6)
    deter, index = torch.randn(2, 3, 4), torch.randint(CLASSES, (2, 3, STOCH))
    assert layer(deter, index).shape == (2, 3, 6)
    torch.testing.assert_close(layer(deter, index)[1, 2], layer(deter[1, 2], index[1, 2]))
