"""How large a reward may be to be believed: one that is absurd would drown all the others in a squared error.

Observations are bounded at `BOUND` of their elements' scales, which a robot's YAML gives. Rewards are at as many of
theirs: `reward_scale` of the task's YAML, or else what is usual in the replay, so that tasks that pay in thousands are
learned like those that pay in tenths.
"""

from collections.abc import Mapping

import numpy as np

from robot_mbrl.specs import VALUE_BOUND

ENOUGH = 10
"""Rewards other than zero without which none is usual."""
GROWTH = 0.02
"""Share by which a replay has grown when its rewards are looked at again."""
LEAST_GROWTH = 64
"""Steps of growth without which they are not."""


class RewardBound:
    """The largest magnitude of a reward, from the scale given or from the rewards seen."""

    def __init__(self, scale: float | None = None) -> None:
        """Bound rewards.

        Args:
            scale: a typical magnitude; None to take the median of the magnitudes other than zero, or 1 if that is
                less: a bonus of 10 at the end of an episode is no error where a step pays a thousandth.
        """
        self.limit = _limit(1.0 if scale is None else scale)
        """Magnitude that rewards are bounded at."""
        self.beyond = 0
        """Rewards beyond it when they were last looked at."""
        self.seen = 0
        """Steps that had been appended by then."""
        self._adapts = scale is None

    @property
    def state(self) -> dict[str, float]:
        """What `restore` takes."""
        return {"limit": self.limit, "beyond": self.beyond, "seen": self.seen}

    def restore(self, state: Mapping[str, float]) -> None:
        """Go on from a saved state; a scale that is given now counts, whatever was learned then."""
        self.beyond, self.seen = int(state["beyond"]), int(state["seen"])
        if self._adapts:
            self.limit = state["limit"]

    def is_due(self, total: int) -> bool:
        """Whether so many steps were appended since that `look` is worth its time."""
        return total >= self.seen + max(LEAST_GROWTH, int(GROWTH * self.seen))

    def look(self, rewards: np.ndarray, total: int) -> None:
        """Look at all rewards there are, shape (N,), after so many steps were appended."""
        magnitudes = np.abs(rewards)
        paid = magnitudes[magnitudes > 0]
        if self._adapts:
            usual = float(np.median(paid)) if len(paid) >= ENOUGH else 1.0
            self.limit = _limit(max(1.0, usual))
        self.beyond = int((magnitudes > self.limit).sum())
        self.seen = total

    def bounded(self, rewards: np.ndarray) -> np.ndarray:
        """The rewards within the bound, float32, of the same shape."""
        within: np.ndarray = np.clip(rewards, np.float32(-self.limit), np.float32(self.limit))
        return within


def _limit(scale: float) -> float:
    """The bound for a scale: a number that float32 holds."""
    return min(VALUE_BOUND * scale, float(np.finfo(np.float32).max))
