"""Reaching by inverse kinematics: velocities in proportion to how far each joint is from where it should be."""

import math
from collections.abc import Mapping

import numpy as np

from robot_mbrl.config import RobotConfig
from robot_mbrl.control.shaping import to_action
from robot_mbrl.tasks.reach_target import FOREARM_M, UPPER_ARM_M

GAIN_PER_S = 5.0


class ReacherExpert:
    """Turns both joints straight to the nearer of the two postures that reach the target."""

    def __init__(self, robot: RobotConfig) -> None:
        """Take the joints' limits from the robot."""
        self._joints = robot.joints

    def act(self, values: Mapping[str, float]) -> np.ndarray:
        """The normalised joint velocities, float32, shape (2,)."""
        angles = (
            math.atan2(values["shoulder_sin"], values["shoulder_cos"]),
            math.atan2(values["elbow_sin"], values["elbow_cos"]),
        )
        goal = min(
            (posture for posture in _postures(values["target_x"], values["target_y"]) if self._allows(posture)),
            key=lambda posture: max(abs(g - a) for g, a in zip(posture, angles, strict=True)),
            default=angles,
        )
        speeds = [GAIN_PER_S * (g - a) for g, a in zip(goal, angles, strict=True)]
        return np.array([to_action(joint, s) for s, joint in zip(speeds, self._joints, strict=True)], np.float32)

    def _allows(self, posture: tuple[float, float]) -> bool:
        return all(
            joint.position_low is None
            or joint.position_high is None
            or joint.position_low < angle < joint.position_high
            for angle, joint in zip(posture, self._joints, strict=True)
        )


def _postures(x: float, y: float) -> list[tuple[float, float]]:
    """Shoulder and elbow angles (rad) that bring the tip to (x, y), or as near as the arm's length allows."""
    cosine = (x**2 + y**2 - UPPER_ARM_M**2 - FOREARM_M**2) / (2.0 * UPPER_ARM_M * FOREARM_M)
    bend = math.acos(min(max(cosine, -1.0), 1.0))
    return [
        (math.atan2(y, x) - math.atan2(FOREARM_M * math.sin(e), UPPER_ARM_M + FOREARM_M * math.cos(e)), e)
        for e in (bend, -bend)
    ]
