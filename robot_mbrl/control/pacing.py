"""Absolute deadlines: a loop that never drifts, and never makes up for what it missed with a burst."""

import math
from collections import deque
from collections.abc import Callable

LEAP_NS = 5_000_000_000
"""Simulated time that leaps ahead by more than this is that of a simulator started anew, with a phase of its own."""


LATELY = 40
"""How many times work is looked back at."""
LEAD_MARGIN = 1.25
"""How much longer than lately work may take."""
LEAD_SLACK_S = 0.004
"""By how much work should be done before its tick, which it may disturb."""


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


class SimulatedTicks:
    """Ticks of simulated time, which arrives with messages: each is taken once its readings are there.

    Call order: `sensed` for every stamped reading and `passed` for every `/clock`; after either, and when `deadline_s`
    has passed, `due`, until it returns None. The first reading sets the ticks' phase, as does the first after a
    `realign`, so that a simulator that advances by whole control periods finds its own stamps in the ticks.
    """

    def __init__(self, period_ns: int, *, grace_s: float, slow_grace_s: float) -> None:
        """Wait for the first reading.

        Args:
            period_ns: simulated time between two ticks.
            grace_s: how long on steady time a tick waits for readings once its time has come; infinite in lockstep.
            slow_grace_s: how long it waits for those that may be older, which are the pictures.
        """
        self.overruns = 0
        """Ticks skipped so far because simulated time had passed the one after them too."""
        self.now_ns = 0
        """The newest simulated time heard of."""
        self._period_ns = period_ns
        self._grace_s, self._slow_grace_s = grace_s, slow_grace_s
        self._next_ns: int | None = None
        self._after_ns = self._sensed_ns = -1
        self._reached_s = math.inf
        # Whether the pictures have been waited for in vain, so that only the other readings are.
        self._slow_waited = False

    @property
    def deadline_s(self) -> float | None:
        """When waiting for readings ends, on steady time; None while no tick waits."""
        deadline_s = self._reached_s + (self._grace_s if self._slow_waited else min(self._grace_s, self._slow_grace_s))
        return deadline_s if math.isfinite(deadline_s) else None

    def realign(self, after_ns: int, now_s: float) -> None:
        """Let the first reading stamped after `after_ns` set the phase anew, or the newest if it has overtaken this."""
        self._next_ns, self._after_ns = None, after_ns
        self._reached_s, self._slow_waited = math.inf, False
        self._begin(self._sensed_ns, now_s)

    def repeat(self, now_s: float) -> None:
        """Let the newest reading set the phase anew, although its tick may have been taken."""
        self.realign(max(self._after_ns, self._sensed_ns - 1), now_s)

    def sensed(self, stamp_ns: int, now_s: float) -> None:
        """Note a reading's stamp."""
        if self._next_ns is not None and stamp_ns > self._next_ns + LEAP_NS:
            self.realign(self.now_ns, now_s)
        self._sensed_ns = max(self._sensed_ns, stamp_ns)
        self._begin(stamp_ns, now_s)

    def _begin(self, stamp_ns: int, now_s: float) -> None:
        if self._next_ns is None and stamp_ns > self._after_ns:
            self._next_ns = stamp_ns
        self.passed(stamp_ns, now_s)

    def passed(self, clock_ns: int, now_s: float) -> None:
        """Note that simulated time has come to `clock_ns`, at `now_s` of steady time."""
        self.now_ns = max(self.now_ns, clock_ns)
        if self._next_ns is None or self.now_ns < self._next_ns:
            return
        late = (self.now_ns - self._next_ns) // self._period_ns
        if late > 0:
            self._next_ns += late * self._period_ns
            self.overruns += late
        self._reached_s = min(self._reached_s, now_s)

    def due(self, now_s: float, is_current: Callable[[int], bool], is_complete: Callable[[int], bool]) -> int | None:
        """The stamp of a tick to take now, which it then counts as taken; None if there is none.

        Args:
            now_s: steady time.
            is_current: whether the readings that no tick can do without are at least as new as a stamp, in ns.
            is_complete: whether all are.
        """
        tick_ns = self._next_ns
        if tick_ns is None or self.now_ns < tick_ns:
            return None
        waited_s = now_s - self._reached_s
        self._slow_waited = waited_s >= self._slow_grace_s
        enough = self._slow_waited and is_current(tick_ns)
        if not (is_complete(tick_ns) or enough or waited_s >= self._grace_s):
            return None
        self._next_ns = tick_ns + self._period_ns
        self._reached_s, self._slow_waited = math.inf, False
        return tick_ns


class LeadTime:
    """How long before a tick work must begin that is to be done by then, from how long it took lately."""

    def __init__(self, longest_s: float) -> None:
        """Begin as early as is allowed.

        Args:
            longest_s: what is never exceeded, since work that begins early uses old readings.
        """
        self.lead_s = longest_s
        self._longest_s = longest_s
        self._lately: deque[float] = deque(maxlen=LATELY)

    def took(self, duration_s: float) -> None:
        """Note how long the work took."""
        self._lately.append(duration_s)
        self.lead_s = min(LEAD_MARGIN * max(self._lately) + LEAD_SLACK_S, self._longest_s)
