"""What a scripted expert is: a yardstick for learned policies, and the proof that a task can be solved."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from robot_mbrl.config import CommandJoint


class Expert(Protocol):
    """A controller that knows the robot's physics; it sees what the robot measures and acts through the same guard."""

    def act(self, values: Mapping[str, float]) -> np.ndarray:
        """The normalised action, float32, shape (action size,), for measured values in physical units by name."""


def normalise(command: float, joint: CommandJoint) -> float:
    """The action in [-1, 1] that stands for a command in the joint's unit, clipped to its bounds."""
    share = (command - joint.low) / (joint.high - joint.low)
    return min(max(2.0 * share - 1.0, -1.0), 1.0)
