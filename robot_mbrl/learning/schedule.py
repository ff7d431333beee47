"""Schedules: how much learning is due, by what the robot has lived."""

from collections.abc import Mapping
from typing import Any, Protocol

from robot_mbrl.agent_configs import AgentSettings


class Schedule(Protocol):
    """Tells how many updates are due.

    The learner calls `begin` at every new step for which there is enough to learn from but no update was made yet,
    `lived` at every new step that counts from then on, `ended` where its episode ends, and `updated` after every
    update.
    """

    @property
    def due(self) -> int:
        """Updates to be made now."""

    @property
    def total(self) -> int | None:
        """Updates that will be made in all; None where learning goes on for as long as the robot lives."""

    def begin(self) -> None:
        """There is enough to learn from, and no update was made yet; called again and again until one was."""

    def lived(self, replayed: int) -> None:
        """A step was lived that updates are due for: not one that was imported, or lived during a pause.

        Args:
            replayed: steps that one update replays at present; 0 if the agent learns from its dreams alone.
        """

    def ended(self) -> None:
        """An episode ended; called also where the robot only rested since the one before."""

    def updated(self) -> None:
        """An update was made."""

    def state_dict(self) -> dict[str, Any]:
        """Numbers by name."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave; also that of another schedule, whose updates that are due stay so."""


class _Accruing:
    """Updates that become due bit by bit, bounded so that a slow machine does not lag ever further behind."""

    total: int | None = None
    """Learning goes on for as long as the robot lives."""

    def __init__(self, first_updates: int, most_due: int) -> None:
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

    def updated(self) -> None:
        """One less is due."""
        self._credit = max(0.0, self._credit - 1.0)

    def state_dict(self) -> dict[str, Any]:
        """What is due, with fraction."""
        return {"credit": self._credit}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self._credit = float(state.get("credit", 0.0))

    def _accrue(self, updates: float) -> None:
        self._credit = min(self._credit + updates, self._most_due)


class TrainRatio(_Accruing):
    """Updates in proportion to steps: so many replayed for each one lived (DreamerV3)."""

    def __init__(self, ratio: float, first_updates: int, most_due: int) -> None:
        """Nothing is due.

        Args:
            ratio: replayed steps per lived step.
            first_updates: due at once when learning begins.
            most_due: updates beyond this are forgiven, but for the first.
        """
        super().__init__(first_updates, most_due)
        self._ratio = ratio

    def lived(self, replayed: int) -> None:
        """More is due by the share of an update that one step is worth."""
        self._accrue(self._ratio / max(1, replayed))

    def ended(self) -> None:
        """Episodes make no difference."""


class PerEpisode(_Accruing):
    """So many updates at the end of each episode, and none while it lasts (PlaNet, algorithm 1)."""

    def __init__(self, updates: int, first_updates: int, most_due: int) -> None:
        """Nothing is due.

        Args:
            updates: due at each end.
            first_updates: due at once when learning begins.
            most_due: updates beyond this are forgiven, but for the first and for those of one episode.
        """
        super().__init__(first_updates, max(most_due, updates))
        self._updates = updates
        self._open = False
        """Whether a step was lived since the last end."""

    def lived(self, replayed: int) -> None:
        """Something is there to be learned from once the episode ends."""
        del replayed
        self._open = True

    def ended(self) -> None:
        """More is due, unless the robot only rested."""
        if self._open:
            self._accrue(self._updates)
        self._open = False

    def state_dict(self) -> dict[str, Any]:
        """What is due, and whether an episode has begun."""
        return {**super().state_dict(), "open": self._open}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        super().load_state_dict(state)
        self._open = bool(state.get("open", False))


class Budget:
    """A given number of updates, due at once when there is enough to learn from, and then no more (World Models).

    Its agent divides them among its stages, and says by `ready` when its policy is worth something.
    """

    def __init__(self, updates: int) -> None:
        """Nothing is due yet.

        Args:
            updates: the number.
        """
        self.total = updates
        self._made = 0
        self._begun = False

    @property
    def due(self) -> int:
        """All that were not made yet, once it has begun."""
        return max(0, self.total - self._made) if self._begun else 0

    def begin(self) -> None:
        """All are due."""
        self._begun = True

    def lived(self, replayed: int) -> None:
        """Nothing more is due, but for a run that began with another schedule: all."""
        del replayed
        self._begun = True

    def ended(self) -> None:
        """Episodes make no difference."""

    def updated(self) -> None:
        """One less is due."""
        self._made += 1

    def state_dict(self) -> dict[str, Any]:
        """How many were made of it."""
        return {"made": self._made, "begun": self._begun}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self._made, self._begun = int(state.get("made", 0)), bool(state.get("begun", False))


def make_schedule(settings: AgentSettings) -> Schedule:
    """The schedule that an agent's settings ask for."""
    first_updates, most_due = settings.pretrain_updates, settings.max_debt_updates
    match settings.schedule:
        case "train_ratio":
            return TrainRatio(settings.train_ratio, first_updates, most_due)
        case "per_episode":
            return PerEpisode(settings.updates_per_episode, first_updates, most_due)
        case "budget":
            return Budget(settings.update_budget)
