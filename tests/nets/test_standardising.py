"""Standardisers follow mean and deviation of what they are shown."""

import copy

import torch

from robot_mbrl.nets.standardising import SMALLEST, Standardiser


def test_it_has_the_moments_of_all_it_was_shown() -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(20, 64, 3, generator=generator) * torch.tensor([1.0, 5.0, 0.1]) + torch.tensor(
        [0.0, 3.0, -1.0]
    )
    standardiser = Standardiser(3, rate=1e-3)
    for batch in values:
        standardiser.measure(batch, torch.ones(64))
    torch.testing.assert_close(standardiser.mean, values.flatten(0, 1).mean(0), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(standardiser.deviation, values.flatten(0, 1).std(0, correction=0), atol=1e-5, rtol=1e-4)
    seen = standardiser(values)
    torch.testing.assert_close(seen.flatten(0, 1).std(0, correction=0), torch.ones(3), atol=1e-4, rtol=0.0)
    torch.testing.assert_close(standardiser.signal, values.square().mean((0, 1)).sqrt(), atol=1e-4, rtol=1e-4)


def test_what_weighs_nothing_does_not_count() -> None:
    standardiser, other = Standardiser(1, rate=1e-3), Standardiser(1, rate=1e-3)
    values = torch.tensor([[1.0], [2.0], [1000.0]])
    standardiser.measure(values, torch.tensor([1.0, 1.0, 0.0]))
    other.measure(values[:2], torch.ones(2))
    torch.testing.assert_close(standardiser.mean, other.mean)
    torch.testing.assert_close(standardiser.deviation, other.deviation)


def test_what_is_not_finite_leaves_it_as_it_was() -> None:
    standardiser = Standardiser(2, rate=1e-3)
    standardiser.measure(torch.tensor([[1.0, 2.0], [3.0, 5.0]]), torch.ones(2))
    before = copy.deepcopy(standardiser.state_dict())
    standardiser.measure(torch.tensor([[1.0, torch.nan], [3.0, 5.0]]), torch.ones(2))
    assert all(torch.equal(value, before[name]) for name, value in standardiser.state_dict().items())


def test_what_never_changes_is_not_blown_up() -> None:
    standardiser = Standardiser(1, rate=1e-3)
    standardiser.measure(torch.full((4, 1), 7.0), torch.ones(4))
    assert float(standardiser.deviation) == torch.tensor(SMALLEST)
    assert float(standardiser(torch.tensor([7.0]))) == 0.0
