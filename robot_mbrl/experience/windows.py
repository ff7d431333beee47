"""New experience in windows, so that each is read once before chance decides (DreamerV3's online queue).

Each session is cut into windows of so many rows that follow one another, from its first row on, whatever others were
appended between them. One that is complete waits until it is taken. Uniform draws alone would leave some of the newest
steps unread for long, and read others several times before their neighbours.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np


class NewestWindows:
    """The windows of one length that nobody has taken."""

    def __init__(self, length: int) -> None:
        """Nothing was lived.

        Args:
            length: rows of each.
        """
        self._length = length
        self._seen = 0
        """Number of the first row that was not looked at."""
        self._begun: dict[int, tuple[int, int]] = {}
        """By session, the first row of the window that is not complete, and the rows that it has."""
        self._waiting: list[int] = []
        """First rows of those that are."""

    def follow(self, sessions: np.ndarray, total: int) -> None:
        """Look at the newest rows.

        Args:
            sessions: index of the session of each row from `unseen(...)` on, in order.
            total: number of the next row.
        """
        rows = np.arange(total - len(sessions), total)
        for session in np.unique(sessions).tolist():
            self._extend(session, rows[sessions == session])
        self._seen = total

    def unseen(self, oldest: int) -> int:
        """Number of the first row to look at, where those before `oldest` are gone."""
        return max(self._seen, oldest)

    def take(self, most: int, oldest: int) -> np.ndarray:
        """First rows of the newest windows, int64, shape (at most `most`,), the oldest first.

        The others are left to chance: where many come at once, as from recordings, they are not new.

        Args:
            most: how many.
            oldest: windows that begin before this row are gone.
        """
        taken = sorted(first for first in self._waiting if first >= oldest)[-most:]
        self._waiting = []
        return np.array(taken, np.int64)

    @property
    def state(self) -> dict[str, Any]:
        """What `restore` takes, as JSON has it."""
        begun = [[session, *begun] for session, begun in self._begun.items()]
        return {"seen": self._seen, "begun": begun, "waiting": self._waiting.copy()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state."""
        self._seen = state["seen"]
        self._begun = {session: (first, count) for session, first, count in state["begun"]}
        self._waiting = list(state["waiting"])

    def _extend(self, session: int, rows: np.ndarray) -> None:
        first, count = self._begun.get(session, (0, 0))
        starts = ([first] if count else []) + rows[-count % self._length :: self._length].tolist()
        complete, rest = divmod(count + len(rows), self._length)
        self._waiting += starts[:complete]
        self._begun[session] = (starts[complete], rest) if rest else (0, 0)
