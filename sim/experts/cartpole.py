"""Cart-pole swing-up by energy shaping (Åström and Furuta 2000), balanced by a linear-quadratic regulator.

With x the cart's position, theta the pole's angle from upright, J the pole's inertia about the hinge:

    J theta'' = m g l sin(theta) - m l cos(theta) x''
    (M + m) x'' + m l (cos(theta) theta'' - sin(theta) theta'^2) = F

The pole's energy E = J theta'^2 / 2 + m g l (cos(theta) - 1) is 0 at rest upright; E' = -m l cos(theta) theta' x''.
"""

import math
from collections.abc import Mapping

import numpy as np

from robot_mbrl.config import RobotConfig
from robot_mbrl.control.shaping import to_action
from sim.experts.regulator import sampled_lqr

CART_KG = 1.0
POLE_KG = 0.1
HALF_LENGTH_M = 0.5
INERTIA_KG_M2 = POLE_KG * HALF_LENGTH_M**2 * 4.0 / 3.0
GRAVITY_M_S2 = 9.81

PUMP_M_S2 = 6.0
"""Largest acceleration of the cart while pumping."""
PUMP_GAIN = 40.0
CENTRING_GAINS = (2.0, 1.0)
"""Pull towards the middle while pumping, per m and per m/s."""
CATCH_RAD = 0.35
CATCH_RAD_S = 3.0
"""Where the regulator takes over."""


class CartpoleExpert:
    """Pumps the pole up, then balances it."""

    def __init__(self, robot: RobotConfig) -> None:
        """Compute the regulator's gain for the robot's control rate."""
        self._joint = robot.joints[0]
        m, l, j = POLE_KG, HALF_LENGTH_M, INERTIA_KG_M2  # noqa: E741 - the symbols of the equations
        # Linearised about upright; state (x, x', theta, theta').
        determinant = (CART_KG + m) * j - (m * l) ** 2
        a = np.zeros((4, 4))
        a[0, 1] = a[2, 3] = 1.0
        a[1, 2] = -((m * l) ** 2) * GRAVITY_M_S2 / determinant
        a[3, 2] = (CART_KG + m) * m * GRAVITY_M_S2 * l / determinant
        b = np.array([[0.0], [j / determinant], [0.0], [-m * l / determinant]])
        self._gain = sampled_lqr(a, b, np.diag([1.0, 0.1, 10.0, 0.1]), np.array([[0.05]]), robot.period_s)[0]

    def act(self, values: Mapping[str, float]) -> np.ndarray:
        """The normalised force, float32, shape (1,)."""
        x, speed = values["cart_position"], values["cart_velocity"]
        theta, rate = math.atan2(values["pole_sin"], values["pole_cos"]), values["pole_velocity"]
        if abs(theta) < CATCH_RAD and abs(rate) < CATCH_RAD_S:
            force = -float(self._gain @ (x, speed, theta, rate))
        else:
            force = _force(_pumping_acceleration(x, speed, theta, rate), theta, rate)
        return np.array([to_action(self._joint, force)], np.float32)


def _pumping_acceleration(x: float, speed: float, theta: float, rate: float) -> float:
    """Acceleration of the cart that brings the pole's energy to that of rest upright, and the cart to the middle."""
    weight = POLE_KG * GRAVITY_M_S2 * HALF_LENGTH_M
    energy = 0.5 * INERTIA_KG_M2 * rate**2 + weight * (math.cos(theta) - 1.0)
    pump = PUMP_GAIN * energy * rate * math.cos(theta)
    return min(max(pump, -PUMP_M_S2), PUMP_M_S2) - CENTRING_GAINS[0] * x - CENTRING_GAINS[1] * speed


def _force(acceleration: float, theta: float, rate: float) -> float:
    """Force that gives the cart this acceleration while the pole swings freely."""
    m, l = POLE_KG, HALF_LENGTH_M  # noqa: E741
    swing = (m * l / INERTIA_KG_M2) * (GRAVITY_M_S2 * math.sin(theta) - math.cos(theta) * acceleration)
    return (CART_KG + m) * acceleration + m * l * (math.cos(theta) * swing - math.sin(theta) * rate**2)
