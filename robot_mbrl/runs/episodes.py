"""An episode in a few figures: its return, whether it was solved, and who acted in it."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from robot_mbrl import topics
from robot_mbrl.specs import Mode, Source
from robot_mbrl.steps import Step


@dataclass(frozen=True, slots=True)
class EpisodeResult:
    """A finished episode."""

    steps: int
    """Observations in it, the first and the last included."""
    total_reward: float
    """Its return, undiscounted."""
    mode: Mode
    solved: bool
    """The episode has its full length, all its actions taken, and the task's success held in all of its last half."""
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

    def as_elements(self, robot_steps: int) -> dict[str, float]:
        """Elements of the topic `episode`, in their order.

        Args:
            robot_steps: steps of the run until its end.
        """
        metrics = self.as_metrics() | {"mode": self.mode, "robot_steps": robot_steps}
        return {name: float(metrics[name]) for name in topics.EPISODE_ELEMENTS}


class EpisodeTally:
    """Follows the steps of a run, and sums each episode up when it ends."""

    def __init__(self, episode_steps: int) -> None:
        """Begin between episodes; one that is already under way is not judged.

        Args:
            episode_steps: full length of an episode; a shorter one was cut and cannot have been solved.
        """
        self._episode_steps = episode_steps
        self._steps: list[Step] | None = None

    def take(self, step: Step) -> EpisodeResult | None:
        """Take the next step; returns the episode's result if it was its last."""
        if step.observation.is_first:
            self._steps = []
        if self._steps is None:
            return None
        # Only what the result is made of: pictures would fill the memory.
        self._steps.append(replace(step, observation=replace(step.observation, images={})))
        return self._finish(self._steps) if step.observation.is_last else None

    def _finish(self, steps: list[Step]) -> EpisodeResult:
        self._steps = None
        # From the first observation nothing was earned, from the last on nothing was done.
        arrivals, acted = steps[1:], steps[:-1]
        successes = [step.observation.success for step in steps]
        return EpisodeResult(
            steps=len(steps),
            total_reward=sum(step.observation.reward for step in arrivals),
            mode=steps[0].observation.mode,
            solved=len(steps) > self._episode_steps and all(successes[len(steps) // 2 :]),
            began_stopped=bool(acted) and acted[0].action.source is Source.STOP,
            sources=dict(Counter(step.action.source.name.lower() for step in acted)),
            policy_version=max((step.action.policy_version for step in acted), default=0),
        )
