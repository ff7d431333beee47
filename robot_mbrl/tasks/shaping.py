"""Smooth factors that rewards and costs are made of, by operators alone (see `objective`)."""

from typing import Any

VALUE_AT_MARGIN = 0.1


def closeness(value: Any, margin: float) -> Any:
    """How close a value is to zero: a Gaussian that is 1 at zero and 0.1 at `margin` (dm_control's tolerance)."""
    return closeness_of_square(value**2, margin)


def closeness_of_square(square: Any, margin: float) -> Any:
    """The same of a value whose square is known, such as a distance, which has no derivative at zero."""
    return VALUE_AT_MARGIN ** (square / margin**2)


def larger(one: Any, other: Any) -> Any:
    """The larger of two values, element by element."""
    return one + (other - one) * (other > one)


def within(value: Any, low: float, high: float) -> Any:
    """The nearest to a value that is not below `low` or above `high`."""
    raised = value + (low - value) * (value < low)
    return raised + (high - raised) * (raised > high)
