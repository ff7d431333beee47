"""Whether what is learned means anything: updates and steps that were left out, and what an agent cautions of."""

from collections import Counter
from collections.abc import Mapping

from robot_mbrl.learning.faults import Faults
from robot_mbrl.learning.learner import Learner

CAUTION_SHARE = 0.01
"""Above this an agent's caution is said: one value in a hundred is more than a glitch."""
_LEFT_OUT = "updates"
_STEPS = "steps."
"""What the kinds of cautions begin with that the replay's steps give reason to."""


class Soundness:
    """Watches a learner's updates, steps and metrics."""

    def __init__(self, learner: Learner, faults: Faults, cautions: Faults) -> None:
        """Nothing was seen yet.

        Args:
            learner: what is watched.
            faults: told what keeps policies from being exported.
            cautions: told what makes learning worse than it could be.
        """
        self._learner = learner
        self._faults = faults
        self._cautions = cautions
        self._seen: Counter[str] = Counter()

    def updates_count(self) -> bool:
        """Whether the newest updates changed the weights; what is not finite was left out, and is a fault."""
        left_out, made = self._learner.take_left_out()
        if left_out:
            self._faults.note(
                _LEFT_OUT,
                f"{left_out} of the newest {made} updates were left out, since their losses were not finite: no policy "
                f"is exported until they are again. Look for extreme rewards or observations, or lower the agent's "
                f"learning rates",
            )
        elif made:
            self._faults.mend(_LEFT_OUT, "updates are finite again")
        return _LEFT_OUT not in self._faults

    def judge(self, metrics: Mapping[str, float]) -> None:
        """Say what the newest metrics of the agent caution of, and what steps were not taken since the last call."""
        for name, sentence in self._learner.agent.cautions.items():
            share = metrics.get(name)
            if share is not None and share > CAUTION_SHARE:
                self._cautions.note(name, f"{sentence} ({100.0 * share:.0f}% of them)")
            elif share is not None:
                self._cautions.mend(name)
        self._cautions.set(_STEPS, self._learner.replay.warnings)
        refused = self._learner.replay.not_finite
        for field, count in refused.items():
            kind = f"not_finite.{field}"
            source = "the task" if field == "reward" else "the robot"
            if count > self._seen[field]:
                self._cautions.note(
                    kind,
                    f"steps whose {field} is NaN, infinite or beyond 32 bits are not learned from ({count} so far): "
                    f"look after {source}, which gives it",
                )
            else:
                self._cautions.mend(kind)
        self._seen = refused.copy()
