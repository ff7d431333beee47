"""Which row of a replay follows which: each session is a chain of its own, however the sessions interleave.

Two robots that live at once append their rows in turn. Each row therefore knows the row before it in its own session,
and sequences follow these chains. Where a chain ends, a sequence goes on with the oldest row of the next session (after
the last, of the first): all rows lie on one circle, so sequences that start uniformly on it visit every row equally
often, the newest ones and the oldest ones too.
"""

import bisect
from collections.abc import Sequence

import numpy as np

NONE = -1
"""Number of no row."""


class SessionChains:
    """The order of a ring of rows; row r lies in slot r % capacity."""

    def __init__(self, capacity: int) -> None:
        """Know of no row.

        Args:
            capacity: most rows that are there at once.
        """
        self._capacity = capacity
        self._next = np.full(capacity, NONE, np.int64)
        self._sessions: list[int] = []  # Those with rows, in order.
        self._oldest: dict[int, int] = {}
        self._newest: dict[int, int] = {}
        self._run_ends: dict[int, int] = {}

    @property
    def nbytes(self) -> int:
        """Memory that is claimed."""
        return self._next.nbytes

    def newest(self, session: int) -> int:
        """The newest row of a session; `NONE` if it has none."""
        return self._newest.get(session, NONE)

    def after(self, row: int) -> int:
        """The row that follows in its session; `NONE` if none does."""
        return int(self._next[row % self._capacity])

    def part(self, run: int, row: int, moved: Sequence[int]) -> None:
        """Note that a run ends at a row, and that those that followed are one of their own.

        Args:
            run: number of the run's first row.
            row: its last from now on.
            moved: those that followed, in order.
        """
        self._run_ends[run] = row
        if moved:
            self._run_ends[moved[0]] = moved[-1]

    def append(self, row: int, session: int, run: int) -> None:
        """Put a new row at the end of its session's chain; `run` is the number of its run's first row."""
        before = self.newest(session)
        if before == NONE:
            bisect.insort(self._sessions, session)
            self._oldest[session] = row
        else:
            self._next[before % self._capacity] = row
        self._next[row % self._capacity] = NONE
        self._newest[session] = row
        self._run_ends[run] = row

    def drop(self, row: int, session: int, run: int) -> None:
        """Take out the oldest row of all, before another takes its slot."""
        after = int(self._next[row % self._capacity])
        if self._run_ends[run] == row:
            del self._run_ends[run]
        if after != NONE:
            self._oldest[session] = after
            return
        del self._oldest[session], self._newest[session]
        self._sessions.remove(session)

    def restore(self, rows: np.ndarray, sessions: np.ndarray, runs: np.ndarray) -> None:
        """Take up the rows of a saved replay.

        Args:
            rows: their numbers in increasing order, int64, shape (N,).
            sessions: index of each one's session, shape (N,).
            runs: number of the first row of each one's run, shape (N,).
        """
        if not len(rows):
            return
        order = np.argsort(sessions, kind="stable")
        rows, sessions, runs = rows[order], sessions[order], runs[order]
        joined = sessions[1:] == sessions[:-1]
        self._next[rows % self._capacity] = NONE
        self._next[rows[:-1][joined] % self._capacity] = rows[1:][joined]
        self._sessions, starts = (found.tolist() for found in np.unique(sessions, return_index=True))
        ends = [start - 1 for start in [*starts[1:], len(rows)]]
        self._oldest = dict(zip(self._sessions, rows[starts].tolist(), strict=True))
        self._newest = dict(zip(self._sessions, rows[ends].tolist(), strict=True))
        self._run_ends = dict(zip(runs.tolist(), rows.tolist(), strict=True))

    def follow(self, starts: np.ndarray, sessions: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
        """The rows on the circle from these on.

        Args:
            starts: row numbers, int64, shape (batch,).
            sessions: index of each one's session, shape (batch,).
            length: rows of each sequence.

        Returns:
            The row numbers, int64, (batch, length); and whether each continues the chain of the one before it, bool,
            (batch, length), true of the first.
        """
        rows = np.empty((length, len(starts)), np.int64)
        continues = np.ones((length, len(starts)), bool)
        rows[0], sessions = starts, sessions.copy()
        for time in range(1, length):
            rows[time] = self._next[rows[time - 1] % self._capacity]
            for ended in np.flatnonzero(rows[time] == NONE):
                sessions[ended] = self._session_after(int(sessions[ended]))
                rows[time, ended] = self._oldest[int(sessions[ended])]
                continues[time, ended] = False
        return np.ascontiguousarray(rows.T), continues.T

    def run_ends(self, runs: np.ndarray) -> np.ndarray:
        """The newest row of each of these runs, int64, of the same shape."""
        return np.array([self._run_ends[run] for run in runs.reshape(-1).tolist()], np.int64).reshape(runs.shape)

    def _session_after(self, session: int) -> int:
        place = bisect.bisect_right(self._sessions, session)
        return self._sessions[place % len(self._sessions)]
