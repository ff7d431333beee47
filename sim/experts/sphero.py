"""Rolling to a goal without knowing which way one faces: the heading is inferred from how the robot has moved.

Turning and driving are first-order lags: a duty cycle that lasts one step moves the robot in that step, and in those
after it by a share that falls geometrically. What is still to come of earlier steps is counted, and only what is
missing is asked for.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from robot_mbrl.config import RobotConfig
from robot_mbrl.control.shaping import to_action
from robot_mbrl.tasks.reach_goal_in_arena import GOAL

MOVED, LEAPT = 0.02, 0.5
"""A step of this many arena units tells the heading; one of this many is no step, but another start."""
CORRECTION = 0.7
"""How much of what a step tells is believed of the heading."""
FEEL = 0.12
"""Duty of the first step, which leads somewhere, to see where."""
MOST_DUTY, MOST_TURN = 0.22, 0.06
NEAR = 0.03
"""Within this of the goal it stays."""
AHEAD_RAD = 0.8
"""It drives towards a goal that is within this of straight ahead."""


@dataclass
class Lag:
    """What a duty cycle does: so much in its own step, so much in the next, and a share of that in each one after.

    Attributes:
        now: motion in the same step, of a duty of 1.
        later: in the next.
        share: of the step before, from then on.
        coming: what earlier duties still do in the present step.
    """

    now: float
    later: float
    share: float
    coming: float = 0.0

    @property
    def rest(self) -> float:
        """All that earlier duties are still to do."""
        return self.coming / (1.0 - self.share)

    def duty_for(self, motion: float) -> float:
        """The duty that leads as far as this in the end."""
        return (motion - self.rest) / (self.now + self.later / (1.0 - self.share))

    def step(self, duty: float) -> float:
        """The motion of the present step."""
        motion = self.now * duty + self.coming
        self.coming = self.share * self.coming + self.later * duty
        return motion


class SpheroExpert:
    """Drives a little to see which way it faces, and then turns and drives by what is missing."""

    def __init__(self, robot: RobotConfig) -> None:
        """Take the motors' limits from the robot; the lags are those of `sim.worlds.sphero` at two steps a second."""
        self._motors = robot.joints
        self._before: tuple[float, float] | None = None
        self._heading: float | None = None
        self._begin()

    def act(self, values: Mapping[str, float]) -> np.ndarray:
        """Normalised duty cycles, float32, shape (2,)."""
        place = (values["arena_x"], values["arena_y"])
        self._look(place)
        self._before = place
        goal = (values.get("goal_x", GOAL[0]), values.get("goal_y", GOAL[1]))
        dx, dy = goal[0] - place[0], place[1] - goal[1]
        distance = math.hypot(dx, dy)
        if self._heading is None:
            # What it did before its heading was known says nothing of it.
            return self._drive(FEEL, 0.0)
        if distance < NEAR:
            return self._drive(self._limited(self._forward.duty_for(0.0), MOST_DUTY), 0.0)
        error = math.remainder(math.atan2(dy, dx) - self._heading, math.tau)
        turn = self._limited(self._turning.duty_for(error), MOST_TURN)
        way = distance * math.cos(error) if abs(error) < AHEAD_RAD else 0.0
        return self._drive(self._limited(self._forward.duty_for(way), MOST_DUTY), turn)

    def _begin(self) -> None:
        self._before = self._heading = None
        self._turned = 0.0
        self._forward = Lag(now=0.40, later=0.55, share=0.31)
        self._turning = Lag(now=18.2, later=18.0, share=0.30)

    def _look(self, place: tuple[float, float]) -> None:
        """Infer the heading, rad from the picture's x axis towards its top, from the newest step."""
        if self._before is None:
            return
        # The picture's y points down; angles are counted as the robot turns, seen from above.
        dx, dy = place[0] - self._before[0], self._before[1] - place[1]
        moved = math.hypot(dx, dy)
        if moved > LEAPT:
            self._begin()
            return
        if self._heading is not None:
            self._heading += self._turned
        if moved < MOVED:
            return
        # The way that a step leads is the heading in its middle.
        seen = math.atan2(dy, dx) + self._turned / 2.0
        if self._heading is None:
            self._heading = seen
        self._heading += CORRECTION * math.remainder(seen - self._heading, math.tau)

    def _drive(self, duty: float, turn: float) -> np.ndarray:
        self._forward.step(duty)
        self._turned = self._turning.step(turn)
        duties = {"left_motor": duty - turn, "right_motor": duty + turn}
        return np.array([to_action(motor, duties[motor.name]) for motor in self._motors], np.float32)

    @staticmethod
    def _limited(value: float, most: float) -> float:
        return min(max(value, -most), most)
