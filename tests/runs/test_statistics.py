"""Interquartile means and their intervals, against other ways to compute them."""

import numpy as np
import pytest

from robot_mbrl.runs.statistics import interquartile_mean


def test_it_is_the_mean_of_the_middle_half():
    assert interquartile_mean([100.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, -50.0]).estimate == np.mean([2.0, 3.0, 4.0, 5.0])


def test_of_few_runs_none_is_left_out():
    assert interquartile_mean([1.0, 2.0, 6.0]).estimate == 3.0


def test_one_run_is_its_own_interval():
    assert interquartile_mean([7.0]) == (7.0, 7.0, 7.0)


def test_equal_runs_leave_no_doubt():
    assert interquartile_mean([2.0] * 5) == (2.0, 2.0, 2.0)


def test_the_interval_is_that_of_resampled_runs():
    values = np.random.default_rng(1).normal(50.0, 10.0, 12)
    rng = np.random.default_rng(2)
    means = [np.sort(rng.choice(values, 12))[3:9].mean() for _ in range(20_000)]
    expected = np.quantile(means, [0.025, 0.975])
    found = interquartile_mean(values.tolist())
    assert [found.low, found.high] == pytest.approx(expected, abs=0.6)


def test_it_is_reproducible():
    assert interquartile_mean([1.0, 5.0, 9.0, 2.0]) == interquartile_mean([1.0, 5.0, 9.0, 2.0])
