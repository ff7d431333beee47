"""Simulated time that waits for every step: reproducible, and as fast as the machine."""

import math
from collections.abc import Mapping

from sim.simulation import Simulation

REPEAT_S = 0.05
"""Readings are published again this often while a step is awaited: a driver does not stop to send because nobody
listened, and pictures are sent best effort."""
LOST_COMMAND_S = 1.0
"""An applied action whose command has not come after this long has lost it on the way."""
SETTLE_S = 0.02
"""How long a reset waits for what was said about the step before it."""


class Lockstep:
    """Goes on by one control period when the command and the applied action of the present step have been heard.

    Call order: `on_deadline` whenever `next_deadline_s` has passed; the others as their messages arrive. Times are
    steady time, in seconds.
    """

    def __init__(self, simulation: Simulation, *, period_ns: int, now_s: float, await_learner: bool = False) -> None:
        """Publish the first readings and wait.

        Args:
            simulation: what is to wait.
            period_ns: simulated time of a step.
            now_s: the present.
            await_learner: whether no step is taken before the learner has allowed any: it takes seconds to start, in
                which much could be lived that it would never hear of.
        """
        self.taken = 0
        """Steps that were taken, the last one of each episode included."""
        self._simulation = simulation
        self._period_ns = period_ns
        self._limit = 0.0 if await_learner else math.inf
        self._learners_lead: float = -math.inf
        self._held = False
        self._publish(now_s)

    def next_deadline_s(self) -> float:
        """When readings are to be repeated or a lost message is given up; never while only the learner can help."""
        if self._held:
            return math.inf
        return min(self._repeat_s, self._applied_s + LOST_COMMAND_S, self._reset_s + SETTLE_S)

    def on_deadline(self, now_s: float) -> None:
        """Go on if that is possible, repeat the readings if not."""
        if not self._go_on(now_s) and now_s >= self._repeat_s:
            self._repeat(now_s)

    def command(self, commands: Mapping[str, float], now_s: float) -> None:
        """Take the command of the present step."""
        self._simulation.command(commands)
        self._commanded = True
        self._go_on(now_s)

    def applied(self, stamp_ns: int, now_s: float) -> None:
        """Note that the action of a step was applied; those of other steps than the present one are too late."""
        if stamp_ns == self._simulation.now_ns and math.isinf(self._applied_s):
            self._applied_s = now_s
            self.taken += 1
            self._go_on(now_s)

    def allow(self, steps: int, now_s: float) -> None:
        """Note the learner's allowance: steps of its whole run, of which this simulation may be only the newest part.

        One more is allowed than the learner has had. It has never had more of this simulation than were taken, so the
        largest difference ever seen is what it had before.
        """
        self._learners_lead = max(self._learners_lead, steps - 1 - self.taken)
        self._limit = steps - self._learners_lead
        self._go_on(now_s)

    def reset(self, now_s: float) -> int:
        """Reset the world; returns the simulated time of it, in nanoseconds: later readings are of the new start."""
        self._simulation.reset()
        # The new start is published under a stamp of its own only.
        self._reset_s, self._repeat_s = now_s, math.inf
        return self._simulation.now_ns

    def _go_on(self, now_s: float) -> bool:
        resetting = math.isfinite(self._reset_s)
        heard = math.isfinite(self._applied_s) and (self._commanded or now_s >= self._applied_s + LOST_COMMAND_S)
        if not (heard or now_s >= self._reset_s + SETTLE_S):
            return False
        self._held = self.taken >= self._limit
        if self._held:
            return False
        following_ns = self._simulation.now_ns + self._period_ns
        if resetting:
            self._simulation.leap_to(following_ns)
        else:
            self._simulation.advance_to(following_ns)
        self._publish(now_s)
        return True

    def _publish(self, now_s: float) -> None:
        self._commanded = False
        self._applied_s = self._reset_s = math.inf
        self._repeat(now_s)

    def _repeat(self, now_s: float) -> None:
        self._simulation.publish()
        self._repeat_s = now_s + REPEAT_S
