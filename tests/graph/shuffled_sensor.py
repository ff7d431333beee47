"""A sensor node that pays rewards out of order: each was judged some time before, so none tells anything."""

import sys
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from robot_mbrl.tasks import TASKS
from robot_mbrl.tasks.cartpole_swingup import CartpoleSwingup
from robot_mbrl.tasks.task import Judgement
from ros_nodes import sensor_node


class Shuffled(CartpoleSwingup):
    """The task with the rewards of other moments."""

    def __init__(self) -> None:
        super().__init__()
        self._rewards: list[float] = []
        self._rng = np.random.default_rng(0)

    def judge(self, values: Mapping[str, float]) -> Judgement:
        judgement = super().judge(values)
        self._rewards.append(judgement.reward)
        return replace(judgement, reward=float(self._rng.choice(self._rewards)))


if __name__ == "__main__":
    TASKS["cartpole_swingup"] = Shuffled
    sys.exit(sensor_node.main())
