"""When a fault is there: once, or at moments drawn from the description's seed."""

import math
import random

from sim.faults.description import Fault


def stream(seed: int, *names: object) -> random.Random:
    """A random stream of its own for each use: one fault more in a description changes nothing of the others."""
    return random.Random("/".join(map(str, (seed, *names))))


class Occurrences:
    """The windows of one fault, in seconds since the driver's start; asked for in the order of time.

    Attributes:
        count: how many have begun.
    """

    def __init__(self, fault: Fault, rng: random.Random) -> None:
        """Nothing has happened yet.

        Args:
            fault: what may occur.
            rng: the fault's own, which says when.
        """
        self.count = 0
        self._rng = rng
        self._duration_s = math.inf if fault.duration_s is None else fault.duration_s
        self._gap_s = math.inf if fault.per_minute is None else 60.0 / fault.per_minute
        self._begin_s = self._end_s = fault.start_s
        self._draw(fault.start_s, first=True)

    def active(self, time_s: float) -> bool:
        """Whether it is there."""
        while time_s >= self._end_s and self._begin_s < math.inf:
            self._count_from(time_s)
            self._draw(self._end_s, first=False)
        if time_s < self._begin_s:
            return False
        self._count_from(time_s)
        return True

    @property
    def end_s(self) -> float:
        """When the present one ends, or the next one will."""
        return self._end_s

    def _count_from(self, time_s: float) -> None:
        if not self._counted and time_s >= self._begin_s:
            self._counted = True
            self.count += 1

    def _draw(self, from_s: float, *, first: bool) -> None:
        if math.isinf(self._gap_s):
            self._begin_s = from_s if first else math.inf
        else:
            self._begin_s = from_s + self._rng.expovariate(1.0 / self._gap_s)
        self._end_s = self._begin_s + self._duration_s
        self._counted = False
