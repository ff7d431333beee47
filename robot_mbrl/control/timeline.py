"""When a stamped reading was measured: told from its stamp and its arrival, without trusting that clocks agree."""

import math

from robot_mbrl.messages import NANOSECONDS

LEAP_S = 1.0
"""A stamp that leaps by more than this, against the time that passed here, is of another clock; likewise a source
that was not understood for so long has begun anew, such as a driver that was restarted."""
DRIFT = 1e-3
"""How much the driver's clock may run slow against this one, s/s: more than any quartz does."""
AHEAD_S = 0.02
"""No reading arrives so much faster than the fastest before; its stamp runs ahead then."""


class Timeline:
    """The stamps of one driver: which are news, and when they were on our clock.

    The shortest way ever seen from stamp to arrival counts as the difference of the two clocks. What took longer was
    delayed by that much, so that data that wait on a bus grow old there. A stamp that stands still, goes back or leaps
    is no news. Once nothing was news for `LEAP_S`, or all of it was stale or ran ahead for so long, the driver is taken
    to have a new clock.

    Attributes:
        refusal: why the newest reading was not accepted; empty if it was.
        adopted: how often the driver was taken to have a new clock, the first time not counted.
    """

    def __init__(self, *, stamped: bool = True, by_arrival: bool = False, max_age_s: float = math.inf) -> None:
        """Begin without having heard of the driver.

        Args:
            max_age_s: readings older than this are stale.
            stamped: whether the driver stamps its readings; else all of them are news, measured when they arrive.
            by_arrival: whether stamps tell news from repetitions alone, as a simulator's, whose time may run slow.
        """
        self.refusal = ""
        self.adopted = 0
        self._stamped, self._by_arrival = stamped, by_arrival
        self._stamp_ns = -1
        self._accepted_s = -math.inf
        self._offset_s = 0.0
        self._max_age_s = max_age_s
        self._usual_s = -math.inf
        """When a reading last was neither stale nor ahead."""

    def accept(self, stamp_ns: int, arrival_s: float) -> float | None:
        """Take in a reading.

        Args:
            stamp_ns: its header's stamp, in nanoseconds of any clock.
            arrival_s: when it arrived, on our steady clock.

        Returns:
            When it was measured, on our clock and not after its arrival; None if it is not news.
        """
        silent_s = arrival_s - self._accepted_s
        apart_s = arrival_s - stamp_ns / NANOSECONDS
        if not self._stamped:
            self._accepted_s = arrival_s
            return arrival_s
        if silent_s <= LEAP_S and (refusal := self._refuse(stamp_ns, apart_s)):
            self.refusal = refusal
            return None
        if stamp_ns == self._stamp_ns:
            self.refusal = "its stamp stands still"
            return None
        if self._stamp_ns < 0:
            self._offset_s = apart_s
        anew = silent_s > LEAP_S and abs(apart_s - self._offset_s) > LEAP_S
        self.refusal = ""
        self._stamp_ns, self._accepted_s = stamp_ns, arrival_s
        return arrival_s if self._by_arrival else arrival_s - self._way_s(apart_s, arrival_s, silent_s, anew=anew)

    def _way_s(self, apart_s: float, arrival_s: float, silent_s: float, *, anew: bool) -> float:
        """How long a reading was on its way, longer than the shortest way there is."""
        late_s = apart_s - self._offset_s
        usual = -AHEAD_S <= late_s <= self._max_age_s
        if usual or anew or arrival_s - self._usual_s > LEAP_S:
            self.adopted += not usual
            self._usual_s = arrival_s
            self._offset_s = min(self._offset_s + DRIFT * silent_s, apart_s) if usual and not anew else apart_s
        return max(0.0, apart_s - self._offset_s)

    def _refuse(self, stamp_ns: int, apart_s: float) -> str:
        if stamp_ns == self._stamp_ns:
            return "its stamp stands still"
        if not self._by_arrival and abs(apart_s - self._offset_s) > LEAP_S:
            return f"its stamp leaps by {self._offset_s - apart_s:+.3f} s"
        return "its stamp is older than one before" if stamp_ns < self._stamp_ns else ""
