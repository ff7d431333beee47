"""Labels that come when a step is stored already: a verdict of the evening on an episode of the morning.

Rows that were saved never change on disk (see `replay_files`). So what was corrected is saved beside them, in absolute
numbers, and applied anew when they are read.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from robot_mbrl.experience.chains import NONE, SessionChains
from robot_mbrl.labels import LateLabels

_REWARD, _TERMINAL, _LAST = "reward", "is_terminal", "is_last"


class Corrections:
    """Corrects the rows of a replay; row r lies in slot r % capacity."""

    def __init__(self, rows: np.ndarray, chains: SessionChains) -> None:
        """Know of none.

        Args:
            rows: the replay's records, shape (capacity,), which are changed in place.
            chains: which row follows which.
        """
        self._rows, self._chains = rows, chains
        self._known: dict[str, int] = {}
        self._corrected: dict[int, dict[str, float]] = {}

    def knows(self, late: LateLabels) -> bool:
        """Whether these labels were merged before."""
        return late.name in self._known

    def merge(self, row: int, late: LateLabels, earned: float) -> None:
        """Merge labels into a row, as if they had come in time.

        Args:
            row: its number.
            late: the labels, which are not known.
            earned: what they add to its reward.
        """
        record = self._rows[row % len(self._rows)]
        ends = late.labels.ends or bool(record[_LAST])
        self._known[late.name] = row
        self._corrected[row] = {
            _REWARD: float(record[_REWARD]) + earned,
            _TERMINAL: float(late.labels.failure or record[_TERMINAL] > 0),
            _LAST: float(ends),
        }
        self._apply(row)

    def state(self, oldest: int) -> dict[str, Any]:
        """Copies of what `restore` takes, as JSON has it, of the rows from the oldest on."""
        return {
            "known": {name: row for name, row in self._known.items() if row >= oldest},
            "rows": [[row, values] for row, values in self._corrected.items() if row >= oldest],
        }

    def restore(self, state: dict[str, Any], oldest: int) -> None:
        """Correct rows that were read from where they lie uncorrected."""
        self._known = state["known"]
        self._corrected = {row: values for row, values in state["rows"] if row >= oldest}
        for row in sorted(self._corrected):
            self._apply(row)

    def _apply(self, row: int) -> None:
        record = self._rows[row % len(self._rows)]
        for name, value in self._corrected[row].items():
            record[name] = value
        if record[_LAST]:
            # On the last step of an episode nothing is done.
            record["action"] = 0.0
            self._cut_after(row)

    def _cut_after(self, row: int) -> None:
        """Let what follows a row in its session be a run of its own."""
        following = self._chains.after(row)
        if following == NONE or self._record(following)["is_first"]:
            return
        run = int(self._record(following)["run"])
        first = self._record(following)
        first["is_first"], first["prev_action"] = 1.0, 0.0
        moved: list[int] = []
        number = following
        while number != NONE and int(self._record(number)["run"]) == run:
            self._record(number)["run"] = following
            moved.append(number)
            number = self._chains.after(number)
        self._chains.part(run, row, moved)

    def _record(self, row: int) -> Any:
        return self._rows[row % len(self._rows)]


def newest_at(
    rows: np.ndarray, numbers: np.ndarray, names: Sequence[str], session: str, stamp_ns: int
) -> tuple[int, int] | None:
    """The newest row at or before a stamp: its number and its own stamp, nanoseconds; None if there is none.

    Args:
        rows: a replay's records.
        numbers: those of the rows that are there, shape (N,).
        names: sessions by index.
        session: the row's; empty for any.
        stamp_ns: nanoseconds.
    """
    live = rows[["session", "stamp_ns"]][numbers % len(rows)]
    meant = live["stamp_ns"] <= stamp_ns
    if session:
        meant &= live["session"] == (names.index(session) if session in names else NONE)
    if not meant.any():
        return None
    found = numbers[meant]
    best = int(np.argmax(live["stamp_ns"][meant]))
    return int(found[best]), int(live["stamp_ns"][meant][best])
