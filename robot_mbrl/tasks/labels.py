"""Whatever a person says is good: for tasks with `reward: feedback` that nothing measured can judge."""

from collections.abc import Mapping
from typing import ClassVar

from robot_mbrl.tasks.task import Judgement


class Labels:
    """Judges nothing: rewards, successes and ends come as labels on the topic `feedback`."""

    reads: ClassVar[tuple[str, ...]] = ()

    def reset(self) -> None:
        """Nothing is remembered between steps."""

    def judge(self, values: Mapping[str, float]) -> Judgement:
        """Judge nothing."""
        return Judgement(reward=0.0)
