"""A robot's body in the engine, free to move about: its joints by name, and where its base is and how it moves."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sim.worlds.engine import load_body

Vector = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]

CLEARANCE_M = 1e-4
"""How far above the ground a body is put down, so that it does not begin within it."""


@dataclass(frozen=True)
class Shape:
    """A collision shape of a link: corners of a box, or the ends of a ball's or a lying cylinder's axis.

    Attributes:
        link: index of its link, -1 for the base.
        points: in the link's frame, shape (n, 3).
        radius: around each of the points.
    """

    link: int
    points: np.ndarray
    radius: float


class Body:
    """One robot.

    Attributes:
        index: the engine's number of it.
        joints: index of each joint that moves, by name, in the order of the file.
        mass_kg: of all of it.
        max_efforts: the most that each can exert, N or N m, as the file says.
        was_moving: the base's velocity (m/s) and angular velocity (rad/s) one physics step ago.
    """

    def __init__(self, bullet: Any, urdf: Path, friction: float) -> None:
        """Load it; its joints are free of the motors that the engine gives them."""
        self.index = load_body(bullet, urdf, fixed=False)
        self.joints: dict[str, int] = {}
        self.max_efforts: dict[str, float] = {}
        self._bullet = bullet
        for link in range(-1, bullet.getNumJoints(self.index)):
            bullet.changeDynamics(self.index, link, lateralFriction=friction, restitution=0.0)
            if link < 0 or (info := bullet.getJointInfo(self.index, link))[2] == bullet.JOINT_FIXED:
                continue
            self.joints[info[1].decode()] = link
            self.max_efforts[info[1].decode()] = info[10]
            bullet.setJointMotorControl2(self.index, link, bullet.VELOCITY_CONTROL, force=0.0)
        self.indices = list(self.joints.values())
        dynamics = {
            link: bullet.getDynamicsInfo(self.index, link) for link in range(-1, bullet.getNumJoints(self.index))
        }
        self._nominal = {link: (found[0], found[2]) for link, found in dynamics.items()}
        self.mass_kg = sum(mass for mass, _ in self._nominal.values())
        self.was_moving: tuple[Vector, Vector] = ((0.0,) * 3, (0.0,) * 3)
        self._shapes = [shape for link in dynamics for shape in self._link_shapes(link)]

    def pose(self) -> tuple[Vector, Quaternion]:
        """Where the base's centre of mass is, and its orientation as x, y, z and w."""
        position, orientation = self._bullet.getBasePositionAndOrientation(self.index)
        return position, orientation

    def moving(self) -> tuple[Vector, Vector]:
        """The base's velocity (m/s) and angular velocity (rad/s) in the world's frame."""
        linear, angular = self._bullet.getBaseVelocity(self.index)
        return linear, angular

    def joint_states(self) -> tuple[list[float], list[float]]:
        """Positions and velocities of the joints."""
        states = self._bullet.getJointStates(self.index, self.indices)
        return [state[0] for state in states], [state[1] for state in states]

    def put(self, place: tuple[float, float], orientation: Quaternion, joints: Mapping[str, float]) -> None:
        """Lay the robot on flat ground, at rest.

        Args:
            place: where, x and y.
            orientation: of the base.
            joints: positions by name; joints that it leaves out are at zero.
        """
        bullet = self._bullet
        for name, index in self.joints.items():
            bullet.resetJointState(self.index, index, joints.get(name, 0.0), 0.0)
        bullet.resetBasePositionAndOrientation(self.index, (*place, 0.0), orientation)
        bullet.resetBaseVelocity(self.index, (0.0,) * 3, (0.0,) * 3)
        height_m = CLEARANCE_M - self.lowest_m()
        bullet.resetBasePositionAndOrientation(self.index, (*place, height_m), orientation)
        self.was_moving = ((0.0,) * 3, (0.0,) * 3)

    def weigh(self, share: float) -> None:
        """Give every link this share of its nominal mass and inertia."""
        for link, (mass, inertia) in self._nominal.items():
            self._bullet.changeDynamics(
                self.index, link, mass=share * mass, localInertiaDiagonal=[share * part for part in inertia]
            )
        self.mass_kg = share * sum(mass for mass, _ in self._nominal.values())

    def push(self, acceleration_m_s2: tuple[float, float]) -> None:
        """Push the base for one physics step, along x and y, with what would accelerate all of the robot so."""
        force = (self.mass_kg * acceleration_m_s2[0], self.mass_kg * acceleration_m_s2[1], 0.0)
        place, _ = self.pose()
        self._bullet.applyExternalForce(self.index, -1, force, place, self._bullet.WORLD_FRAME)

    def lowest_m(self) -> float:
        """Height of the lowest point of its collision shapes."""
        bullet = self._bullet
        links = range(bullet.getNumJoints(self.index))
        states = bullet.getLinkStates(self.index, links, computeForwardKinematics=1)
        frames = {link: (state[0], state[1]) for link, state in zip(links, states, strict=True)}
        frames[-1] = self.pose()
        lowest = math.inf
        for shape in self._shapes:
            position, orientation = frames[shape.link]
            upward = np.array(bullet.getMatrixFromQuaternion(orientation)[6:9])
            lowest = min(lowest, position[2] + float((shape.points @ upward).min()) - shape.radius)
        return lowest

    def _link_shapes(self, link: int) -> list[Shape]:
        bullet, shapes = self._bullet, []
        for _, _, kind, size, _, position, orientation in bullet.getCollisionShapeData(self.index, link):
            turn = np.array(bullet.getMatrixFromQuaternion(orientation)).reshape(3, 3)
            radius = 0.0
            if kind == bullet.GEOM_BOX:
                signs = np.array(np.meshgrid(*[(-0.5, 0.5)] * 3)).reshape(3, -1).T  # (8, 3)
                points = signs * size
            elif kind == bullet.GEOM_SPHERE:
                points, radius = np.zeros((1, 3)), size[0]
            else:
                # A cylinder: its rims, as circles of points about the axis z.
                turns = np.linspace(0.0, math.tau, 16, endpoint=False)
                rim = np.stack([np.cos(turns), np.sin(turns)], axis=1) * size[1]
                ends = (-size[0] / 2.0, size[0] / 2.0)
                points = np.concatenate([np.column_stack([rim, np.full(len(rim), end)]) for end in ends])
            shapes.append(Shape(link, points @ turn.T + position, radius))
        return shapes


def into_body(vector: Vector, orientation: Quaternion) -> Vector:
    """A vector of the world's frame as seen from a body of this orientation: v + 2w (u x v) + 2 u x (u x v), u = -q."""
    x, y, z, w = -orientation[0], -orientation[1], -orientation[2], orientation[3]
    a, b, c = vector
    # t = 2 u x v
    tx, ty, tz = 2.0 * (y * c - z * b), 2.0 * (z * a - x * c), 2.0 * (x * b - y * a)
    return a + w * tx + y * tz - z * ty, b + w * ty + z * tx - x * tz, c + w * tz + x * ty - y * tx
