"""The trajectory of one topic's positions: its shapers, and what was sent of it."""

import math
from collections import deque
from collections.abc import Sequence

from robot_mbrl.command_config import CommandConfig
from robot_mbrl.control.outgoing import Outgoing
from robot_mbrl.control.shaping import PositionShaper

HISTORY = 512
"""Commands that measurements are compared with: a second's at 500 Hz, older than what is not stale."""


class PositionTrajectory:
    """What was commanded since the joints were last believed to be somewhere.

    Attributes:
        shapers: one per joint, at the newest command.
        outgoing: what was sent.
        driven: whether the newest command was on its way somewhere, rather than the safe stop's.
        acting: whether it was an action's.
        returning: whether it leads joints back that were out of range, and nothing else has driven it since.
        released: whether the joints were let go, so that nobody knows where it would take them on.
        rested_s: since when it has rested; infinite while it moves.
        history: when each command was sent, with its values.
    """

    def __init__(self, config: CommandConfig, positions: Sequence[float]) -> None:
        """Begin at rest at these positions."""
        self.shapers = [PositionShaper(joint, x) for joint, x in zip(config.joints, positions, strict=True)]
        self.outgoing = Outgoing(config, positions)
        self.driven = self.acting = self.returning = self.released = False
        self.rested_s = math.inf
        self.history: deque[tuple[float, tuple[float, ...]]] = deque(maxlen=HISTORY)

    @property
    def values(self) -> list[float]:
        """The newest command."""
        return [shaper.value for shaper in self.shapers]

    @property
    def rests(self) -> bool:
        """Whether the newest command ends in rest."""
        return all(shaper.at_rest for shaper in self.shapers)

    def at(self, time_s: float) -> Sequence[float]:
        """The command that was in force at a time."""
        for sent_s, values in reversed(self.history):
            if sent_s <= time_s:
                return values
        return self.history[0][1] if self.history else self.values
