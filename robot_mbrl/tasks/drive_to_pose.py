"""A wheeled base drives to a place on the ground that is told, and turns there to the heading that is told."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from robot_mbrl.specs import Element, VectorSpec
from robot_mbrl.tasks.objective import complete_goal, effort
from robot_mbrl.tasks.shaping import closeness_of_square
from robot_mbrl.tasks.task import Aim, Judgement

NEAR_M, FAR_M = 1.0, 6.0
"""Distances at which the fine and the coarse part of the reward have lost 90%."""
SUCCESS_M, SUCCESS_RAD = 0.4, math.radians(20.0)
POSE = ("pose_x", "pose_y", "pose_cos", "pose_sin")


class DriveToPose:
    """Rewards nearness of the goal, and near it the goal's heading as far as `weight_heading` says; never terminal.

    The reward is half the coarse nearness and half the fine one times 1 - weight_heading (1 - cos)/2 of the angle to
    the goal's heading; what it lacks to 1 is the cost. With a weight of 0 any heading will do, as on the way.
    """

    reads: ClassVar[tuple[str, ...]] = ("x", "y", "yaw")
    cost_reads: ClassVar[tuple[str, ...]] = POSE
    goal: ClassVar[Mapping[str, float]] = {
        "goal_x": 0.0,
        "goal_y": 0.0,
        "goal_yaw": 0.0,
        "weight_heading": 1.0,
        "weight_effort": 0.0,
    }
    angles: ClassVar[tuple[str, ...]] = ("goal_yaw",)
    computes: ClassVar[Mapping[str, VectorSpec]] = {
        "pose": VectorSpec(
            elements=(
                Element(name="pose_x", unit="m", scale=3.0),
                Element(name="pose_y", unit="m", scale=3.0),
                Element(name="pose_cos"),
                Element(name="pose_sin"),
            )
        )
    }

    def reset(self) -> None:
        """Nothing is remembered between steps."""

    def judge(self, values: Mapping[str, float]) -> Judgement:
        """Judge by the base's `x`, `y` (m) and `yaw` (rad), and the goal; success is within 0.4 m and 20 degrees."""
        yaw = values["yaw"]
        pose = dict(zip(POSE, (values["x"], values["y"], math.cos(yaw), math.sin(yaw)), strict=True))
        goal = complete_goal(self, values, math.cos, math.sin)
        faces = goal["weight_heading"] <= 0.0 or _cosine_from_goal(pose, goal) > math.cos(SUCCESS_RAD)
        near = _square_distance(pose, goal) < SUCCESS_M**2
        return Judgement(reward=_merit(pose, goal), success=near and faces, values=pose)

    def cost(self, values: Mapping[str, Any], action: Sequence[Any], goal: Mapping[str, Any]) -> Any:
        """What the reward lacks to 1, and `weight_effort` times the squared action."""
        return 1.0 - _merit(values, goal) + goal["weight_effort"] * effort(action)

    def aim(self, values: Mapping[str, float]) -> Aim:
        """The goal's place, and its heading where that counts."""
        told = {name: values.get(name, default) for name, default in self.goal.items()}
        heading = {"yaw": told["goal_yaw"]} if told["weight_heading"] > 0.0 else {}
        return Aim({"x": told["goal_x"], "y": told["goal_y"]} | heading, near=SUCCESS_M)


def _merit(pose: Mapping[str, Any], goal: Mapping[str, Any]) -> Any:
    square = _square_distance(pose, goal)
    faces = 1.0 - goal["weight_heading"] * (1.0 - _cosine_from_goal(pose, goal)) / 2.0
    return (closeness_of_square(square, FAR_M) + closeness_of_square(square, NEAR_M) * faces) / 2.0


def _square_distance(pose: Mapping[str, Any], goal: Mapping[str, Any]) -> Any:
    """Square of the distance of the goal, m²."""
    return (goal["goal_x"] - pose["pose_x"]) ** 2 + (goal["goal_y"] - pose["pose_y"]) ** 2


def _cosine_from_goal(pose: Mapping[str, Any], goal: Mapping[str, Any]) -> Any:
    """The cosine of the angle between heading and goal."""
    return pose["pose_cos"] * goal["goal_yaw_cos"] + pose["pose_sin"] * goal["goal_yaw_sin"]
