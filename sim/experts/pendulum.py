"""Pendulum swing-up: torque along the motion until the energy is that of rest upright, then a regulator."""

import math
from collections.abc import Mapping

import numpy as np

from robot_mbrl.config import RobotConfig
from robot_mbrl.control.shaping import to_action
from sim.experts.regulator import sampled_lqr

ROD_KG = 1.0
HALF_LENGTH_M = 0.5
INERTIA_KG_M2 = ROD_KG * HALF_LENGTH_M**2 * 4.0 / 3.0
GRAVITY_M_S2 = 9.81
PUMP_GAIN = 4.0
CATCH_RAD = 0.25
CATCH_RAD_S = 1.5
"""Where the regulator takes over: within what the weak motor can still hold."""


class PendulumExpert:
    """Pumps the rod up, then balances it."""

    def __init__(self, robot: RobotConfig) -> None:
        """Compute the regulator's gain for the robot's control rate."""
        self._joint = robot.joints[0]
        a = np.array([[0.0, 1.0], [ROD_KG * GRAVITY_M_S2 * HALF_LENGTH_M / INERTIA_KG_M2, 0.0]])
        b = np.array([[0.0], [1.0 / INERTIA_KG_M2]])
        self._gain = sampled_lqr(a, b, np.diag([10.0, 1.0]), np.array([[0.1]]), robot.period_s)[0]

    def act(self, values: Mapping[str, float]) -> np.ndarray:
        """The normalised torque, float32, shape (1,)."""
        theta, rate = math.atan2(values["angle_sin"], values["angle_cos"]), values["angular_velocity"]
        if abs(theta) < CATCH_RAD and abs(rate) < CATCH_RAD_S:
            torque = -float(self._gain @ (theta, rate))
        else:
            energy = 0.5 * INERTIA_KG_M2 * rate**2 + ROD_KG * GRAVITY_M_S2 * HALF_LENGTH_M * (math.cos(theta) - 1.0)
            # At a turning point the rate says nothing; any push will do.
            torque = -PUMP_GAIN * energy * math.copysign(1.0, rate)
        return np.array([to_action(self._joint, torque)], np.float32)
