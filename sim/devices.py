"""What a plant's other sensors say: odometry, inertia, forces, and for any other type an empty message."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from geometry_msgs.msg import WrenchStamped
from nav_msgs.msg import Odometry
from sensor_msgs.msg import Imu, LaserScan

from robot_mbrl.sensor_config import IMAGE_TYPES, SourceConfig
from robot_mbrl.topics import JOINT_STATE
from ros_nodes.message_types import message_type
from sim.plant import Plant

GRAVITY = 9.81
REACH, BEAMS = 10.0, 2000
"""A scanner's reach, m, in which nothing stands, and as many beams as any has."""
BATTERY = 0.8
"""Charge that a battery reports, a share."""


class Devices:
    """The sources of a robot that are neither JointStates nor pictures, and the base whose motion they tell of.

    A twist moves the base over flat ground; other robots stand still.
    """

    def __init__(self, sources: Mapping[str, SourceConfig], plant: Plant) -> None:
        """Put the base at its origin.

        Args:
            sources: all of the robot's.
            plant: whose joints named as axes of a twist move the base.

        Raises:
            ConfigError: if a type is not installed.
        """
        self._plant = plant
        self._x = self._y = self._yaw = 0.0
        self._kinds = {
            name: message_type(source.type)
            for name, source in sources.items()
            if source.type != JOINT_STATE and source.type not in IMAGE_TYPES
        }

    @property
    def sources(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(self._kinds)

    def advance(self, dt_s: float) -> None:
        """Let the base move on."""
        forward, left, turn = (self._speed(axis) for axis in ("linear.x", "linear.y", "angular.z"))
        yaw = self._yaw + turn * dt_s / 2.0
        self._x += (forward * math.cos(yaw) - left * math.sin(yaw)) * dt_s
        self._y += (forward * math.sin(yaw) + left * math.cos(yaw)) * dt_s
        self._yaw += turn * dt_s

    def read(self) -> Iterator[tuple[str, Any]]:
        """What each of them says now, by its source's name; not yet stamped."""
        for source, kind in self._kinds.items():
            message = kind()
            self._fill(message)
            yield source, message

    def _speed(self, axis: str) -> float:
        joint = self._plant.joints.get(axis)
        return joint.velocity if joint is not None else 0.0

    def _fill(self, message: Any) -> None:
        match message:
            case Odometry():
                message.pose.pose.position.x, message.pose.pose.position.y = self._x, self._y
                self._turn(message.pose.pose.orientation)
                message.twist.twist.linear.x = self._speed("linear.x")
                message.twist.twist.linear.y = self._speed("linear.y")
                message.twist.twist.angular.z = self._speed("angular.z")
            case Imu():
                self._turn(message.orientation)
                message.angular_velocity.z = self._speed("angular.z")
                message.linear_acceleration.z = GRAVITY
            case LaserScan():
                message.range_max = REACH
                message.ranges = [REACH] * BEAMS
            case WrenchStamped():
                pass  # Nothing pushes.
            case _:
                # What a robot in good order says: running, charged.
                if isinstance(getattr(message, "data", None), bool):
                    message.data = True
                if hasattr(message, "percentage"):
                    message.percentage = BATTERY

    def _turn(self, orientation: Any) -> None:
        orientation.z, orientation.w = math.sin(self._yaw / 2.0), math.cos(self._yaw / 2.0)
