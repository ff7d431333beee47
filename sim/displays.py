"""What a simulator tells people's displays: the robot's description, where its links are, and where it moves about."""

import importlib
import time
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pybullet
from geometry_msgs.msg import TransformStamped
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import Header, String
from visualization_msgs.msg import MarkerArray

from robot_mbrl import messages, topics
from robot_mbrl.views.kinematics import placed
from robot_mbrl.views.marks import Mark
from robot_mbrl.views.panels import WORLD_FRAME
from ros_nodes import qos
from ros_nodes.markers import marker_array
from sim.links import AT_HOME, Links
from sim.worlds.ground import Thing
from sim.worlds.world import BASE, JointReading, Reading, Stance

PARTS = ("x", "y", "z", "qx", "qy", "qz", "qw")
PERIOD_S = 1.0 / 30.0
"""How often a person sees something new, in real time however fast the simulated one passes."""
SCENE_PERIOD_S = 0.5
"""The same of what stands around, which only a reset puts elsewhere."""


class Displays:
    """Publishes the robot's URDF once, and where everything is as often as a person sees it."""

    def __init__(self, node: Node, urdfs: Sequence[Path], things: Mapping[str, Thing] | None) -> None:
        """Advertise.

        Args:
            node: the simulator's.
            urdfs: files of the bodies whose links are told of, the robot's first.
            things: what stands around a robot that moves about, by name; None of one that does not: it stands at the
                world's origin, as all its bodies do.
        """
        self._bodies = [Links(urdf) for urdf in urdfs]
        self._due_s = self._scene_due_s = 0.0
        # Goals are drawn by whoever knows what they are for.
        self._things = {name: thing for name, thing in (things or {}).items() if thing.solid}
        self._scene = node.create_publisher(MarkerArray, topics.SCENE, qos.EVENTS) if things is not None else None
        self._description = node.create_publisher(String, topics.ROBOT_DESCRIPTION, qos.LATCHED)
        self._description.publish(String(data=urdfs[0].read_text(encoding="utf-8")))
        self._poses = node.create_publisher(JointState, topics.POSES, qos.EVENTS) if things is not None else None
        self._tf_type = _installed_transforms()
        self._transforms = (
            node.create_publisher(self._tf_type, topics.TF, qos.TRANSFORMS)
            if self._tf_type is not None
            else node.create_publisher(TransformStamped, topics.TRANSFORMS, qos.TRANSFORMS)
        )

    def is_due(self) -> bool:
        """Whether it is time to show something new."""
        return time.monotonic() >= self._due_s

    def show(self, poses: Mapping[str, Stance], readings: Iterable[Reading], stamp_ns: int) -> None:
        """Publish where everything is.

        Args:
            poses: of what moves about, by name.
            readings: what the sensors measure now; joints of which they say nothing are drawn at 0.
            stamp_ns: of all of it.
        """
        self._due_s = time.monotonic() + PERIOD_S
        header = Header(frame_id=WORLD_FRAME)
        messages.write_stamp(header.stamp, stamp_ns)
        if self._poses is not None:
            message = JointState(header=header)
            message.name = [f"{name}.{part}" for name in poses for part in PARTS]
            message.position = array("d", [x for place, turn in poses.values() for x in (*place, *turn)])
            self._poses.publish(message)
        # Few robots are looked at all the time.
        if self._scene is not None and self._due_s >= self._scene_due_s and self._scene.get_subscription_count():
            self._scene_due_s = self._due_s + SCENE_PERIOD_S
            self._scene.publish(marker_array([*self._around(poses)], stamp_ns))
        if self._transforms.get_subscription_count():
            self._tell_links([*self._links(poses.get(BASE), _measured(readings))], header)

    def _around(self, poses: Mapping[str, Stance]) -> Iterator[Mark]:
        """What stands around, where it is above the ground."""
        for name, thing in self._things.items():
            (x, y, z), turn = poses[name]
            if z < 0.0:
                continue
            length, width, height = thing.size_m
            round_ = thing.shape == "cylinder"
            size_m = (2.0 * length, 2.0 * length, height) if round_ else (length, width, height)
            *_, yaw = pybullet.getEulerFromQuaternion(turn)
            yield Mark(
                "scene", thing.shape, WORLD_FRAME, placed((x, y, z), (0.0, 0.0, yaw)), size_m, (*thing.colour, 1.0)
            )

    def _links(self, base: Stance | None, positions: Mapping[str, float]) -> Iterator[tuple[str, str, Stance]]:
        """Parent, child and where the child is, of every link."""
        for index, links in enumerate(self._bodies):
            is_base = base is not None and index == 0
            yield WORLD_FRAME, links.root, links.root_at(base) if is_base else AT_HOME
            yield from links.hanging(positions)

    def _tell_links(self, links: Sequence[tuple[str, str, Stance]], header: Header) -> None:
        transforms = [_transform(parent, child, stance, header) for parent, child, stance in links]
        if self._tf_type is not None:
            self._transforms.publish(self._tf_type(transforms=transforms))
            return
        for transform in transforms:
            self._transforms.publish(transform)


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


def _measured(readings: Iterable[Reading]) -> dict[str, float]:
    """Positions of joints by name, rad or m."""
    joints = [reading for reading in readings if isinstance(reading, JointReading)]
    return {name: x for reading in joints for name, x in zip(reading.name, reading.position, strict=True)}


def _transform(parent: str, child: str, stance: Stance, header: Header) -> TransformStamped:
    (x, y, z), (qx, qy, qz, qw) = stance
    transform = TransformStamped(header=Header(stamp=header.stamp, frame_id=parent), child_frame_id=child)
    where, turn = transform.transform.translation, transform.transform.rotation
    where.x, where.y, where.z = x, y, z
    turn.x, turn.y, turn.z, turn.w = qx, qy, qz, qw
    return transform


def _installed_transforms() -> Any:
    """The type of `tf`, which the wheels of PyPI lack; None where it is not installed."""
    try:
        return importlib.import_module("tf2_msgs.msg").TFMessage
    except ImportError:
        return None
