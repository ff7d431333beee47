"""Swing a rod up with a motor too weak to lift it, and balance it."""

import math
from collections.abc import Mapping
from typing import ClassVar

from robot_mbrl.tasks.shaping import closeness
from robot_mbrl.tasks.task import Judgement

STILLNESS_RAD_S = 8.0
"""Angular velocity at which the stillness factor has lost 90% of what it can lose."""
SUCCESS_RAD = math.radians(12.0)


class PendulumSwingup:
    """Rewards an upright and quiet rod: (1 + cos)/2 times a factor in [1/2, 1]; never terminal."""

    reads: ClassVar[tuple[str, ...]] = ("angle_cos", "angular_velocity")

    def reset(self) -> None:
        """Nothing is remembered between steps."""

    def judge(self, values: Mapping[str, float]) -> Judgement:
        """Judge by `angle_cos` and `angular_velocity` (rad/s); success is a rod within 12 degrees of upright."""
        upright = (1.0 + values["angle_cos"]) / 2.0
        still = (1.0 + closeness(values["angular_velocity"], STILLNESS_RAD_S)) / 2.0
        return Judgement(reward=upright * still, success=values["angle_cos"] > math.cos(SUCCESS_RAD))
