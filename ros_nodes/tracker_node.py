"""Finds things in camera pictures by their colour and publishes where they are: the trackers of the robot's YAML."""

import math
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PointStamped
from rclpy.node import Node

from robot_mbrl.config import load_run
from robot_mbrl.control.colour_tracker import ColourTracker
from robot_mbrl.errors import MessageError
from robot_mbrl.messages import read_image
from ros_nodes import diagnostics, qos
from ros_nodes.message_types import message_type
from ros_nodes.parameters import declare
from ros_nodes.runtime import run

WARN_EVERY_S = 5.0
SILENT_S = 2.0
"""Not seen for longer than this, a thing is lost."""
FRAME = "area"
"""Frame of the points: shares of the tracker's area, x to the right and y down in the picture."""


class TrackerNode:
    """Shell around a `ColourTracker` for each thing.

    What is not seen is not published: whoever needs it finds it stale.
    """

    margin_s = 0.0

    def __init__(self) -> None:
        """Look at the cameras."""
        self.node = node = Node("tracker")
        robot = load_run(
            declare(node, "config", "", "task name, path of a task's YAML or of a run's config.yaml")
        ).robot
        self._seen_s = dict.fromkeys(robot.trackers, -math.inf)
        for name, config in robot.trackers.items():
            source, camera = robot.sources[name], robot.sources[config.camera]
            publisher = node.create_publisher(PointStamped, source.topic, qos.sensor(source))
            look = partial(self._look, name, ColourTracker(config), publisher.publish)
            node.create_subscription(message_type(camera.type), camera.topic, look, qos.sensor(camera))
        diagnostics.publish_regularly(node, self._health)

    def next_deadline_s(self) -> None:
        """Nothing here is due at a time."""

    def on_deadline(self, now_s: float) -> None:
        """Nothing here is due at a time."""

    def close(self) -> None:
        """Nothing is kept."""

    def _look(self, name: str, tracker: ColourTracker, publish: Callable[[Any], None], message: Any) -> None:
        try:
            place = tracker.find(read_image(message))
        except MessageError as error:
            self._warn(f"{name}: {error}")
            return
        if place is None:
            self._warn(f"{name}: nothing of its colour is in the picture")
            return
        self._seen_s[name] = time.monotonic()
        point = PointStamped()
        point.header.stamp, point.header.frame_id = message.header.stamp, FRAME
        point.point.x, point.point.y = place
        publish(point)

    def _warn(self, text: str) -> None:
        self.node.get_logger().warning(text, throttle_duration_sec=WARN_EVERY_S)

    def _health(self) -> DiagnosticArray:
        lost = [name for name, seen_s in self._seen_s.items() if time.monotonic() - seen_s > SILENT_S]
        level = diagnostics.WARN if lost else diagnostics.OK
        state = f"not seen: {', '.join(lost)}" if lost else "sees all it looks for"
        return diagnostics.report(self.node, level, state, {})


def main() -> int:
    """Run the node."""
    return run(TrackerNode)


if __name__ == "__main__":
    sys.exit(main())
