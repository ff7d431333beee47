"""What a person says of a step: a reward, a success, a failure, the end of the episode; now or after the fact."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from robot_mbrl.errors import MessageError
from robot_mbrl.steps import StepKey

REWARD, SUCCESS, FAILURE, END = "reward", "success", "failure", "end"
NAMES = (REWARD, SUCCESS, FAILURE, END)
SUCCESS_REWARD = 1.0
"""What a success earns where people's labels are the only reward, unless they name another."""


@dataclass(frozen=True, slots=True)
class Labels:
    """What was said at once."""

    reward: float | None = None
    """Added to what the step earned; None if none was named."""
    success: bool = False
    """The task's goal is reached here."""
    failure: bool = False
    """The episode ends here, and nothing of value comes after."""
    end: bool = False
    """The episode ends here, and goes on unseen."""

    @property
    def ends(self) -> bool:
        """Whether the episode ends."""
        return self.failure or self.end

    @property
    def values(self) -> dict[str, float]:
        """They by name, as messages have them."""
        said = {SUCCESS: self.success, FAILURE: self.failure, END: self.end}
        named = {} if self.reward is None else {REWARD: self.reward}
        return named | {name: 1.0 for name, holds in said.items() if holds}

    def earned(self, *, only_reward: bool) -> float:
        """What they add to the step's reward.

        Args:
            only_reward: whether labels are the task's only reward: then a success earns something by itself.
        """
        if self.reward is None:
            return SUCCESS_REWARD if only_reward and self.success else 0.0
        return self.reward


def read_labels(values: Mapping[str, float]) -> Labels:
    """Labels from the named values of a message; what is not above zero is not said.

    Raises:
        MessageError: if a name is unknown, a value is not finite, or a success is a failure too.
    """
    if unknown := values.keys() - set(NAMES):
        raise MessageError(f"feedback: unknown labels {sorted(unknown)}; known are {sorted(NAMES)}")
    if not values:
        raise MessageError(f"feedback: nothing is said; known labels are {sorted(NAMES)}")
    for name, value in values.items():
        if not math.isfinite(value):
            raise MessageError(f"feedback: {name} of {value} is not finite")
    said = {name: values.get(name, 0.0) > 0.0 for name in (SUCCESS, FAILURE, END)}
    if said[SUCCESS] and said[FAILURE]:
        raise MessageError("feedback: a success and a failure at once")
    return Labels(values.get(REWARD), said[SUCCESS], said[FAILURE], said[END])


@dataclass(frozen=True, slots=True)
class LateLabels:
    """Labels of a step that has been stored."""

    key: StepKey
    """The newest step at or before this stamp is meant; an empty session means the one that has it."""
    labels: Labels

    @property
    def name(self) -> str:
        """Tells them from others: said again, they are the same."""
        said = self.labels
        return f"{self.key.session} {self.key.stamp_ns} {said.reward} {said.success} {said.failure} {said.end}"
