"""Shows a robot in a window, as its joints are measured: `--view` of the demo. It takes part in nothing."""

import sys
import time
from typing import Any

from rclpy.node import Node
from sensor_msgs.msg import JointState

from robot_mbrl import topics
from robot_mbrl.config import load_run
from ros_nodes import qos
from ros_nodes.parameters import declare
from ros_nodes.runtime import run
from sim.displays import read_poses
from sim.viewer import PERIOD_S, Viewer
from sim.worlds.world import Stance


class ViewNode:
    """Shell around `Viewer`."""

    margin_s = 0.0

    def __init__(self) -> None:
        """Open the window and listen to the driver."""
        self.node = node = Node("viewer")
        config = load_run(declare(node, "config", "", "task name, path of a task's YAML or of a run's config.yaml"))
        self._viewer = Viewer(config.task.world)
        self._positions: dict[str, float] = {}
        self._poses: dict[str, Stance] = {}
        node.create_subscription(JointState, topics.POSES, self._on_poses, qos.EVENTS)
        self._due_s = time.monotonic()
        for source in config.robot.sources.values():
            if source.type == topics.JOINT_STATE:
                node.create_subscription(JointState, source.topic, self._on_joints, qos.sensor(source))

    def next_deadline_s(self) -> float | None:
        """When the next pose is shown; never again once the window was closed."""
        return self._due_s if self._viewer.is_open else None

    def on_deadline(self, now_s: float) -> None:
        """Show the newest pose."""
        self._viewer.show(self._positions, self._poses)
        # From when it was drawn: drawing may take longer than a period.
        self._due_s = time.monotonic() + PERIOD_S

    def close(self) -> None:
        """Close the window."""
        self._viewer.close()

    def _on_poses(self, message: Any) -> None:
        self._poses |= read_poses(message.name, message.position)

    def _on_joints(self, message: Any) -> None:
        self._positions |= zip(message.name, message.position, strict=False)


def main() -> int:
    """Run the node."""
    return run(ViewNode)


if __name__ == "__main__":
    sys.exit(main())
