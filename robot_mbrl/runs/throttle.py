"""Keeps a terminal readable: what changes too often is told in part, and that more was left out."""

import math


class Throttle:
    """Lets a few texts through at once and then one in a while: the newest, with how many before it were left out."""

    def __init__(self, burst: int, period_s: float) -> None:
        """Begin with nothing to say.

        Args:
            burst: texts that may come at once.
            period_s: seconds in which one more may come.
        """
        self._burst = burst
        self._period_s = period_s
        self._credit = float(burst)
        self._counted_s = -math.inf
        self._newest: str | None = None
        self._left_out = 0

    def offer(self, text: str, *, urgent: bool = False) -> None:
        """Note something to say; what waited to be said until now is left out.

        Args:
            text: the text.
            urgent: whether it is let through at once, however much was said before.
        """
        self._left_out += self._newest is not None
        self._newest = text
        if urgent:
            self._credit = max(self._credit, 1.0)

    def due(self, now_s: float) -> str | None:
        """What is to be said now, if anything.

        Args:
            now_s: steady time, never earlier than in the call before.
        """
        self._credit = min(self._burst, self._credit + (now_s - self._counted_s) / self._period_s)
        self._counted_s = now_s
        if self._newest is None or self._credit < 1.0:
            return None
        self._credit -= 1.0
        text, left_out = self._newest, self._left_out
        self._newest, self._left_out = None, 0
        return f"{text} ({left_out} more before that)" if left_out else text
