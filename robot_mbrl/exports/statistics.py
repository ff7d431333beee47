"""Statistics of a dataset, which whoever learns from it normalises by: of each episode, and of all together."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

LEVELS = 256
"""Shades of a colour."""


def of_elements(values: np.ndarray) -> dict[str, np.ndarray]:
    """Of each element over the frames, arrays of shape (elements,)."""
    flat = values.reshape(len(values), -1).astype(float)
    return _five(flat.min(0), flat.max(0), flat.mean(0), flat.std(0), len(flat))


def of_pictures(pictures: np.ndarray) -> dict[str, np.ndarray]:
    """Of each colour from 0 to 1, over pictures of shape (frames, height, width, 3): arrays of shape (3, 1, 1)."""
    counts = np.zeros((pictures.shape[-1], LEVELS), np.int64)
    for picture in pictures:
        for channel in range(len(counts)):
            counts[channel] += np.bincount(picture[..., channel].reshape(-1), minlength=LEVELS)
    shades = np.arange(LEVELS) / (LEVELS - 1)
    total = counts.sum(1)
    mean = counts @ shades / total
    variance = counts @ shades**2 / total - mean**2
    seen = counts > 0
    low, high = shades[seen.argmax(1)], shades[LEVELS - 1 - seen[:, ::-1].argmax(1)]
    low, high, mean, std = (x.reshape(-1, 1, 1) for x in (low, high, mean, np.sqrt(np.maximum(0.0, variance))))
    return _five(low, high, mean, std, len(pictures))


def _five(low: np.ndarray, high: np.ndarray, mean: np.ndarray, std: np.ndarray, count: int) -> dict[str, np.ndarray]:
    return {"min": low, "max": high, "mean": mean, "std": std, "count": np.array([count])}


def joined(statistics: Sequence[Mapping[str, Mapping[str, np.ndarray]]]) -> dict[str, dict[str, Any]]:
    """Statistics over all episodes from those of each."""
    joined = {}
    for name in statistics[0] if statistics else ():
        each = [episode[name] for episode in statistics]
        counts = np.array([float(one["count"][0]) for one in each])
        means, stds = np.stack([one["mean"] for one in each]), np.stack([one["std"] for one in each])
        mean = np.average(means, 0, counts)
        # The variance within the episodes, and that of their means.
        variance = np.average(stds**2 + (means - mean) ** 2, 0, counts)
        low, high = (np.stack([one[kind] for one in each]) for kind in ("min", "max"))
        five = _five(low.min(0), high.max(0), mean, np.sqrt(variance), int(counts.sum()))
        joined[name] = {kind: value.tolist() for kind, value in five.items()}
    return joined
