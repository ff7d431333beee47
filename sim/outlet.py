"""What a simulated driver publishes: readings as the messages that the robot's YAML names, through a faulty wire."""

from array import array
from collections.abc import Collection, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import cv2
import numpy as np
from rclpy.node import Node
from rclpy.publisher import Publisher
from sensor_msgs.msg import CompressedImage, Image, JointState

from robot_mbrl import messages
from robot_mbrl.config import RobotConfig
from robot_mbrl.sensor_config import SourceConfig
from robot_mbrl.specs import ImageSpec
from robot_mbrl.topics import IMAGE, JOINT_STATE
from ros_nodes import qos
from ros_nodes.message_types import message_type
from sim.faults import Faults, Wire
from sim.faults.description import BestEffort, Contradiction, LargePictures, Split
from sim.faults.occurrences import Occurrences, stream
from sim.worlds.world import ImageReading, JointReading

STRANGER = "second_publisher"
"""Name of the node whose publishers share the driver's topics, where the faults want it."""
JPEG = ".jpg"
INSTANT_S = 1e-6
"""Times nearer than this are the same."""


class Outlet:
    """A driver's sensor topics; times are seconds since the driver's start.

    Attributes:
        wire: what messages and commands pass through.
    """

    def __init__(
        self,
        node: Node,
        robot: RobotConfig,
        cameras: Mapping[str, ImageSpec],
        faults: Faults,
        devices: Collection[str] = (),
    ) -> None:
        """Advertise every JointState of the robot, the pictures of some cameras, and what some devices say.

        Args:
            node: the driver's.
            robot: its sources.
            cameras: size of the pictures that are wanted, by source.
            faults: what goes wrong.
            devices: further sources; what is given to `send` of them has the fields of their messages, or is one.
        """
        self.wire = Wire(faults)
        self.cameras = dict(cameras)
        self._sources = {name: _offered(name, source, faults) for name, source in robot.sources.items()}
        self._large = [(fault, Occurrences(fault, stream(faults.seed, i))) for i, fault in faults.of(LargePictures)]
        joints = [name for name, source in self._sources.items() if source.type == JOINT_STATE]
        self._publishers = {name: [self._publisher(node, name)] for name in (*joints, *cameras, *devices)}
        others = max((f.parts - 1 for _, f in faults.of(Split) if f.publishers == "several"), default=0)
        others = max(others, int(bool(faults.of(Contradiction))))
        self._stranger = Node(STRANGER, context=node.context, namespace=node.get_namespace()) if others else None
        for name in joints if self._stranger is not None else ():
            self._publishers[name] += [self._publisher(self._stranger, name) for _ in range(others)]
        self.joint_sources = tuple(joints)
        self._picture_due_s = 0.0

    def misbehave(self, faults: Faults) -> None:
        """Let other faults happen, instead of those before, with seconds counted from now; publishers stay."""
        self.wire = Wire(faults)
        self._large = [(fault, Occurrences(fault, stream(faults.seed, i))) for i, fault in faults.of(LargePictures)]
        self._picture_due_s = 0.0

    def send(self, source: str, reading: Any, stamp_ns: int, now_s: float) -> None:
        """Let a reading go, whether it arrives or not."""
        if hasattr(reading, "header"):
            messages.write_stamp(reading.header.stamp, stamp_ns)
        self.wire.send(source, reading, now_s)

    def flush(self, now_s: float) -> None:
        """Publish what arrives by now."""
        for delivery in self.wire.deliveries(now_s):
            publishers = self._publishers[delivery.source]
            publisher = publishers[min(delivery.publisher, len(publishers) - 1)]
            publisher.publish(self._message(delivery.source, delivery.reading))

    def pictures_due(self, now_s: float, period_s: float) -> bool:
        """Whether cameras take their next pictures now.

        Args:
            now_s: the present.
            period_s: of cameras in good order.
        """
        if now_s + INSTANT_S < self._picture_due_s:
            return False
        large = self._large_pictures(now_s)
        step_s = 1.0 / large.rate_hz if large is not None else period_s
        # Where readings come on a coarser grid, pictures keep their mean rate.
        begin_s = self._picture_due_s if now_s - self._picture_due_s < step_s else now_s
        self._picture_due_s = begin_s + step_s
        return True

    def postpone_pictures(self) -> None:
        """Let the next pictures come with the next readings: a new rhythm begins."""
        self._picture_due_s = 0.0

    def enlarge(self, picture: np.ndarray, now_s: float) -> np.ndarray:
        """A camera's picture, uint8, shape (height, width, 3), as large as it sends it now."""
        large = self._large_pictures(now_s)
        if large is None:
            return picture
        return np.asarray(cv2.resize(picture, (large.width, large.height), interpolation=cv2.INTER_NEAREST))

    def close(self) -> None:
        """Leave the graph."""
        if self._stranger is not None:
            self._stranger.destroy_node()

    def _large_pictures(self, now_s: float) -> LargePictures | None:
        return next((fault for fault, at in self._large if at.active(now_s)), None)

    def _publisher(self, node: Node, source: str) -> Publisher:
        config = self._sources[source]
        return node.create_publisher(message_type(config.type), config.topic, qos.sensor(config))

    def _message(self, source: str, reading: Any) -> Any:
        match reading:
            case JointReading():
                message = JointState(name=reading.name)
                message.position = array("d", reading.position)
                message.velocity = array("d", reading.velocity)
                message.effort = array("d", reading.effort)
            case ImageReading():
                message = _picture_message(self._sources[source].type, reading)
            case _ if is_dataclass(reading):
                message = message_type(self._sources[source].type)()
                fill(message, reading)
                return message
            case _:
                return reading
        message.header.stamp.sec, message.header.stamp.nanosec = reading.header.stamp.sec, reading.header.stamp.nanosec
        return message


def fill(message: Any, reading: Any) -> None:
    """Write a reading's fields, and those within them, into a message that has fields of the same names."""
    for field in fields(reading):
        value = getattr(reading, field.name)
        if is_dataclass(value):
            fill(getattr(message, field.name), value)
        else:
            setattr(message, field.name, value)


def picture_reading(picture: np.ndarray) -> ImageReading:
    """The reading of a camera: uint8, shape (height, width, 3)."""
    height, width, _ = picture.shape
    data = array("B")
    data.frombytes(np.ascontiguousarray(picture).tobytes())
    return ImageReading(int(height), int(width), "rgb8", step=int(width) * 3, data=data)


def _picture_message(kind: str, reading: ImageReading) -> Any:
    if kind == IMAGE:
        message = Image(height=reading.height, width=reading.width, encoding=reading.encoding, step=reading.step)
        message.data = reading.data
        return message
    whole = np.zeros(reading.height * reading.step, np.uint8)
    whole[: len(reading.data)] = reading.data
    picture = whole.reshape(reading.height, reading.width, 3)
    jpeg = cv2.imencode(JPEG, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()
    if len(reading.data) < len(whole):
        jpeg = jpeg[: len(jpeg) * len(reading.data) // len(whole)]
    return CompressedImage(format="jpeg" if reading.encoding == "rgb8" else reading.encoding, data=array("B", jpeg))


def _offered(name: str, source: SourceConfig, faults: Faults) -> SourceConfig:
    """The source as the driver offers it."""
    unreliable = any(not fault.sources or name in fault.sources for _, fault in faults.of(BestEffort))
    return source.model_copy(update={"reliable": False}) if unreliable else source
