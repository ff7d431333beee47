"""Schedules: when updates are due, by what the robot has lived."""

from collections.abc import Mapping
from typing import Any, Protocol

from robot_mbrl.agent_configs import AgentSettings


class Schedule(Protocol):
    """Tells how many updates are due.

    The learner calls `begin` at every new step for which there is enough to learn from but no update was made yet,
    `lived` at every new step that counts from then on, and `updated` after every update.
    """

    @property
    def due(self) -> int:
        """Updates to be made now."""

    def begin(self) -> None:
        """There is enough to learn from, and no update was made yet; called again and again until one was."""

    def lived(self, replayed: int, *, is_last: bool) -> None:
        """A step was lived that updates are due for: not one that was imported, or lived during a pause.

        Args:
            replayed: steps that one update replays at present; 0 if the agent learns from its dreams alone.
            is_last: whether its episode ended with it.
        """

    def updated(self) -> None:
        """An update was made."""

    def state_dict(self) -> dict[str, Any]:
        """Numbers by name."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave."""


class TrainRatio:
    """Updates in proportion to steps: so many replayed for each one lived (DreamerV3).

    What is due is bounded, so that a slow machine does not lag ever further behind.
    """

    def __init__(self, ratio: float, first_updates: int, most_due: int) -> None:
        """Nothing is due.

        Args:
            ratio: replayed steps per lived step.
            first_updates: due at once when learning begins.
            most_due: updates beyond this are forgiven, but for the first.
        """
        self._ratio = ratio
        self._first_updates = first_updates
        self._most_due = float(max(most_due, first_updates))
        self._credit = 0.0
        """Updates due, with fraction."""

    @property
    def due(self) -> int:
        """Updates to be made now."""
        return int(self._credit)

    def begin(self) -> None:
        """The first updates are due, however the steps came about that they learn from."""
        self._credit = max(self._credit, float(self._first_updates))

    def lived(self, replayed: int, *, is_last: bool) -> None:
        """More is due by the share of an update that one step is worth."""
        self._credit = min(self._credit + self._ratio / max(1, replayed), self._most_due)

    def updated(self) -> None:
        """One less is due."""
        self._credit = max(0.0, self._credit - 1.0)

    def state_dict(self) -> dict[str, Any]:
        """What is due, with fraction."""
        return {"credit": self._credit}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self._credit = float(state["credit"])


def make_schedule(settings: AgentSettings) -> Schedule:
    """The schedule that an agent's settings ask for."""
    return TrainRatio(settings.train_ratio, settings.pretrain_updates, settings.max_debt_updates)
