"""Layers start with the weights that each paper's code gives them."""

import math

import pytest
import torch

from robot_mbrl.nets.styles import KERAS, LAYER_NORM, RMS_NORM


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def _limit(values: torch.Tensor, expected: float) -> None:
    values = values.detach()
    assert float(values.abs().max()) == pytest.approx(expected, rel=0.01)
    assert float(values.abs().max()) <= expected
    assert float(values.std()) == pytest.approx(expected / math.sqrt(3.0), rel=0.02)


def test_dense_weights_of_keras_are_glorot_uniform() -> None:
    layer = KERAS.linear(300, 100)
    _limit(layer.weight, math.sqrt(6.0 / 400))
    assert not layer.bias.any()


def test_daydreamer_scales_the_variance_of_outputs_and_has_no_bias_before_a_norm() -> None:
    _limit(LAYER_NORM.linear(300, 100, scale=0.1).weight, math.sqrt(3.0 * 0.1 / 200))
    hidden = LAYER_NORM.hidden(10, 20)
    assert [name for name, _ in hidden.named_parameters()] == ["0.weight", "1.0.weight", "1.0.bias"]


def test_dreamerv3_truncates_at_two_deviations_and_scales_weights() -> None:
    weight = RMS_NORM.linear(400, 300, scale=0.5).weight.detach()
    deviation = 0.5 / math.sqrt(400)
    assert float(weight.std()) == pytest.approx(deviation, rel=0.01)
    assert float(weight.abs().max()) <= 2 * 1.1369 * deviation
    assert float(weight.abs().max()) == pytest.approx(2 * 1.1368 * deviation, rel=0.01)
    assert not RMS_NORM.linear(400, 300, scale=0.0).weight.any()


def test_convolutions_count_their_area_but_for_daydreamers() -> None:
    _limit(KERAS.convolution(16, 48, 4, 2).weight, math.sqrt(6.0 / (16 * (16 + 48))))
    _limit(LAYER_NORM.convolution(16, 48, 4, 2).weight, math.sqrt(3.0 / 32))
    _limit(LAYER_NORM.transposed(16, 48, 5, 2).weight, math.sqrt(3.0 / (25 * 32)))
    weight = RMS_NORM.convolution(16, 48, 5, 1, 2).weight.detach()
    assert float(weight.std()) == pytest.approx(1.0 / math.sqrt(25 * 16), rel=0.02)


def test_rms_normalisation_divides_by_the_root_mean_square_alone() -> None:
    x = 3.0 + torch.randn(4, 8)
    expected = x / (x.square().mean(-1, keepdim=True) + 1e-4).sqrt()
    torch.testing.assert_close(RMS_NORM.after(8)(x), expected * torch.sigmoid(expected))


def test_layer_normalisation_of_daydreamer_is_followed_by_elu() -> None:
    x = 3.0 + torch.randn(4, 8)
    normed = (x - x.mean(-1, keepdim=True)) / (x.var(-1, unbiased=False, keepdim=True) + 1e-3).sqrt()
    expected = torch.where(normed > 0, normed, torch.expm1(normed))
    torch.testing.assert_close(LAYER_NORM.after(8)(x), expected)
    picture = x.T.reshape(1, 8, 2, 2)
    torch.testing.assert_close(LAYER_NORM.after_convolution(8)(picture), expected.T.reshape(1, 8, 2, 2))
