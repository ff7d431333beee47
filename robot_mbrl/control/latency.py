"""How long steps take from the sensor to the command, over a whole run in constant memory."""

import numpy as np

BIN_MS = 0.02
BINS = 10_000
"""Up to 200 ms; what takes longer is counted in the last bin, and kept exactly in `max_ms`."""


class LatencyHistogram:
    """Counts latencies in bins of 0.02 ms."""

    def __init__(self) -> None:
        """Begin empty."""
        self.max_ms = 0.0
        self.count = 0
        self._bins = np.zeros(BINS, np.int64)

    def add(self, latency_ms: float) -> None:
        """Count one latency, in milliseconds."""
        self.count += 1
        self.max_ms = max(self.max_ms, latency_ms)
        self._bins[min(BINS - 1, max(0, int(latency_ms / BIN_MS)))] += 1

    def percentile_ms(self, share: float) -> float:
        """The latency that this share, in (0, 1], of all latencies does not exceed, to the bin; 0 if there are none."""
        if not self.count:
            return 0.0
        # Rounded up, so that a share of few latencies is one of them.
        index = int(np.searchsorted(np.cumsum(self._bins), np.ceil(share * self.count)))
        return min(self.max_ms, (index + 1) * BIN_MS)
