"""Running scales follow what is seen as their recurrences say, and never anything that is not finite."""

import numpy as np
import torch

from robot_mbrl.nets.normalisers import AdaptiveWeight, MovingMoments, MovingRange


def test_moments_are_moving_averages_without_the_bias_of_their_start() -> None:
    moments, rng = MovingMoments(0.9), np.random.default_rng(0)
    mean = square = 0.0
    for step in range(1, 6):
        seen = rng.normal(3.0, 2.0, 50)
        moments.update(torch.from_numpy(seen).float())
        mean, square = 0.9 * mean + 0.1 * seen.mean(), 0.9 * square + 0.1 * (seen**2).mean()
        corrected = mean / (1 - 0.9**step), square / (1 - 0.9**step)
        expected = (seen - corrected[0]) / np.sqrt(corrected[1] - corrected[0] ** 2)
        found = moments.normalised(torch.from_numpy(seen).float())
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-4)


def test_what_never_varies_is_not_divided_by_zero() -> None:
    moments = MovingMoments(0.9)
    moments.update(torch.full((5,), 2.0))
    assert torch.isfinite(moments.normalised(torch.full((5,), 2.0))).all()


def test_the_range_follows_the_5th_and_95th_percentile_from_zero() -> None:
    limits, rng, expected = MovingRange(0.05, 0.95, 0.01, 1.0), np.random.default_rng(0), np.zeros(2)
    for _ in range(5):
        seen = rng.normal(0.0, 1000.0, (20, 15))
        limits.update(torch.from_numpy(seen).float())
        expected += 0.01 * (np.percentile(seen, [5, 95]) - expected)
    np.testing.assert_allclose(limits.limits.numpy(), expected, rtol=1e-4)
    np.testing.assert_allclose(float(limits.scale()), expected[1] - expected[0], rtol=1e-4)


def test_the_range_has_a_floor() -> None:
    limits = MovingRange(0.05, 0.95, 0.01, 1.0)
    limits.update(torch.randn(100))
    assert float(limits.scale()) == 1.0


def test_what_is_not_finite_changes_no_scale() -> None:
    moments, limits = MovingMoments(0.9), MovingRange(0.05, 0.95, 0.01, 1.0)
    for scale in (moments, limits):
        scale.update(torch.arange(10.0))
        before = [buffer.clone() for buffer in scale.buffers()]
        scale.update(torch.tensor([1.0, torch.inf, torch.nan]))
        assert all(torch.equal(one, other) for one, other in zip(before, scale.buffers(), strict=True))


def test_weights_grow_and_shrink_one_by_one_within_their_bounds() -> None:
    weights = AdaptiveWeight((3,), 1.1, least=0.9, most=1.05)
    grow, shrink = torch.tensor([True, False, False]), torch.tensor([False, True, False])
    torch.testing.assert_close(weights.adapt(grow, shrink), torch.tensor([1.05, 1 / 1.1, 1.0]))
    torch.testing.assert_close(weights.adapt(shrink, shrink), torch.tensor([1.05, 1.0, 1.0]))
    torch.testing.assert_close(weights.adapt(shrink, grow), torch.tensor([1.05 / 1.1, 1.05, 1.0]))
    for _ in range(5):
        weights.adapt(~grow, grow)
    torch.testing.assert_close(weights.weight, torch.tensor([0.9, 1.05, 1.05]))
