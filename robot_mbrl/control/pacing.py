"""Absolute deadlines: a loop that never drifts, and never makes up for what it missed with a burst."""

import math


class Pacer:
    """The ticks of a loop at start, start + period, start + 2 periods and so on.

    Call order: wait until `next_s`, do the work of the tick, call `advance`; again. Time is passed in, in seconds of
    any clock that does not go back.
    """

    def __init__(self, period_s: float, start_s: float) -> None:
        """Begin with a tick at `start_s`."""
        if period_s <= 0:
            raise ValueError(f"period_s must be positive, not {period_s}")
        self.period_s = period_s
        self.overruns = 0
        """Ticks skipped so far because the loop was late by a whole period or more."""
        self._start_s = start_s
        self._tick = 0

    @property
    def next_s(self) -> float:
        """When the next tick is due."""
        # Counted from the start: a sum of periods would drift by its rounding.
        return self._start_s + self._tick * self.period_s

    def advance(self, now_s: float) -> int:
        """Pass the tick that was due on to the first one after `now_s`.

        Args:
            now_s: the present, at or after `next_s`.

        Returns:
            How many ticks were skipped in between.
        """
        following = math.floor((now_s - self._start_s) / self.period_s) + 1
        # Rounding can put `now_s` just below the tick that it is: this tick has had its turn all the same.
        following = max(following, self._tick + 1)
        skipped = following - self._tick - 1
        self._tick = following
        self.overruns += skipped
        return skipped
