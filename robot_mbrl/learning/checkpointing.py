"""When checkpoints are written beside a living robot, and what becomes of those that cannot be."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from robot_mbrl.errors import CheckpointError
from robot_mbrl.learning.faults import Faults
from robot_mbrl.learning.learner import Learner

BROKEN = "weights"
"""The kind of fault after which nothing is saved any more: the last checkpoint is the only one to go on from."""
_KIND = "checkpoint"
SHARE = 0.1
"""Most of the time that may go into checkpoints: with a large replay they become rarer."""


class Checkpointing:
    """Saves a learner now and then, if there is anything new, while it goes on learning."""

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
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        # The checkpoint that is being written, with the updates and rows in it, and since when.
        self._writing: tuple[Future[None], tuple[int, int], float] | None = None

    @property
    def busy(self) -> bool:
        """Whether a checkpoint is being written by the thread now."""
        return self._writing is not None and not self._writing[0].done()

    def save_if_due(self, now_s: float) -> None:
        """Have a checkpoint of the present written by a thread if it is time, and see what came of the one before.

        Args:
            now_s: the time, on the clock.
        """
        self._finish(wait=False)
        if now_s >= self._due_s and time.monotonic() >= self._rest_until_s and self._writing is None:
            self._begin()

    def save(self) -> None:
        """Write a checkpoint now, if there is anything new, and wait until it is there."""
        self._finish(wait=True)
        self._begin()
        self._finish(wait=True)

    def _begin(self) -> None:
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
            snapshot = self._learner.snapshot()
        except CheckpointError as error:
            self._faults.note(_KIND, str(error))
            return
        self._writing = (self._writer.submit(snapshot.write), present, started_s)

    def _finish(self, *, wait: bool) -> None:
        """Take note of what came of the checkpoint that is being written, if it is done or to be waited for."""
        if self._writing is None or not (wait or self._writing[0].done()):
            return
        (writing, saved, started_s), self._writing = self._writing, None
        try:
            writing.result()
        except CheckpointError as error:
            self._faults.note(_KIND, str(error))
            return
        self._saved = saved
        self._faults.mend(_KIND)
        ended_s = time.monotonic()
        self._rest_until_s = ended_s + (ended_s - started_s) / SHARE


def break_down(faults: Faults, reason: str) -> None:
    """Keep the last checkpoint, the only one to go on from."""
    faults.note(BROKEN, f"{reason}; no checkpoint is written any more: restart the learner to go on from the last one")
