"""A sensor node that pays rewards out of order: each was judged some time before, so none tells anything."""

import sys
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from robot_mbrl.tasks import TASKS
from robot_mbrl.tasks.task import Judgement, Task
from ros_nodes import sensor_node


class Shuffled:
    """A task whose judgements carry the rewards of other moments."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._rewards: list[float] = []
        self._rng = np.random.default_rng(0)

    def reset(self) -> None:
        self._task.reset()

    def judge(self, values: Mapping[str, float]) -> Judgement:
        judgement = self._task.judge(values)
        self._rewards.append(judgement.reward)
        return replace(judgement, reward=float(self._rng.choice(self._rewards)))


if __name__ == "__main__":
    for name, make in list(TASKS.items()):
        TASKS[name] = lambda make=make: Shuffled(make())  # type: ignore[assignment,misc]
    sys.exit(sensor_node.main())
