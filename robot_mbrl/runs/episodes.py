"""An episode in a few figures: its return, whether it was solved, and who acted in it."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from robot_mbrl.specs import Mode, Source
from robot_mbrl.steps import Action, Observation


@dataclass(frozen=True, slots=True)
class EpisodeResult:
    """A finished episode."""

    steps: int
    """Observations in it, the first and the last included."""
    total_reward: float
    """Its return, undiscounted."""
    mode: Mode
    solved: bool
    """The episode has its full length, and the task's success held in all of its last half."""
    began_stopped: bool
    """The robot was still in a safe stop when it began: it says nothing about the policy."""
    sources: dict[str, int]
    """How many actions each source gave."""
    policy_version: int
    """The newest version that acted in it."""

    def as_metrics(self) -> dict[str, Any]:
        """Values of a line of metrics."""
        return {
            "return": self.total_reward,
            "steps": self.steps,
            "mode": self.mode.name.lower(),
            "solved": self.solved,
            "began_stopped": self.began_stopped,
            "policy_version": self.policy_version,
            "sources": self.sources,
        }


class EpisodeTally:
    """Follows observations and applied actions, and sums each episode up when it ends."""

    def __init__(self, episode_steps: int) -> None:
        """Begin between episodes; one that is already under way is not judged.

        Args:
            episode_steps: full length of an episode; a shorter one was cut and cannot have been solved.
        """
        self._episode_steps = episode_steps
        self._successes: list[bool] | None = None
        self._total_reward = 0.0
        self._sources: Counter[str] = Counter()
        self._began_stopped = False
        self._policy_version = 0

    @property
    def steps(self) -> int:
        """Observations in the episode so far; 0 between episodes."""
        return len(self._successes or ())

    def observe(self, observation: Observation) -> EpisodeResult | None:
        """Take the next observation; returns the episode's result if it was its last."""
        if observation.is_first:
            self._successes = []
            self._total_reward = 0.0
            self._sources.clear()
            self._began_stopped = False
            self._policy_version = 0
        if self._successes is None:
            return None
        self._successes.append(observation.success)
        if not observation.is_first:
            self._total_reward += observation.reward
        return self._finish(observation.mode) if observation.is_last else None

    def act(self, action: Action) -> None:
        """Take the action applied from the newest observation on."""
        if self._successes is None:
            return
        if not self._sources:
            self._began_stopped = action.source is Source.STOP
        self._sources[action.source.name.lower()] += 1
        self._policy_version = max(self._policy_version, action.policy_version)

    def _finish(self, mode: Mode) -> EpisodeResult:
        successes = self._successes or []
        self._successes = None
        return EpisodeResult(
            steps=len(successes),
            total_reward=self._total_reward,
            mode=mode,
            solved=len(successes) >= self._episode_steps and all(successes[len(successes) // 2 :]),
            began_stopped=self._began_stopped,
            sources=dict(self._sources),
            policy_version=self._policy_version,
        )
