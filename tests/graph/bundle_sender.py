"""A learner's hand: sends versions of a bundle, each as soon as the one before drives, from a process of its own."""

import contextlib
from pathlib import Path
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import MultiArrayDimension, UInt8MultiArray

from robot_mbrl import messages, topics
from robot_mbrl.control.bundle_file import read_bundle
from ros_nodes import qos


class BundleSender:
    """Parameters: `bundle`, the path of a bundle; `last`, the last version to send, of as many digits as its own."""

    def __init__(self) -> None:
        self.node = node = Node("bundle_sender")
        path = Path(node.declare_parameter("bundle", "").value)
        self._last = node.declare_parameter("last", 0).value
        self._data, self._own = path.read_bytes(), read_bundle(path).metadata.version
        self._sent = self._own
        self._publisher = node.create_publisher(UInt8MultiArray, topics.POLICY, qos.LATCHED)
        node.create_subscription(JointState, topics.ACTION, self._on_action, qos.EVENTS)
        self._send()

    def _on_action(self, message: Any) -> None:
        if messages.read_named(message)[topics.POLICY_VERSION] == self._sent < self._last:
            self._sent += 1
            self._send()

    def _send(self) -> None:
        # A change of equal length leaves the file's structure as it is.
        data = self._data.replace(f'"version":{self._own},'.encode(), f'"version":{self._sent},'.encode())
        message = UInt8MultiArray()
        messages.write_bundle(message, MultiArrayDimension(), data)
        self._publisher.publish(message)


def main() -> None:
    """Send until interrupted."""
    rclpy.init()
    with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(BundleSender().node)


if __name__ == "__main__":
    main()
