"""What a scripted expert is: a yardstick for learned policies, and the proof that a task can be solved."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np


class Expert(Protocol):
    """A controller that knows the robot's physics; it sees what the robot measures and acts through the same guard."""

    def act(self, values: Mapping[str, float]) -> np.ndarray:
        """The normalised action, float32, shape (action size,), for measured values in physical units by name."""
