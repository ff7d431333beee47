"""A window on a robot: a scene that only takes poses, so that whoever simulates or drives is never held up by drawing.

PyBullet's window draws between any two calls, some 60 times a second at best: a simulation with a window of its own
is far from real time where no GPU helps.
"""

import math
from collections.abc import Mapping

import numpy as np

from sim.errors import WorldError
from sim.worlds import WORLDS, MobileScene
from sim.worlds.bullet import URDF_FOLDER
from sim.worlds.engine import connect, load_body, quiet
from sim.worlds.ground import Floor, build_thing
from sim.worlds.rendering import Camera
from sim.worlds.world import BASE, Stance

PERIOD_S = 0.05
"""How often it is worth showing a new pose."""
FIELD_DEG, ASPECT = 60.0, 4 / 3
"""Vertical field of view and proportions of PyBullet's window, which cannot be chosen."""
STEEPEST_DEG = 89.9
"""Straight down, the window would not know which way is up."""


class Viewer:
    """Shows the bodies of a world as their joints are."""

    def __init__(self, world: str | None) -> None:
        """Open a window.

        Args:
            world: key of `WORLDS`.

        Raises:
            WorldError: if there is no such world, or no display.
        """
        if world not in WORLDS:
            raise WorldError(f"there is no world {world!r} to show; worlds are {', '.join(sorted(WORLDS))}")
        scene = WORLDS[world]
        self._bullet = connect(scene.time_step_s, view=True)
        self._joints: dict[str, tuple[int, int]] = {}
        self._movable: dict[str, int] = {}
        self._floor: Floor | None = None
        if isinstance(scene, MobileScene):
            self._floor = scene.ground.lay(self._bullet)
            self._movable[BASE] = load_body(self._bullet, URDF_FOLDER / scene.robot, fixed=False)
            self._movable |= {name: build_thing(self._bullet, thing) for name, thing in scene.things.items()}
            bodies = [self._movable[BASE]]
        else:
            bodies = [load_body(self._bullet, URDF_FOLDER / file) for file in scene.bodies.values()]
        for body in bodies:
            for index in range(self._bullet.getNumJoints(body)):
                self._joints[self._bullet.getJointInfo(body, index)[1].decode()] = (body, index)
        self._camera = next(iter(scene.cameras.values()))
        self._look_through(self._camera, (0.0, 0.0))

    @property
    def is_open(self) -> bool:
        """Whether nobody has closed the window."""
        return bool(self._bullet.isConnected())

    def show(self, positions: Mapping[str, float], poses: Mapping[str, Stance] | None = None) -> None:
        """Show joints, by name, at these positions, rad or m, and what moves about where it is; others stay."""
        for name, (place, orientation) in (poses or {}).items():
            if self.is_open and name in self._movable and all(map(math.isfinite, (*place, *orientation))):
                self._bullet.resetBasePositionAndOrientation(self._movable[name], place, orientation)
                if name == BASE and self._floor is not None and self._camera.follows:
                    self._floor.show_around(*place[:2])
                    self._look_through(self._camera, place[:2])
        for name in positions.keys() & self._joints.keys():
            if self.is_open and math.isfinite(positions[name]):
                self._bullet.resetJointState(*self._joints[name], positions[name])

    def close(self) -> None:
        """Close the window."""
        if self.is_open:
            with quiet():
                self._bullet.disconnect()

    def _look_through(self, camera: Camera, origin: tuple[float, ...]) -> None:
        """Show what a camera of the scene sees from a place; PyBullet asks for distance and angles."""
        way = np.subtract(camera.eye, camera.target)
        distance_m = float(np.linalg.norm(way))
        # From as near as the window's own field of view shows as much of the scene.
        nearer = math.tan(math.radians(camera.field_deg / 2)) / math.tan(math.radians(FIELD_DEG / 2))
        self._bullet.resetDebugVisualizerCamera(
            cameraDistance=distance_m * nearer * max(1.0, camera.aspect / ASPECT),
            cameraYaw=math.degrees(math.atan2(way[0], -way[1])),
            cameraPitch=-min(STEEPEST_DEG, math.degrees(math.asin(way[2] / distance_m))),
            cameraTargetPosition=(camera.target[0] + origin[0], camera.target[1] + origin[1], camera.target[2]),
        )
