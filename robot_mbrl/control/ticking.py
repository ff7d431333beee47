"""When a robot is observed: a real one by deadlines on steady time, a simulated one as its time passes."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from robot_mbrl.control.observing import Observer
from robot_mbrl.control.pacing import Pacer, SimulatedTicks
from robot_mbrl.messages import NANOSECONDS, read_stamp

CLOCK_RESTART_NS = NANOSECONDS
"""Simulated time that goes back by more is another simulator's."""
LOCKSTEP_SLOW_GRACE_S = 0.1
"""How long a tick in lockstep waits for pictures, which may be rarer than ticks."""


@dataclass(frozen=True, slots=True)
class Tick:
    """The moment of one observation."""

    stamp_ns: int
    """Its stamp; later than that of every tick before."""
    time_s: float
    """The same on the clock that readings are aged by."""


class Ticker(Protocol):
    """The ticks at which observations are assembled.

    Call order: `arrived` for each reading before it is handed to the observer; `due` after each reading and whenever
    `deadline_s` has passed.
    """

    stamps: bool
    """Whether the driver's stamps are told to be news or not by a clock of its own, which is not ours."""

    @property
    def deadline_s(self) -> float | None:
        """When `due` must be asked again on steady time, whatever arrives; None while nothing is waited for."""

    @property
    def overruns(self) -> int:
        """Ticks that were skipped because their time had passed."""

    def arrived(self, message: Any, now_s: float) -> float:
        """When a reading counts to have arrived, on the clock that readings are aged by."""

    def due(self, now_s: float, observer: Observer) -> Tick | None:
        """The tick to take now, which counts as taken; None if there is none."""

    def passed(self, clock_ns: int, now_s: float) -> bool:
        """Note a message of `/clock`; returns whether it is another simulator's, and all has to begin anew."""

    def resumed(self, now_s: float) -> None:
        """Begin with the newest readings: ticks that were due before were not used."""

    def reset_done(self, answer: str, now_s: float) -> float:
        """Note that a reset is over; returns when it was, on the clock that readings are aged by."""


class RealTicker:
    """Ticks of a real robot: at its control rate on steady time, with whatever has been read by then.

    Stamps are wall time. Where that is set back, they go on by steady time until it has caught up.
    """

    stamps = True

    def __init__(self, period_s: float, now_s: float, wall_ns: Callable[[], int] = time.time_ns) -> None:
        """Begin with a tick at once.

        Args:
            period_s: between two ticks.
            now_s: steady time.
            wall_ns: tells wall time, nanoseconds since the epoch.
        """
        self._pacer = Pacer(period_s, now_s)
        self._wall_ns = wall_ns
        self._stamp_ns, self._stamped_s = 0, now_s

    @property
    def deadline_s(self) -> float:
        """When the next tick is."""
        return self._pacer.next_s

    @property
    def overruns(self) -> int:
        """Ticks skipped because the loop was late by a whole period or more."""
        return self._pacer.overruns

    def arrived(self, message: Any, now_s: float) -> float:
        """Now."""
        return now_s

    def due(self, now_s: float, observer: Observer) -> Tick | None:
        """The tick whose time has come."""
        if now_s < self._pacer.next_s:
            return None
        self._pacer.advance(now_s)
        wall_ns = self._wall_ns()
        if wall_ns <= self._stamp_ns:
            wall_ns = self._stamp_ns + max(1, round((now_s - self._stamped_s) * NANOSECONDS))
        self._stamp_ns, self._stamped_s = wall_ns, now_s
        return Tick(wall_ns, now_s)

    def passed(self, clock_ns: int, now_s: float) -> bool:
        """Nothing: a real robot has no clock but ours."""
        return False

    def resumed(self, now_s: float) -> None:
        """Nothing: every tick uses the newest readings."""

    def reset_done(self, answer: str, now_s: float) -> float:
        """Now."""
        return now_s


class SimulatedTicker:
    """Ticks of a simulated robot: whenever its time has come to the next one and the readings of that time are there.

    A reading is as old as its stamp says, on simulated time.
    """

    stamps = False

    def __init__(self, period_s: float, *, grace_s: float, lockstep: bool) -> None:
        """Wait for the first reading.

        Args:
            period_s: simulated time between two ticks.
            grace_s: how long on steady time a tick waits for late readings.
            lockstep: whether the simulator waits for every step: then a tick waits for its readings for ever.
        """
        self._ticks = SimulatedTicks(
            round(period_s * NANOSECONDS),
            grace_s=float("inf") if lockstep else grace_s,
            slow_grace_s=LOCKSTEP_SLOW_GRACE_S if lockstep else grace_s,
        )

    @property
    def deadline_s(self) -> float | None:
        """When waiting for readings ends."""
        return self._ticks.deadline_s

    @property
    def overruns(self) -> int:
        """Ticks skipped because simulated time had passed the one after them too."""
        return self._ticks.overruns

    def arrived(self, message: Any, now_s: float) -> float:
        """When it is stamped; what has no stamp is as new as the newest that has."""
        stamp_ns = read_stamp(message.header.stamp) if hasattr(message, "header") else self._ticks.now_ns
        self._ticks.sensed(stamp_ns, now_s)
        return stamp_ns / NANOSECONDS

    def due(self, now_s: float, observer: Observer) -> Tick | None:
        """The tick whose readings are there, or have been waited for."""
        stamp_ns = self._ticks.due(
            now_s,
            is_current=lambda ns: observer.current(ns / NANOSECONDS, cameras=False),
            is_complete=lambda ns: observer.current(ns / NANOSECONDS, cameras=True),
        )
        return None if stamp_ns is None else Tick(stamp_ns, stamp_ns / NANOSECONDS)

    def passed(self, clock_ns: int, now_s: float) -> bool:
        """Let simulated time pass."""
        if clock_ns < self._ticks.now_ns - CLOCK_RESTART_NS:
            return True
        self._ticks.passed(clock_ns, now_s)
        return False

    def resumed(self, now_s: float) -> None:
        """Let the newest reading be the next tick's, though the simulator may wait with it."""
        self._ticks.repeat(now_s)

    def reset_done(self, answer: str, now_s: float) -> float:
        """Begin with the readings after the reset, whose simulated time the answer may name."""
        reset_ns = int(answer) if answer.isdecimal() else self._ticks.now_ns
        self._ticks.realign(reset_ns, now_s)
        return reset_ns / NANOSECONDS
