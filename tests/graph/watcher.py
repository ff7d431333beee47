"""A guard's part in the graph in a process of its own: prints again and again how many publish actions, and conflicts.

Fast DDS looks for networks once in a process: one that has met others before does not see a new cable.
"""

import json
import sys
import time

from rclpy.node import Node
from sensor_msgs.msg import JointState

from robot_mbrl import topics
from ros_nodes import qos
from ros_nodes.parameters import declare
from ros_nodes.publishers import PublisherWatch
from ros_nodes.runtime import run

PERIOD_S = 0.05


class Watcher:
    """Says what a `PublisherWatch` finds."""

    margin_s = 0.0

    def __init__(self) -> None:
        self.node = node = Node("actuator")
        commands = node.create_publisher(JointState, declare(node, "commands", "", "its command topic"), qos.COMMANDS)
        node.create_subscription(JointState, topics.ACTION, lambda _: None, qos.ACTION)
        self._watch = PublisherWatch(node, exclusive=(topics.ACTION,), commands=[commands])
        self._due_s = time.monotonic()

    def next_deadline_s(self) -> float:
        return self._due_s

    def on_deadline(self, now_s: float) -> None:
        """Say it."""
        self._due_s = now_s + PERIOD_S
        conflicts = [str(conflict) for conflict in self._watch.update(now_s)]
        print(json.dumps([self.node.count_publishers(topics.ACTION), conflicts]), flush=True)

    def close(self) -> None:
        """Nothing to do."""


if __name__ == "__main__":
    sys.exit(run(Watcher))
