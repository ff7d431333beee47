"""When checkpoints are written beside a living robot, and what becomes of those that cannot be."""

import time
from collections.abc import Callable

from robot_mbrl.errors import CheckpointError
from robot_mbrl.learning.faults import Faults
from robot_mbrl.learning.learner import Learner

BROKEN = "weights"
"""The kind of fault after which nothing is saved any more: the last checkpoint is the only one to go on from."""
_KIND = "checkpoint"
SHARE = 0.1
"""Most of the time that may go into checkpoints: with a large replay they become rarer."""


class Checkpointing:
    """Saves a learner now and then, if there is anything new."""

    def __init__(self, learner: Learner, faults: Faults, clock: Callable[[], float]) -> None:
        """The first is due after a period.

        Args:
            learner: what is saved.
            faults: told what cannot be.
            clock: the time in seconds that the period is counted by.
        """
        self._learner = learner
        self._faults = faults
        self._clock = clock
        self._period_s = learner.config.agent.checkpoint_period_s
        self._due_s = clock() + self._period_s
        # On steady time, whatever the clock is: how long checkpoints must rest after one that took long.
        self._rest_until_s = 0.0
        self._saved = (-1, -1)

    def save_if_due(self, now_s: float) -> None:
        """Write a checkpoint if it is time.

        Args:
            now_s: the time, on the clock.
        """
        if now_s >= self._due_s and time.monotonic() >= self._rest_until_s:
            self.save()

    def save(self) -> None:
        """Write a checkpoint now, if there is anything new."""
        self._due_s = self._clock() + self._period_s
        # Not of steps that a robot at rest lives, which nothing is learned from.
        present = (self._learner.updates, self._learner.replay.total)
        if present == self._saved or BROKEN in self._faults:
            return
        if not self._learner.sound:
            break_down(self._faults, "a weight is not finite: learning has broken down")
            return
        started_s = time.monotonic()
        try:
            self._learner.save()
        except CheckpointError as error:
            self._faults.note(_KIND, str(error))
            return
        self._saved = present
        self._faults.mend(_KIND)
        ended_s = time.monotonic()
        self._rest_until_s = ended_s + (ended_s - started_s) / SHARE


def break_down(faults: Faults, reason: str) -> None:
    """Keep the last checkpoint, the only one to go on from."""
    faults.note(BROKEN, f"{reason}; no checkpoint is written any more: restart the learner to go on from the last one")
