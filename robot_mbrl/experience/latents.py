"""Latent states beside the rows of a replay, which every update changes: it is known which ones a save lacks.

They are gigabytes where the replay is large. A snapshot therefore copies nothing: while it is read by another thread,
a state that is about to be overwritten is put aside for it.
"""

import threading
from collections.abc import Iterator, Mapping

import numpy as np

from robot_mbrl.specs import TensorSpec

CHUNK = 512
"""States that are copied at once, while whoever wants to write one waits."""
ROW = "row"
"""Field of a record that tells which row it belongs to."""


class Latents:
    """One latent state for each slot of a ring; row r lies in slot r % capacity."""

    def __init__(self, capacity: int, specs: Mapping[str, TensorSpec]) -> None:
        """Claim the memory; no row has a state yet.

        Args:
            capacity: slots.
            specs: what a state consists of, by name.
        """
        self.capacity = capacity
        self._values = {name: np.zeros((capacity, *spec.shape), spec.dtype) for name, spec in specs.items()}
        # Number of the row after the one that a slot's state belongs to, 0 for none: a slot's row changes when the
        # ring comes round.
        self._after = np.zeros(capacity, np.int64)
        self._unsaved = np.zeros(capacity, bool)
        self.record = np.dtype([(ROW, np.int64), *((name, spec.dtype, spec.shape) for name, spec in specs.items())])
        """Type of what snapshots give and `restore` takes."""
        self.lock = threading.Lock()
        """Held while states change or are copied."""
        self._snapshot: LatentsSnapshot | None = None

    @property
    def nbytes(self) -> int:
        """Memory that is claimed."""
        return sum(array.nbytes for array in (self._after, self._unsaved, *self._values.values()))

    def rows_in(self, slots: np.ndarray) -> np.ndarray:
        """Numbers of the rows whose states lie in these slots; -1 where none does."""
        rows: np.ndarray = self._after[slots] - 1
        return rows

    def known(self, rows: np.ndarray) -> np.ndarray:
        """Whether each of these rows was given a state, bool, of the same shape; row numbers below 0 have none."""
        known: np.ndarray = (rows >= 0) & (self._after[rows % self.capacity] == rows + 1)
        return known

    def read(self, rows: np.ndarray, wanted: np.ndarray) -> dict[str, np.ndarray]:
        """States by name, shape (batch, ...), of the rows that are wanted; zeros for the others.

        Args:
            rows: row numbers, int64, shape (batch,).
            wanted: bool, shape (batch,).
        """
        slots = np.where(wanted, rows % self.capacity, 0)
        states = {}
        for name, stored in self._values.items():
            picked = stored[slots]
            picked[~wanted] = 0
            states[name] = picked
        return states

    def write(self, rows: np.ndarray, values: Mapping[str, np.ndarray]) -> None:
        """Give rows their states; of a number that repeats the last counts.

        Args:
            rows: row numbers, int64, shape (batch,).
            values: arrays by name, shape (batch, ...).
        """
        slots = rows % self.capacity
        with self.lock:
            if self._snapshot is not None:
                self._snapshot.keep(slots)
            self._after[slots] = rows + 1
            self._unsaved[slots] = True
            for name, stored in self._values.items():
                stored[slots] = values[name]

    def snapshot(self, oldest: int, saved: float) -> "LatentsSnapshot":
        """The states that have changed since the last snapshot, as they are now; they count as saved from now on.

        All states are in it instead once that is less work in the long run than to read the changes one by one. What
        an earlier snapshot has not given by now, it gives no more.

        Args:
            oldest: number of the oldest row that is still there.
            saved: how many states earlier snapshots held, since all were in one.
        """
        there = self._after > oldest
        changed = there & self._unsaved
        complete = saved + int(changed.sum()) > 2 * int(there.sum())
        self._unsaved[:] = False
        with self.lock:
            self._snapshot = LatentsSnapshot(self, np.flatnonzero(there if complete else changed), complete=complete)
        return self._snapshot

    def mark_unsaved(self, rows: np.ndarray) -> None:
        """Note that these rows' states are on no disk after all, and forget the snapshot that held them."""
        with self.lock:
            self._snapshot = None
            self._unsaved[rows % self.capacity] = True

    def copy(self, slots: np.ndarray) -> np.ndarray:
        """The states in these slots as records, shape (N,)."""
        records = np.empty(len(slots), self.record)
        records[ROW] = self.rows_in(slots)
        for name, stored in self._values.items():
            records[name] = stored[slots]
        return records

    def restore(self, records: np.ndarray, oldest: int) -> None:
        """Take up saved states, but for those of rows before the oldest."""
        records = records[records[ROW] >= oldest]
        self.write(records[ROW], {name: records[name] for name in self._values})
        self._unsaved[records[ROW] % self.capacity] = False


class LatentsSnapshot:
    """Latent states as they were at one moment, to be read once.

    Attributes:
        rows: numbers of their rows, int64, shape (N,).
        complete: whether they are all there were.
    """

    def __init__(self, latents: Latents, slots: np.ndarray, *, complete: bool) -> None:
        """Hold the states in these slots; see `Latents.snapshot`."""
        self.complete = complete
        self._latents = latents
        self._slots = slots
        self.rows = latents.rows_in(slots)
        self._wanted = np.zeros(latents.capacity, bool)
        self._wanted[slots] = True
        self._kept: list[np.ndarray] = []

    def keep(self, slots: np.ndarray) -> None:
        """Put aside what these slots hold, before they are overwritten; the lock is held."""
        endangered = np.unique(slots[self._wanted[slots]])
        if len(endangered):
            self._kept.append(self._latents.copy(endangered))
            self._wanted[endangered] = False

    def records(self) -> Iterator[np.ndarray]:
        """The states in pieces, records of shape (n,), in any order, N in all."""
        for start in range(0, len(self._slots), CHUNK):
            slots = self._slots[start : start + CHUNK]
            with self._latents.lock:
                slots = slots[self._wanted[slots]]
                piece = self._latents.copy(slots)
                self._wanted[slots] = False
            yield piece
        while self._kept:
            yield self._kept.pop()
