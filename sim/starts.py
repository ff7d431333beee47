"""Where episodes start: drawn from a seed and the episode's number, and from nothing else."""

import numpy as np


def start_rng(seed: int, episode: int) -> np.random.Generator:
    """The random generator that draws an episode's start, the same over the ROS graph as in one process."""
    return np.random.default_rng((seed, episode))
