"""Scales that nobody has given are measured, and everything else stays as it was given."""

import numpy as np
import pytest
import torch

from robot_mbrl.nets.scaling import RATE, SMALLEST, VectorScaling
from robot_mbrl.specs import VALUE_BOUND, Element, ObservationSpec, VectorSpec


def spec(*scales: float | str) -> ObservationSpec:
    elements = tuple(Element(name=f"v{index}", scale=scale) for index, scale in enumerate(scales))
    return ObservationSpec(vectors={"values": VectorSpec(elements=elements)})


def drawn(count: int, mean: float = 30.0, deviation: float = 4.0, seed: int = 0) -> torch.Tensor:
    return mean + deviation * torch.randn(count, 1, generator=torch.Generator().manual_seed(seed))


def test_given_scales_divide_and_nothing_is_measured():
    scaling = VectorScaling(spec(2.0, 4.0))
    scaling.measure(torch.full((8, 2), 100.0))
    assert torch.equal(scaling(torch.tensor([2.0, -2.0])), torch.tensor([1.0, -0.5]))
    assert not scaling.state_dict()


def test_measured_values_have_mean_0_and_deviation_1():
    scaling = VectorScaling(spec("auto"))
    values = drawn(4000)
    for batch in values.split(400):
        scaling.measure(batch)
    scaled = scaling(values)
    # Equal batches weighted equally: the statistics are exactly those of all values together.
    assert float(scaled.mean()) == pytest.approx(0.0, abs=1e-4)
    assert float(scaled.std(correction=0)) == pytest.approx(1.0, abs=1e-4)


def test_later_batches_count_by_a_fixed_share_so_that_statistics_follow():
    scaling = VectorScaling(spec("auto"))
    for seed in range(round(1 / RATE) + 200):
        scaling.measure(drawn(50, seed=seed))
    before = float(scaling.shift)
    scaling.measure(torch.full((50, 1), before + 10.0))
    assert float(scaling.shift) - before == pytest.approx(10.0 * RATE, rel=0.05)


def test_only_automatic_elements_are_measured():
    scaling = VectorScaling(spec("auto", 5.0))
    scaling.measure(torch.tensor([[10.0, 10.0], [12.0, 12.0]]))
    assert torch.allclose(scaling(torch.tensor([12.0, 12.0])), torch.tensor([1.0, 2.4]))


def test_physical_values_are_what_was_scaled():
    scaling = VectorScaling(spec("auto", 3.0))
    scaling.measure(torch.randn(100, 2) * 7.0 + 2.0)
    values = torch.randn(5, 4, 2)
    assert torch.allclose(scaling.physical(scaling(values)), values, atol=1e-5)


def test_what_never_changes_is_not_blown_up_and_glitches_are_bounded():
    scaling = VectorScaling(spec("auto"))
    scaling.measure(torch.full((10, 1), 3.0))
    assert float(scaling(torch.tensor([3.0 + SMALLEST]))) == pytest.approx(1.0, rel=1e-3)
    assert float(scaling(torch.tensor([1e30]))) == VALUE_BOUND


def test_a_batch_that_is_not_finite_is_left_out():
    scaling = VectorScaling(spec("auto"))
    scaling.measure(drawn(100))
    before = {name: value.clone() for name, value in scaling.state_dict().items()}
    scaling.measure(torch.tensor([[1.0], [np.inf]]))
    assert all(torch.equal(value, before[name]) for name, value in scaling.state_dict().items())


def test_statistics_are_part_of_the_weights():
    scaling, other = VectorScaling(spec("auto")), VectorScaling(spec("auto"))
    scaling.measure(drawn(100))
    other.load_state_dict(scaling.state_dict())
    assert torch.equal(other(drawn(5)), scaling(drawn(5)))
