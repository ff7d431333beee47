"""Receives policy bundles, verifies and stores them, and announces the newest: a big message stalls who takes it.

At start it announces what it has on disk, so that a robot drives without a learner, or that it has nothing.
"""

import os
import sys
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from std_msgs.msg import String, UInt8MultiArray

from robot_mbrl import messages, topics
from robot_mbrl.bundles import Announcement, StoredBundle, write_announcement
from robot_mbrl.config import load_run
from robot_mbrl.control.bundle_store import BundleStore
from robot_mbrl.errors import ConfigError, RobotMbrlError
from ros_nodes import diagnostics, qos
from ros_nodes.parameters import declare
from ros_nodes.runtime import run

NICENESS = 5
"""Verifying a large bundle takes a processor for tens of milliseconds: control goes first."""


class BundleNode:
    """Shell around `BundleStore`."""

    margin_s = 0.0

    def __init__(self) -> None:
        """Open the store and announce what is in it."""
        self.node = node = Node("bundle")
        config = load_run(declare(node, "config", "", "task name, path of a task's YAML or of a run's config.yaml"))
        folder = declare(node, "store", "", "folder of the stored bundles, on a disk of the robot; made if missing")
        self._new_run = declare(
            node, "accept_new_run", False, "whether a bundle of another learning run replaces the stored ones"
        )
        keep = declare(node, "keep", 3, "how many bundles to keep", low=1, high=100)
        if not folder:
            raise ConfigError("parameter store: name the folder that keeps the bundles")
        self._refused, self._last_refusal = 0, ""
        self._announced_cached = False
        self._store = BundleStore(Path(folder), config, keep=keep, report=node.get_logger().warning)
        self._announce = node.create_publisher(String, topics.BUNDLE, qos.LATCHED)
        node.create_subscription(UInt8MultiArray, topics.POLICY, self._on_policy, qos.LATCHED)
        diagnostics.publish_regularly(node, self._health)
        if (current := self._store.current()) is not None:
            self._publish(current, cached=True)
        else:
            self._announce.publish(String(data=write_announcement(None)))

    def next_deadline_s(self) -> None:
        """Nothing here is due at a time."""

    def on_deadline(self, now_s: float) -> None:
        """Nothing here is due at a time."""

    def close(self) -> None:
        """What is stored is stored."""

    def _on_policy(self, message: Any) -> None:
        before = self._store.current()
        try:
            stored = self._store.accept(messages.read_bundle(message), new_run=self._new_run)
        except RobotMbrlError as error:
            self._refused += 1
            self._last_refusal = str(error)
            self.node.get_logger().error(f"refused: {error}", throttle_duration_sec=5.0)
            return
        self._last_refusal = ""
        # Also one that was on the disk already: a policy node that waits for a learner's did not take it from there.
        if stored != before or self._announced_cached:
            self._publish(stored, cached=False)

    def _publish(self, stored: StoredBundle, *, cached: bool) -> None:
        self._announced_cached = cached
        announcement = Announcement(**stored.model_dump(), cached=cached)
        self._announce.publish(String(data=write_announcement(announcement)))
        origin = "from disk" if cached else "received"
        self.node.get_logger().info(f"version {stored.version} of run {stored.run_id} ({origin}): {stored.path}")

    def _health(self) -> DiagnosticArray:
        current = self._store.current()
        level = diagnostics.WARN if self._last_refusal or current is None else diagnostics.OK
        state = "no bundle yet" if current is None else f"version {current.version} of run {current.run_id}"
        values = {"refused": self._refused, "last_refusal": self._last_refusal}
        if current is not None:
            values |= current.model_dump()
        return diagnostics.report(self.node, level, state, values)


def main() -> int:
    """Run the node."""
    os.nice(NICENESS)
    # Bundles are big.
    return run(BundleNode, shared_memory=True)


if __name__ == "__main__":
    sys.exit(main())
