"""When a stamped reading was measured: told from its stamp and its arrival, without trusting that clocks agree."""

import math

from robot_mbrl.messages import NANOSECONDS

LEAP_S = 1.0
"""A stamp that leaps by more than this, against the time that passed here, is of another clock; likewise a source
that was not understood for so long has begun anew, such as a driver that was restarted."""
DRIFT = 1e-3
"""How much the driver's clock may run slow against this one, s/s: more than any quartz does."""


class Timeline:
    """The stamps of one driver: which are news, and when they were on our clock.

    The shortest way ever seen from stamp to arrival counts as the difference of the two clocks. What took longer was
    delayed by that much, so that data that wait on a bus grow old there. A stamp that stands still, goes back or leaps
    is no news. Once nothing was news for `LEAP_S`, the driver is taken to have a new clock.

    Attributes:
        refusal: why the newest reading was not accepted; empty if it was.
    """

    def __init__(self, *, stamped: bool = True, by_arrival: bool = False) -> None:
        """Begin without having heard of the driver.

        Args:
            stamped: whether the driver stamps its readings; else all of them are news, measured when they arrive.
            by_arrival: whether stamps tell news from repetitions alone, as a simulator's, whose time may run slow.
        """
        self.refusal = ""
        self._stamped, self._by_arrival = stamped, by_arrival
        self._stamp_ns = -1
        self._accepted_s = -math.inf
        self._offset_s = 0.0

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
        anew = silent_s > LEAP_S and abs(apart_s - self._offset_s) > LEAP_S
        if anew or self._stamp_ns < 0:
            self._offset_s = apart_s
        else:
            self._offset_s = min(self._offset_s + DRIFT * silent_s, apart_s)
        self.refusal = ""
        self._stamp_ns, self._accepted_s = stamp_ns, arrival_s
        return arrival_s if self._by_arrival else arrival_s - (apart_s - self._offset_s)

    def _refuse(self, stamp_ns: int, apart_s: float) -> str:
        if stamp_ns == self._stamp_ns:
            return "its stamp stands still"
        if not self._by_arrival and abs(apart_s - self._offset_s) > LEAP_S:
            return f"its stamp leaps by {self._offset_s - apart_s:+.3f} s"
        return "its stamp is older than one before" if stamp_ns < self._stamp_ns else ""
