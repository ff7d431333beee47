"""Figures of several runs: interquartile means with bootstrap intervals (Agarwal et al. 2021, section 4).

A mean is pulled along by one lucky run and a median tells little of few; the mean of the middle half does neither.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

TRIMMED = 0.25
"""Share left out at either end."""
RESAMPLES = 2000
CONFIDENCE = 0.95


class Interval(NamedTuple):
    """An estimate, and the ends of its interval."""

    estimate: float
    low: float
    high: float


def interquartile_mean(values: Sequence[float]) -> Interval:
    """Mean of the middle half, with the percentile interval of a bootstrap over runs.

    Args:
        values: one of each run, at least one; of fewer than four none is left out. The interval of one is the value.
    """
    # Not at the top: the robot's side imports this package too, and has no SciPy.
    from scipy import stats

    estimate = float(stats.trim_mean(values, TRIMMED))
    if len(values) == 1:
        return Interval(estimate, estimate, estimate)
    resampled = stats.bootstrap(
        (np.asarray(values, float),),
        lambda sample, axis: stats.trim_mean(sample, TRIMMED, axis=axis),
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(0),
    )
    low, high = resampled.confidence_interval
    return Interval(estimate, float(low), float(high))
