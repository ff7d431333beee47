"""How many CPU threads a learner computes on, measured while it learns: more of them are not always faster.

Threads wait for one another at the end of each of an update's thousands of operations, and beside a process that keeps
one of their cores busy such a wait may last until the scheduler changes places. That they wait passively
(OMP_WAIT_POLICY, set by `robot_mbrl.cli`) avoids the worst: a thread that spins keeps a core from the one it waits for.
"""

import os
import statistics
from collections import deque
from collections.abc import Callable, Sequence
from typing import Literal

import torch

TRIED_UPDATES = 3
"""Updates that a number of threads is judged by, after one that is not counted: its threads only start with it."""
MUCH_SLOWER = 1.5
"""A number of threads whose updates take this many times the best one's is given up at once."""
GAIN = 0.95
"""More threads must need less than this share of the time of fewer: they take cores from others."""
SLOWED = 1.3
"""When updates take this many times what they did when they were measured, all are measured anew."""
WATCHED_UPDATES = 8
"""The median of so many updates tells whether they have slowed down."""
MEASURED_EVERY_S = 300.0
"""They are measured anew after this much time spent in updates in any case: a core that becomes free slows nothing."""


def sharing(threads: int | Literal["auto"], device: torch.device) -> "ThreadChoice | None":
    """Compute on a number of threads from now on.

    Args:
        threads: how many, or auto.
        device: where the learner computes.

    Returns:
        What is to be told of every update, with auto on the CPU; else None. Beside a GPU, auto means one.
    """
    if threads == "auto" and device.type == "cpu":
        return ThreadChoice(candidates(len(os.sched_getaffinity(0))), torch.set_num_threads)
    torch.set_num_threads(1 if threads == "auto" else threads)
    return None


def candidates(cores: int) -> list[int]:
    """Numbers of threads to try on a machine: powers of two, and all its cores."""
    return sorted({cores, *(2**power for power in range(cores.bit_length()) if 2**power <= cores)})


class ThreadChoice:
    """Tries each number of threads for a few updates, keeps the best, and tries anew when updates slow down.

    Attributes:
        threads: how many there are at present.
    """

    def __init__(self, numbers: Sequence[int], use: Callable[[int], object]) -> None:
        """Begin with the first.

        Args:
            numbers: of threads to choose from, ascending.
            use: computes on that many from now on.
        """
        self._numbers, self._use = numbers, use
        self._measure()

    def updated(self, duration_s: float) -> None:
        """An update was made, which took so long."""
        if self._untried:
            self._try(duration_s)
        else:
            self._watch(duration_s)

    def _measure(self) -> None:
        self._medians_s: dict[int, float] = {}
        self._untried = list(self._numbers)
        self._switch(self._untried[0])

    def _switch(self, threads: int) -> None:
        self.threads = threads
        self._durations_s: deque[float] = deque(maxlen=WATCHED_UPDATES)
        self._spent_s = 0.0
        self._is_first = True
        self._use(threads)

    def _try(self, duration_s: float) -> None:
        best_s = min(self._medians_s.values(), default=float("inf"))
        hopeless = duration_s > MUCH_SLOWER * best_s
        if not self._is_first:
            self._durations_s.append(duration_s)
        self._is_first = False
        if not hopeless and len(self._durations_s) < TRIED_UPDATES:
            return
        self._medians_s[self.threads] = duration_s if hopeless else statistics.median(self._durations_s)
        self._untried.remove(self.threads)
        self._switch(self._untried[0] if self._untried else self._best())

    def _best(self) -> int:
        best, *others = self._medians_s
        for threads in others:
            if self._medians_s[threads] < GAIN * self._medians_s[best]:
                best = threads
        return best

    def _watch(self, duration_s: float) -> None:
        self._durations_s.append(duration_s)
        self._spent_s += duration_s
        usual_s = self._medians_s[self.threads]
        slowed = len(self._durations_s) == WATCHED_UPDATES and statistics.median(self._durations_s) > SLOWED * usual_s
        if slowed or self._spent_s > MEASURED_EVERY_S:
            self._measure()
