"""Driving to a goal by the nearest free direction: of what the scanner sees, the gap that leads closest to the goal."""

import math
from collections.abc import Mapping

import numpy as np

from robot_mbrl.config import RobotConfig
from robot_mbrl.control.shaping import to_action
from robot_mbrl.tasks.drive_to_goal import BEAMS, SUCCESS_M, towards_goal

FIELD_RAD = math.radians(260.0)
"""From the first beam that is looked at to the last."""
HALF_WIDTHS_M = (0.6, 0.45)
"""Half of the robot's width, and some room; and less of it where there is no other way."""
LOOK_AHEAD_M = 1.8
"""Things farther away than this, or than the goal, are not in the way yet."""
TURN_GAIN = 2.0
SPEED_M_S = 0.7
STOP_M = SUCCESS_M / 2.0
"""This near to the goal it stays."""


class HuskyExpert:
    """Turns to the free direction that is closest to the goal's, and drives as fast as it faces it."""

    def __init__(self, robot: RobotConfig) -> None:
        """Take the limits of the twist from the robot."""
        self._axes = {joint.name: joint for joint in robot.joints}
        self._beams = np.linspace(-FIELD_RAD / 2.0, FIELD_RAD / 2.0, BEAMS)

    def act(self, values: Mapping[str, float]) -> np.ndarray:
        """The normalised twist, float32, shape (2,)."""
        distance_m, bearing = towards_goal(values)
        if distance_m < STOP_M:
            return self._twist(0.0, 0.0)
        ranges_m = np.array([1.0 / max(values[f"near_{number}"], 1e-3) for number in range(BEAMS)])
        heading = self._heading(ranges_m, bearing, min(distance_m, LOOK_AHEAD_M))
        nearest_m = float(ranges_m[np.abs(self._beams) < math.radians(50.0)].min())
        room = min(max((nearest_m - 0.4) / 0.6, 0.0), 1.0)
        # On the spot until it faces about where it goes.
        faced = max(0.0, math.cos(heading)) ** 3
        forward = SPEED_M_S * faced * min(1.0, distance_m) * (0.3 + 0.7 * room)
        return self._twist(forward, TURN_GAIN * heading)

    def _heading(self, ranges_m: np.ndarray, bearing: float, reach_m: float) -> float:
        """The direction, rad from straight ahead, that is free as far as `reach_m` and closest to the goal's."""
        candidates = [bearing, *self._beams.tolist()]
        for half_width_m in HALF_WIDTHS_M:
            free = [way for way in candidates if self._is_free(ranges_m, way, reach_m, half_width_m)]
            if free:
                # Of two ways around, the one that it already faces costs less turning.
                return float(min(free, key=lambda way: abs(way - bearing) + 0.3 * abs(way)))
        return float(self._beams[int(np.argmax(ranges_m))])

    def _is_free(self, ranges_m: np.ndarray, way: float, reach_m: float, half_width_m: float) -> bool:
        """Whether nothing that was hit lies within the robot's width of a ray."""
        along = ranges_m * np.cos(self._beams - way)
        aside = ranges_m * np.abs(np.sin(self._beams - way))
        return not bool(np.any((along > 0.0) & (along < reach_m) & (aside < half_width_m)))

    def _twist(self, forward: float, turn: float) -> np.ndarray:
        wanted = {"linear.x": forward, "angular.z": turn}
        return np.array([to_action(joint, wanted[name]) for name, joint in self._axes.items()], np.float32)
