"""Whether what is observed follows the actions: a wrong topic, unit or sign shows here before it is learned."""

from typing import Any

import numpy as np

from robot_mbrl.steps import Step

FEWEST = 50
"""Pairs of steps below which nothing is said."""
MOST = 20_000
"""Steps that are looked at."""
CLEAR = 0.1
"""Correlation below which nothing can be said to follow."""


class Following:
    """Correlates each element of the actions with what is observed one step later, and with how that has changed."""

    def __init__(self, names: tuple[str, ...]) -> None:
        """Begin without a step.

        Args:
            names: of the actions' elements.
        """
        self._names = names
        self._values: tuple[str, ...] = ()
        self._actions: list[np.ndarray] = []
        self._observed: list[list[float]] = []
        self._goes_on: list[bool] = []

    def add(self, step: Step) -> None:
        """Look at the next step."""
        if len(self._actions) >= MOST:
            return
        self._values = self._values or tuple(step.observation.values)
        self._actions.append(step.action.values)
        self._observed.append([step.observation.values[name] for name in self._values])
        self._goes_on.append(not step.observation.is_last)

    def found(self) -> dict[str, dict[str, Any]]:
        """What follows each element the most, and whether it clearly does; without those that never change."""
        goes_on = np.flatnonzero(self._goes_on[:-1]) if self._goes_on else np.array([], np.int64)
        if len(goes_on) < FEWEST or not self._values:
            return {}
        actions, observed = np.array(self._actions, float), np.array(self._observed)
        after = observed[goes_on + 1]
        candidates = np.hstack([after - observed[goes_on], after])  # (N, 2 V)
        told = {}
        for index, name in enumerate(self._names):
            chosen = actions[goes_on, index]
            if chosen.std() > 0.0:
                related = [_correlation(chosen, column) for column in candidates.T]
                best = int(np.argmax(np.abs(related)))
                value = self._values[best % len(self._values)]
                told[name] = {
                    "value": f"change of {value}" if best < len(self._values) else value,
                    "correlation": round(related[best], 3),
                    "clear": abs(related[best]) >= CLEAR,
                }
        return told


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's; 0 where one of them never changes."""
    spread = float(a.std() * b.std())
    return float(((a - a.mean()) * (b - b.mean())).mean() / spread) if spread > 0.0 else 0.0
