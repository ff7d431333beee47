"""Coloured noise has the spectrum it is asked for, and the variance of white noise at every step."""

import numpy as np
import pytest
import torch

from robot_mbrl.planners.colour import colouring

HORIZON = 64


def test_without_a_colour_noise_stays_white() -> None:
    torch.testing.assert_close(colouring(HORIZON, 0.0), torch.eye(HORIZON), atol=1e-6, rtol=0.0)


@pytest.mark.parametrize("exponent", [1.0, 2.0])
def test_power_falls_with_the_frequency(exponent: float) -> None:
    white = np.random.default_rng(0).normal(size=(HORIZON, 20_000))
    coloured = colouring(HORIZON, exponent).double().numpy() @ white
    np.testing.assert_allclose(coloured.var(-1), 1.0, atol=0.05)
    # A window keeps the power of low frequencies from leaking into the high ones.
    power = (np.abs(np.fft.rfft(coloured * np.hanning(HORIZON)[:, None], axis=0)) ** 2).mean(-1)
    frequencies = np.fft.rfftfreq(HORIZON)[3:25]
    slope = np.polyfit(np.log(frequencies), np.log(power[3:25]), 1)[0]
    assert slope == pytest.approx(-exponent, abs=0.3)


def test_neighbours_in_time_are_the_more_alike_the_redder_the_noise() -> None:
    alike = [float(colouring(HORIZON, exponent)[1, 0]) for exponent in (0.0, 1.0, 2.0)]
    assert alike[0] < alike[1] < alike[2]
