"""What a simulated world offers, whatever engine is behind it, and the readings its sensors give."""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from sim.worlds.variation import Variation


@dataclass(slots=True)
class Stamp:
    """Fields of a `builtin_interfaces/Time`."""

    sec: int = 0
    nanosec: int = 0


@dataclass(slots=True)
class Header:
    """Fields of a `std_msgs/Header`."""

    stamp: Stamp = field(default_factory=Stamp)
    frame_id: str = ""


@dataclass(slots=True)
class JointReading:
    """What an encoder says, with the fields of a `sensor_msgs/JointState`: rad or m, rad/s or m/s, N m or N."""

    name: list[str]
    position: list[float]
    velocity: list[float]
    effort: list[float]
    header: Header = field(default_factory=Header)


@dataclass(slots=True)
class ImageReading:
    """What a camera sees, with the fields of a `sensor_msgs/Image`."""

    height: int
    width: int
    encoding: str
    step: int
    data: "array[int]"
    is_bigendian: int = 0
    header: Header = field(default_factory=Header)


@dataclass(slots=True)
class Triple:
    """Fields of a `geometry_msgs/Vector3` or `Point`."""

    x: float = 0.0
    y: float = 0.0
    z: float = 0.0


@dataclass(slots=True)
class Rotation:
    """Fields of a `geometry_msgs/Quaternion`."""

    x: float = 0.0
    y: float = 0.0
    z: float = 0.0
    w: float = 1.0


@dataclass(slots=True)
class InertialReading:
    """What an inertial unit measures, with the fields of a `sensor_msgs/Imu`: rad/s and m/s² in the body's frame."""

    orientation: Rotation
    angular_velocity: Triple
    linear_acceleration: Triple
    header: Header = field(default_factory=Header)


@dataclass(slots=True)
class Pose:
    """Fields of a `geometry_msgs/Pose`: m."""

    position: Triple
    orientation: Rotation


@dataclass(slots=True)
class PoseEstimate:
    """Fields of a `geometry_msgs/PoseWithCovariance`, whose covariance stays zero: unknown."""

    pose: Pose


@dataclass(slots=True)
class Twist:
    """Fields of a `geometry_msgs/Twist`: m/s and rad/s."""

    linear: Triple
    angular: Triple


@dataclass(slots=True)
class TwistEstimate:
    """Fields of a `geometry_msgs/TwistWithCovariance`."""

    twist: Twist


@dataclass(slots=True)
class OdometryReading:
    """Where a base is and how it moves, with the fields of a `nav_msgs/Odometry`: the twist in the body's frame."""

    pose: PoseEstimate
    twist: TwistEstimate
    child_frame_id: str = ""
    header: Header = field(default_factory=Header)


@dataclass(slots=True)
class PoseReading:
    """Where something is, with the fields of a `geometry_msgs/PoseStamped`."""

    pose: Pose
    header: Header = field(default_factory=Header)


@dataclass(slots=True)
class PointReading:
    """Where something is, with the fields of a `geometry_msgs/PointStamped`."""

    point: Triple
    header: Header = field(default_factory=Header)


@dataclass(slots=True)
class ScanReading:
    """What a laser scanner measures, with the fields of a `sensor_msgs/LaserScan`: rad and m; infinite for nothing."""

    angle_min: float
    angle_max: float
    angle_increment: float
    range_min: float
    range_max: float
    ranges: list[float]
    header: Header = field(default_factory=Header)


Stance = tuple[tuple[float, float, float], tuple[float, float, float, float]]
"""A place (m) and an orientation as a quaternion x, y, z and w, in the world's frame."""
BASE = "base"
"""The robot that moves about, among the poses of a world."""

Reading = JointReading | ImageReading | InertialReading | OdometryReading | PointReading | PoseReading | ScanReading


class World(Protocol):
    """A robot and its surroundings, advanced by whole physics steps; the same calls give the same bits.

    Sources and joints have the names that the robot's YAML gives them. Commands are in physical units.
    """

    def reset(self, rng: np.random.Generator) -> None:
        """Put everything at a start drawn from `rng`, at rest and with the drives idle."""

    def apply(self, commands: Mapping[str, float]) -> None:
        """Command joints by name, in the units of their drives, until the next command or `brake`.

        What else a drive is told, such as its gains, comes under `joint/interface`; a drive that has none ignores it.
        """

    def brake(self) -> None:
        """What the drives do by themselves when commands cease: come to rest and stay there."""

    def advance(self, duration_s: float) -> None:
        """Let time pass; durations that are no whole number of physics steps average out."""

    def kinds(self) -> Mapping[str, str]:
        """What each driven joint is commanded in, by its name: position, velocity, effort or twist."""

    def positions(self) -> Mapping[str, float]:
        """Where each driven joint is, by its name, rad or m."""

    def poses(self) -> Mapping[str, Stance]:
        """Where everything is that moves about or is put elsewhere by resets, by name; the robot's base as `base`."""

    def block(self, joints: frozenset[str]) -> None:
        """Hold these driven joints where they are, whatever they are commanded, and no others."""

    def vary(self, variation: Variation) -> None:
        """Differ from the nominal from the next reset on, as far as a world can: latency and noise are added to it."""

    def push(self, acceleration_m_s2: tuple[float, float]) -> None:
        """Push the robot with what would accelerate it so along x and y if nothing held it, until told otherwise.

        Raises:
            WorldError: if it is fixed to the world.
        """

    def read(self, source: str, height: int = 64, width: int = 64) -> Reading:
        """The present reading of one source, not stamped; a camera's picture is of the size asked for."""

    def render(self, camera: str, height: int = 64, width: int = 64) -> np.ndarray:
        """A camera's picture, uint8, shape (height, width, 3)."""

    def photograph(self, height: int = 240) -> np.ndarray:
        """A picture for people, in true proportions; uint8, shape (height, width, 3), both even."""

    def snapshot(self) -> Any:
        """The state of everything, commands included."""

    def restore(self, snapshot: Any) -> None:
        """Go back to a snapshot of this world; what follows repeats bit for bit."""

    def close(self) -> None:
        """Release the engine; the world cannot be used afterwards."""
