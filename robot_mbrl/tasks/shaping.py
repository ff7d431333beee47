"""Smooth factors that rewards are made of."""

import math

import numpy as np

VALUE_AT_MARGIN = 0.1


def closeness(value: float, margin: float) -> float:
    """How close a value is to zero: a Gaussian that is 1 at zero and 0.1 at `margin` (dm_control's tolerance)."""
    return math.exp(math.log(VALUE_AT_MARGIN) * (value / margin) ** 2)


def closeness_of_each(values: np.ndarray, margin: float) -> np.ndarray:
    """The closeness of each of these values, float64, of the same shape."""
    each: np.ndarray = np.exp(math.log(VALUE_AT_MARGIN) * (values / margin) ** 2)
    return each
