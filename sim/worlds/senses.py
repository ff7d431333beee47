"""What a robot that moves about can sense, each as the message that its driver sends."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from sim.worlds.body import Body, into_body
from sim.worlds.drivetrains import Drivetrain
from sim.worlds.engine import GRAVITY_M_S2
from sim.worlds.world import (
    InertialReading,
    JointReading,
    OdometryReading,
    Pose,
    PoseEstimate,
    PoseReading,
    Reading,
    Rotation,
    ScanReading,
    Triple,
    Twist,
    TwistEstimate,
)


@dataclass(frozen=True)
class Stage:
    """What there is to be sensed.

    Attributes:
        bullet: the engine.
        body: the robot's.
        drivetrain: what moves it.
        things: the engine's number of everything else that has a name.
        time_step_s: of the physics.
    """

    bullet: Any
    body: Body
    drivetrain: Drivetrain
    things: Mapping[str, int]
    time_step_s: float


class Sense(Protocol):
    """One sensor; it remembers nothing."""

    def read(self, stage: Stage) -> Reading:
        """Its present reading, not stamped."""


@dataclass(frozen=True)
class Encoders:
    """Positions, velocities and efforts of all joints."""

    def read(self, stage: Stage) -> JointReading:
        """A `sensor_msgs/JointState`."""
        positions, velocities = stage.body.joint_states()
        efforts = stage.drivetrain.efforts()
        names = list(stage.body.joints)
        return JointReading(names, positions, velocities, [efforts.get(name, 0.0) for name in names])


@dataclass(frozen=True)
class InertialUnit:
    """Orientation, and angular velocity and acceleration in the body's frame; at rest it is accelerated by gravity."""

    def read(self, stage: Stage) -> InertialReading:
        """A `sensor_msgs/Imu`."""
        body = stage.body
        _, orientation = body.pose()
        linear, angular = body.moving()
        before, _ = body.was_moving
        gained = [(now - was) / stage.time_step_s for now, was in zip(linear, before, strict=True)]
        felt = (gained[0], gained[1], gained[2] + GRAVITY_M_S2)
        return InertialReading(
            Rotation(*orientation), Triple(*into_body(angular, orientation)), Triple(*into_body(felt, orientation))
        )


@dataclass(frozen=True)
class Tracker:
    """Where the base is and how it moves, in the world's frame: by cameras around it, or a filter of its odometry."""

    def read(self, stage: Stage) -> OdometryReading:
        """A `nav_msgs/Odometry`."""
        position, orientation = stage.body.pose()
        linear, angular = stage.body.moving()
        return OdometryReading(
            PoseEstimate(Pose(Triple(*position), Rotation(*orientation))),
            TwistEstimate(Twist(Triple(*into_body(linear, orientation)), Triple(*into_body(angular, orientation)))),
        )


@dataclass(frozen=True)
class Whereabouts:
    """Where a thing is."""

    thing: str

    def read(self, stage: Stage) -> PoseReading:
        """A `geometry_msgs/PoseStamped`."""
        position, orientation = stage.bullet.getBasePositionAndOrientation(stage.things[self.thing])
        return PoseReading(Pose(Triple(*position), Rotation(*orientation)))


@dataclass(frozen=True)
class Scanner:
    """A laser scanner: the distance to whatever is nearest, in each of its directions; infinite where nothing is."""

    beams: int
    field_rad: float
    """From its first beam, at the right, to its last."""
    reach_m: float
    mount_m: tuple[float, float]
    """Where it is on the robot: ahead of the base's centre, and above the ground."""
    blind_m: float = 0.05
    directions: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Compute where the beams go."""
        half = self.field_rad / 2.0
        object.__setattr__(self, "directions", np.linspace(-half, half, self.beams))

    def read(self, stage: Stage) -> ScanReading:
        """A `sensor_msgs/LaserScan`."""
        (x, y, _), orientation = stage.body.pose()
        yaw = stage.bullet.getEulerFromQuaternion(orientation)[2]
        ahead, height = self.mount_m
        eye = (x + ahead * math.cos(yaw), y + ahead * math.sin(yaw), height)
        turns = self.directions + yaw
        ways = np.column_stack([np.cos(turns), np.sin(turns), np.zeros(self.beams)]) * self.reach_m
        hits = stage.bullet.rayTestBatch([eye] * self.beams, (ways + eye).tolist())
        # The robot itself is transparent: its own laser looks past it.
        ranges = [self.reach_m * hit[2] if hit[0] >= 0 and hit[0] != stage.body.index else math.inf for hit in hits]
        step = self.field_rad / (self.beams - 1)
        half = self.field_rad / 2.0
        return ScanReading(-half, half, step, self.blind_m, self.reach_m, ranges)
