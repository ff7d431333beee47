"""Percentiles of a whole run in constant memory."""

import numpy as np
import pytest

from robot_mbrl.control.latency import BIN_MS, LatencyHistogram


def test_percentiles_are_right_to_the_bin() -> None:
    latencies = np.random.default_rng(0).gamma(2.0, 2.0, 5000)
    histogram = LatencyHistogram()
    for latency in latencies:
        histogram.add(latency)
    for share in (0.5, 0.9, 0.99):
        assert histogram.percentile_ms(share) == pytest.approx(np.quantile(latencies, share), abs=2 * BIN_MS)
    assert histogram.max_ms == latencies.max()
    assert histogram.percentile_ms(1.0) == pytest.approx(latencies.max(), abs=BIN_MS)


def test_nothing_measured_is_nought() -> None:
    assert LatencyHistogram().percentile_ms(0.5) == 0.0


def test_outliers_are_kept() -> None:
    histogram = LatencyHistogram()
    histogram.add(5000.0)
    histogram.add(-1.0)
    assert histogram.max_ms == 5000.0
    assert histogram.count == 2
