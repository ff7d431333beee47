"""Swing a pole up from hanging and balance it over the goal's place on the rail.

The reward's factors are those of dm_control's cart-pole swing-up (Tassa et al. 2018, arXiv:1801.00690), without
the one on the action, which the robot does not measure.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from robot_mbrl.tasks.objective import complete_goal, effort
from robot_mbrl.tasks.shaping import closeness
from robot_mbrl.tasks.task import Aim, Judgement

CENTRING_M = 2.0
"""Distance from the goal at which the centring factor has lost 90% of what it can lose."""
STILLNESS_RAD_S = 5.0
"""Angular velocity at which the stillness factor has lost 90% of what it can lose."""
SUCCESS_RAD = math.radians(12.0)


class CartpoleSwingup:
    """Rewards an upright, centred and quiet pole: (1 + cos)/2 times two factors in [1/2, 1]; never terminal.

    It is centred where the cart is at the goal's position, the middle of the rail unless told otherwise. The cost is
    what the reward lacks to 1.
    """

    reads: ClassVar[tuple[str, ...]] = ("pole_cos", "cart_position", "pole_velocity")
    goal: ClassVar[Mapping[str, float]] = {"goal_position": 0.0, "weight_effort": 0.0}
    angles: ClassVar[tuple[str, ...]] = ()

    def reset(self) -> None:
        """Nothing is remembered between steps."""

    def judge(self, values: Mapping[str, float]) -> Judgement:
        """Judge by `pole_cos`, `cart_position` (m) and `pole_velocity` (rad/s); success is a pole within 12 degrees."""
        goal = complete_goal(self, values, math.cos, math.sin)
        return Judgement(reward=_merit(values, goal), success=values["pole_cos"] > math.cos(SUCCESS_RAD))

    def cost(self, values: Mapping[str, Any], action: Sequence[Any], goal: Mapping[str, Any]) -> Any:
        """What the reward lacks to 1, and `weight_effort` times the squared action."""
        return 1.0 - _merit(values, goal) + goal["weight_effort"] * effort(action)

    def aim(self, values: Mapping[str, float]) -> Aim:
        """The pole upright above the goal's position."""
        goal = complete_goal(self, values, math.cos, math.sin)
        return Aim({"cart_position": goal["goal_position"], "pole_cos": 1.0, "pole_sin": 0.0})


def _merit(values: Mapping[str, Any], goal: Mapping[str, Any]) -> Any:
    upright = (1.0 + values["pole_cos"]) / 2.0
    centred = (1.0 + closeness(values["cart_position"] - goal["goal_position"], CENTRING_M)) / 2.0
    still = (1.0 + closeness(values["pole_velocity"], STILLNESS_RAD_S)) / 2.0
    return upright * centred * still
