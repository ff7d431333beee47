"""Butterworth low-pass filters of requests, against scipy's and against what their name promises."""

import math

import numpy as np
import pytest

from robot_mbrl.command_config import FilterConfig
from robot_mbrl.control.low_pass import LowPass

ORDERS = [1, 2, 3, 4, 5, 8]
CUTOFF_HZ = 1.5
TICK_S = 0.01


def low_pass(order: int = 2, value: float = 0.0) -> LowPass:
    return LowPass(FilterConfig(order=order, cutoff_hz=CUTOFF_HZ), value)


@pytest.mark.parametrize("order", ORDERS)
def test_output_is_that_of_scipys_filter_whose_input_is_held(order: int) -> None:
    signal = pytest.importorskip("scipy.signal")
    requests = np.random.default_rng(order).uniform(-1.0, 1.0, 400)
    analogue = signal.tf2ss(*signal.butter(order, math.tau * CUTOFF_HZ, analog=True))
    a, b, c, _, _ = signal.cont2discrete(analogue, TICK_S, method="zoh")
    state, expected = np.zeros(order), []
    for request in requests:
        state = a @ state + b[:, 0] * request
        expected.append((c @ state).item())
    ours = low_pass(order)
    assert [ours.advance(x, TICK_S) for x in requests] == pytest.approx(expected, abs=1e-7)


def test_output_is_nearly_that_of_scipys_digital_filter_at_the_same_rate() -> None:
    """Its bilinear transform warps little here; it takes requests for points of a line, where ours holds each."""
    signal = pytest.importorskip("scipy.signal")
    rate_hz, time_s = 100.0, np.arange(400) / 100.0
    requests = np.sin(math.tau * 0.7 * time_s) + 0.5 * np.sign(np.sin(math.tau * 2.3 * time_s))
    expected = signal.lfilter(*signal.butter(2, CUTOFF_HZ, fs=rate_hz), requests)
    ours = low_pass()
    outputs = np.array([ours.advance(x, TICK_S) for x in requests])
    # Each of ours is half an interval ahead.
    assert np.abs((outputs[1:] + outputs[:-1]) / 2.0 - expected[1:]).max() < 0.005


@pytest.mark.parametrize("order", ORDERS)
def test_a_sine_at_the_cut_off_comes_out_with_half_of_its_power(order: int) -> None:
    ours, tick_s = low_pass(order), 1e-4
    outputs = [ours.advance(math.sin(math.tau * CUTOFF_HZ * k * tick_s), tick_s) for k in range(60_000)]
    assert max(outputs[40_000:]) == pytest.approx(1.0 / math.sqrt(2.0), rel=1e-3)


@pytest.mark.parametrize("order", ORDERS)
def test_what_is_requested_for_long_is_reached_and_rest_stays_rest_to_the_last_bit(order: int) -> None:
    ours = low_pass(order, value=0.3)
    assert {ours.advance(0.3, TICK_S) for _ in range(50)} == {0.3}
    for _ in range(2000):
        ours.advance(-0.7, TICK_S)
    assert ours.value == pytest.approx(-0.7, abs=1e-9)


@pytest.mark.parametrize("order", ORDERS)
def test_output_does_not_depend_on_how_time_is_cut(order: int) -> None:
    rng = np.random.default_rng(order)
    even, uneven = low_pass(order), low_pass(order)
    for request in rng.uniform(-1.0, 1.0, 50):
        parts_s = rng.dirichlet([1.0] * 4) * 0.05
        even.advance(request, 0.05)
        for part_s in parts_s:
            uneven.advance(request, part_s)
        assert uneven.value == pytest.approx(even.value, abs=1e-12)


def test_a_filter_that_begins_anew_knows_nothing_of_before() -> None:
    used, fresh = low_pass(), low_pass(value=0.5)
    for _ in range(20):
        used.advance(1.0, TICK_S)
    used.reset(0.5)
    assert [used.advance(-1.0, TICK_S) for _ in range(20)] == [fresh.advance(-1.0, TICK_S) for _ in range(20)]
