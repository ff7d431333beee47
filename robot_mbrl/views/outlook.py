"""What is drawn beside a robot's body: its goal, its bounds, and what its world model expects of the next second.

Whatever can be drawn of it is, by what is observed: places on the ground where the robot's `display` says how to read
them, postures where its URDF is known. What is not finite, or absurdly far, is left out.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise

import numpy as np

from robot_mbrl.config import RunConfig
from robot_mbrl.imagined import Imagined
from robot_mbrl.tasks import AimedTask, make_task
from robot_mbrl.views import marks
from robot_mbrl.views.body import joint_values, tilt_values
from robot_mbrl.views.kinematics import placed, turned
from robot_mbrl.views.marks import Mark
from robot_mbrl.views.panels import WORLD_FRAME
from robot_mbrl.views.robot_shape import RobotShape

ODOM_FRAME = "odom"
"""Where a robot that moves about tells places in, by ROS's REP 105, if no simulator of ours does."""
AHEAD_S = 1.0
"""How far a velocity that is wanted is drawn ahead, and expectations are."""
STEPS = 20
"""Points of an arc that a wanted velocity is drawn as."""
DISC_M = 0.05
"""Radius of a goal that says not how near counts."""


class Outlook:
    """Draws what a run is about.

    Attributes:
        shape: the robot's; None until its description was heard.
    """

    def __init__(self, config: RunConfig) -> None:
        """Prepare.

        Args:
            config: the run.
        """
        self.shape: RobotShape | None = None
        self._task = make_task(config.task.task)
        self._place, self._motion = config.robot.display.place, config.robot.display.motion
        self._ground = WORLD_FRAME if config.task.world is not None else ODOM_FRAME
        self._joints = dict(joint_values(config.robot))
        self._of_joints = {v.name: v.joint for _, _, v in config.robot.values() if v.joint and v.field == "position"}
        self._tilt = tilt_values(config.robot)

    def now(self, values: Mapping[str, float]) -> list[Mark]:
        """The goal and the bounds, as long as these values are observed, those of the goal among them."""
        return [mark for mark in (*self._bounds(), *self._goal(values)) if mark.is_drawable]

    def expected(self, values: Mapping[str, float], imagined: Imagined) -> list[Mark]:
        """The way that is expected, and the robot as it is expected to be at its end.

        Args:
            values: what is observed; of what the world model does not tell it is taken to stay.
            imagined: what the world model tells.
        """
        course = [dict(values) | dict(zip(imagined.names, row, strict=True)) for row in imagined.values.tolist()]
        told = set(imagined.names)
        if self._place is not None and {self._place.x, self._place.y} <= told:
            drawn = self._over_ground(course)
        elif self.shape is not None and (self._reads_motion(told) or told & self._of_joints.keys()):
            drawn = self._from_here(self.shape, course, imagined.step_s, told)
        else:
            drawn = []
        return [mark for mark in drawn if mark.is_drawable]

    def _bounds(self) -> list[Mark]:
        place = self._place
        if place is None or place.low is None or place.high is None:
            return []
        (left, near), (right, far) = place.low, place.high
        around = [(left, near), (right, near), (right, far), (left, far), (left, near)]
        corners = [self._on_ground({place.x: x, place.y: y}) for x, y in around]
        return [marks.line("bounds", self._ground, corners, marks.BOUNDS)]

    def _goal(self, values: Mapping[str, float]) -> list[Mark]:
        if not isinstance(self._task, AimedTask):
            return []
        try:
            aim = self._task.aim(values)
        except (KeyError, OverflowError, ValueError):
            # Not all is observed yet, or what is told is no number that an angle can be.
            return []
        drawn, near, wanted = [], aim.near, aim.values.keys()
        if self._place is not None and {self._place.x, self._place.y} <= wanted:
            metres = abs(self._place.unit_m[0]) * near if near is not None else DISC_M
            here = self._on_ground(aim.values)
            drawn.append(marks.disc(self._ground, here, metres, marks.GOAL))
            if self._place.yaw in wanted:
                drawn.append(marks.arrow(self._ground, here, aim.values[str(self._place.yaw)], metres, marks.GOAL))
        elif self._reads_motion(wanted) and self.shape is not None:
            course = [dict(aim.values)] * (STEPS + 1)
            way = np.array([base[:3, 3] for base in self._dead_reckoned(course, AHEAD_S / STEPS)])
            drawn.append(marks.line("goal", self.shape.root, way, marks.GOAL))
        if self.shape is not None and aim.spot_m is not None:
            radius = near if near is not None else DISC_M
            drawn.append(marks.disc(self.shape.root, (*aim.spot_m, marks.THICK_M / 2.0), radius, marks.GOAL))
        if self.shape is not None and wanted & self._of_joints.keys():
            posture = self._positions({**values, **aim.values})
            drawn += self.shape.parts(posture, np.eye(4), self.shape.root, "goal", marks.GOAL)
        return drawn

    def _over_ground(self, course: Sequence[Mapping[str, float]]) -> list[Mark]:
        """A way that is told as places."""
        points = [self._on_ground(values) for values in course]
        drawn = [marks.line("way", self._ground, points, marks.WAY)]
        if self.shape is not None:
            x, y, _ = points[-1]
            end = placed((x, y, self.shape.height_m), (0.0, 0.0, self._yaw(course[-1])))
            drawn += self.shape.parts(self._positions(course[-1]), end, self._ground, "ghost", marks.GHOST)
        return drawn

    def _from_here(
        self, shape: RobotShape, course: Sequence[Mapping[str, float]], step_s: float, told: set[str]
    ) -> list[Mark]:
        """A way from where the robot's root link is now, in its own frame."""
        moves = self._reads_motion(told)
        here = self._tilted(course[0])
        bases = self._dead_reckoned(course, step_s) if moves else [np.eye(4)] * len(course)
        # In the frame of the link as it lies now: it may lie on its side.
        bases = [here.T @ base @ self._tilted(values) for base, values in zip(bases, course, strict=True)]
        ways = [base[None, :3, 3] for base in bases]
        if not moves:
            ways = [shape.tips(self._positions(values), base) for values, base in zip(course, bases, strict=True)]
        lines = [marks.line("way", shape.root, way, marks.WAY) for way in np.array(ways).transpose(1, 0, 2)]
        end = shape.parts(self._positions(course[-1]), bases[-1], shape.root, "ghost", marks.GHOST)
        return [*lines, *end]

    def _dead_reckoned(self, course: Sequence[Mapping[str, float]], step_s: float) -> list[np.ndarray]:
        """Where a base will be, (4, 4) each, by the mean of how it moves before and after each step."""
        assert self._motion is not None
        x = y = yaw = 0.0
        bases = [np.eye(4)]
        for before, after in pairwise(course):
            forward, left, turn = (
                0.0 if name is None else step_s * (before.get(name, 0.0) + after.get(name, 0.0)) / 2.0
                for name in (self._motion.forward, self._motion.left, self._motion.turn)
            )
            heading = yaw + turn / 2.0
            if not math.isfinite(heading):
                return [np.eye(4) * math.nan] * len(course)
            x += forward * math.cos(heading) - left * math.sin(heading)
            y += forward * math.sin(heading) + left * math.cos(heading)
            yaw += turn
            bases.append(placed((x, y, 0.0), (0.0, 0.0, yaw)))
        return bases

    def _reads_motion(self, names: Collection[str]) -> bool:
        """Whether it is told how the robot moves."""
        return self._motion is not None and self._motion.forward in names

    def _positions(self, values: Mapping[str, float]) -> dict[str, float]:
        return {joint: read(values) for joint, read in self._joints.items()}

    def _tilted(self, values: Mapping[str, float]) -> np.ndarray:
        """How a body that measures it lies, (4, 4), without its heading."""
        roll, pitch = (values.get(self._tilt.get(name, ""), 0.0) for name in ("roll", "pitch"))
        return turned(roll, pitch, 0.0)

    def _on_ground(self, values: Mapping[str, float]) -> tuple[float, float, float]:
        assert self._place is not None
        (x, y), (east, north) = self._place.origin_m, self._place.unit_m
        return x + east * values[self._place.x], y + north * values[self._place.y], marks.THICK_M / 2.0

    def _yaw(self, values: Mapping[str, float]) -> float:
        name = self._place.yaw if self._place is not None else None
        return values.get(name, 0.0) if name is not None else 0.0
