"""What a simulator tells people's displays of a robot that moves about: its description, and where it is."""

import importlib
from array import array
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from geometry_msgs.msg import TransformStamped
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import String

from robot_mbrl import messages, topics
from ros_nodes import qos
from sim.worlds.world import BASE, Stance

PARTS = ("x", "y", "z", "qx", "qy", "qz", "qw")
WORLD_FRAME = "world"


class Displays:
    """Publishes the robot's URDF once, and poses as often as it is told to."""

    def __init__(self, node: Node, urdf: Path, base_frame: str) -> None:
        """Advertise.

        Args:
            node: the simulator's.
            urdf: the robot's file.
            base_frame: name of its base link.
        """
        self._base_frame = base_frame
        self._description = node.create_publisher(String, topics.ROBOT_DESCRIPTION, qos.LATCHED)
        self._description.publish(String(data=urdf.read_text(encoding="utf-8")))
        self._poses = node.create_publisher(JointState, topics.POSES, qos.EVENTS)
        self._transform_type = _installed_transforms()
        if self._transform_type is not None:
            self._transforms = node.create_publisher(self._transform_type, topics.TRANSFORMS, qos.EVENTS)

    def show(self, poses: Mapping[str, Stance], stamp_ns: int) -> None:
        """Publish where everything is."""
        if not poses:
            return
        message = JointState()
        messages.write_stamp(message.header.stamp, stamp_ns)
        message.header.frame_id = WORLD_FRAME
        message.name = [f"{name}.{part}" for name in poses for part in PARTS]
        message.position = array("d", [x for place, turn in poses.values() for x in (*place, *turn)])
        self._poses.publish(message)
        if self._transform_type is not None and BASE in poses:
            self._transforms.publish(self._transform_type(transforms=[self._base(poses[BASE], message.header)]))

    def _base(self, stance: Stance, header: Any) -> TransformStamped:
        (x, y, z), (qx, qy, qz, qw) = stance
        transform = TransformStamped(header=header, child_frame_id=self._base_frame)
        where, turn = transform.transform.translation, transform.transform.rotation
        where.x, where.y, where.z = x, y, z
        turn.x, turn.y, turn.z, turn.w = qx, qy, qz, qw
        return transform


def read_poses(names: Iterable[str], values: Iterable[float]) -> dict[str, Stance]:
    """The poses that a message on `topics.POSES` tells of, by name."""
    parts = dict(zip(names, values, strict=False))
    bodies = dict.fromkeys(name.rpartition(".")[0] for name in parts)
    found = {}
    for body in bodies:
        numbers = [parts.get(f"{body}.{part}") for part in PARTS]
        if None not in numbers:
            x, y, z, qx, qy, qz, qw = (float(number or 0.0) for number in numbers)
            found[body] = ((x, y, z), (qx, qy, qz, qw))
    return found


def _installed_transforms() -> Any:
    """The type of `tf`, which the wheels of PyPI lack; None where it is not installed."""
    try:
        return importlib.import_module("tf2_msgs.msg").TFMessage
    except ImportError:
        return None
