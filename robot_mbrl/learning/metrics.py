"""An agent's metrics: means over the updates since they were last asked for, and the place that each keeps."""

import math
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor


class MetricMeans:
    """Sums and counts, however many updates there are between two reports; nothing waits for a device until `take`.

    They are kept where the agent computes.
    """

    def __init__(self) -> None:
        """No update yet."""
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    def add(self, metrics: Mapping[str, Tensor]) -> None:
        """Take the metrics of one update, which need not be those of the one before."""
        for name, value in metrics.items():
            known = self._sums.get(name)
            self._sums[name] = value.detach().float().clone() if known is None else known.add_(value.detach())
            self._counts[name] = self._counts.get(name, 0) + 1

    def take(self) -> dict[str, float]:
        """Means by name since the last call; {} if there was no update."""
        if not self._sums:
            return {}
        counts = torch.tensor(list(self._counts.values()), dtype=torch.float32)
        means = torch.stack(list(self._sums.values())).cpu() / counts
        names = list(self._sums)
        self._sums, self._counts = {}, {}
        return dict(zip(names, means.tolist(), strict=True))


class MetricPlaces:
    """Gives each figure one place for the whole run, since tools plot the elements of a message by their index.

    Attributes:
        newest: every figure in its place, as it was last known; NaN before that.
    """

    def __init__(self, names: Iterable[str]) -> None:
        """Begin with figures that nobody knows yet.

        Args:
            names: of the first ones, in order.
        """
        self.newest = dict.fromkeys(names, math.nan)

    @property
    def names(self) -> list[str]:
        """Every name in its place."""
        return list(self.newest)

    def update(self, figures: Mapping[str, float]) -> dict[str, float]:
        """Take figures, new ones behind all others; returns a copy of `newest`."""
        self.newest.update(figures)
        return dict(self.newest)
