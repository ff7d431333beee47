"""Means of an agent's metrics over the updates since they were last asked for, kept where the agent computes."""

from collections.abc import Mapping

import torch
from torch import Tensor


class MetricMeans:
    """Sums and counts, however many updates there are between two reports; nothing waits for a device until `take`."""

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
