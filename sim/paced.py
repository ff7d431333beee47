"""Simulated time that follows steady time: a real robot's rhythm, or a multiple of it."""

import math
from collections.abc import Mapping

from robot_mbrl.messages import NANOSECONDS
from sim.simulation import Simulation

LONGEST_LAG_S = 0.2
"""A simulation that is further behind than this many seconds gives up catching up, and is slower than asked."""


class Paced:
    """The simulation waits for nobody; drives that hear nothing for the driver's timeout brake.

    Call order: `on_deadline` whenever `next_deadline_s` has passed; `command` and `reset` as they arrive. Times are
    steady time, in seconds.
    """

    def __init__(
        self,
        simulation: Simulation,
        *,
        speed: float,
        sensor_rate_hz: float,
        driver_timeout_s: float | None,
        now_s: float,
    ) -> None:
        """Begin now.

        Args:
            simulation: what to pace.
            speed: simulated seconds per second.
            sensor_rate_hz: how often readings are published, per simulated second.
            driver_timeout_s: simulated seconds without a command after which the drives brake; None for never.
            now_s: the present.
        """
        self.slipped_s = 0.0
        """Seconds of steady time by which the simulation has fallen behind for good."""
        self._simulation = simulation
        self._speed = speed
        self._period_ns = NANOSECONDS / sensor_rate_hz
        self._timeout_s = math.inf if driver_timeout_s is None else driver_timeout_s / speed
        self._brake_s = math.inf
        self._origin_s = now_s
        self._start_ns = simulation.now_ns
        self._tick = 0

    def next_deadline_s(self) -> float:
        """When readings are due, or the drives' patience ends."""
        return min(self._steady_s(self._tick_ns), self._brake_s)

    def on_deadline(self, now_s: float) -> None:
        """Let time pass until now."""
        self._live_until(now_s)

    def command(self, commands: Mapping[str, float], now_s: float) -> None:
        """Take a command, which has its effect from now on."""
        self._live_until(now_s)
        self._simulation.command(commands)
        self._brake_s = now_s + self._timeout_s

    def reset(self, now_s: float) -> int:
        """Reset the world; returns the simulated time of it, in nanoseconds: later readings are of the new start."""
        self._live_until(now_s)
        self._simulation.reset()
        return self._simulation.now_ns

    @property
    def _tick_ns(self) -> int:
        """Stamp of the next readings, counted from the start: a sum of periods would drift by its rounding."""
        return self._start_ns + round(self._tick * self._period_ns)

    def _steady_s(self, time_ns: int) -> float:
        return self._origin_s + (time_ns - self._start_ns) / NANOSECONDS / self._speed

    def _simulated_ns(self, steady_s: float) -> int:
        return self._start_ns + round((steady_s - self._origin_s) * self._speed * NANOSECONDS)

    def _live_until(self, now_s: float) -> None:
        lag_s = now_s - self._steady_s(self._tick_ns)
        if lag_s > LONGEST_LAG_S:
            self._origin_s += lag_s
            self.slipped_s += lag_s
        if self._brake_s <= now_s:
            self._pass(self._simulated_ns(self._brake_s))
            self._simulation.brake()
            self._brake_s = math.inf
        self._pass(self._simulated_ns(now_s))

    def _pass(self, time_ns: int) -> None:
        while self._tick_ns <= time_ns:
            self._simulation.advance_to(self._tick_ns)
            self._simulation.publish()
            self._tick += 1
        self._simulation.advance_to(time_ns)
