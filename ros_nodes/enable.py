"""Enables the guard of a robot, or disables it, and waits until the guard says so."""

import argparse
import sys
import time
from collections.abc import Sequence
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.utilities import remove_ros_args
from std_msgs.msg import Bool

from robot_mbrl import topics
from robot_mbrl.control.interlock import Reason
from ros_nodes import qos
from ros_nodes.runtime import make_executor

PATIENCE_S = 10.0
REPEAT_S = 0.2


class Switch:
    """Says again and again whether the robot may move, since what is sent before the guard has met it is lost."""

    def __init__(self) -> None:
        """Join the graph."""
        self.node = node = Node("enable")
        self._enables = node.create_publisher(Bool, topics.ENABLE, qos.EVENTS)
        node.create_subscription(DiagnosticArray, topics.GUARD, self._on_guard, qos.EVENTS)
        self._executor = make_executor()
        self._executor.add_node(node)
        self._report: dict[str, str] = {}

    def turn(self, *, on: bool) -> dict[str, str] | None:
        """Enable or disable; returns the guard's report from afterwards, None if no guard answers."""
        end_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < end_s:
            self._enables.publish(Bool(data=on))
            self._executor.spin_once(REPEAT_S)
            if self._report.get("enabled") == str(on):
                return self._report
        return None

    def _on_guard(self, message: Any) -> None:
        self._report = {pair.key: pair.value for pair in message.status[0].values}


def main(arguments: Sequence[str] | None = None) -> int:
    """Tell what has become of it; returns 1 if no guard answers."""
    words = sys.argv if arguments is None else ["enable", *arguments]
    parser = argparse.ArgumentParser(prog="robot-mbrl enable", description="Lets a robot move, or stops it.")
    parser.add_argument("--off", action="store_true", help="stop it")
    on = not parser.parse_args(remove_ros_args(words)[1:]).off
    rclpy.init(args=list(words))
    try:
        switch = Switch()
        report = switch.turn(on=on)
        topic = switch.node.resolve_topic_name(topics.ENABLE)
    finally:
        rclpy.try_shutdown()
    if report is None:
        print(f"robot-mbrl enable: no guard answers on {topic}: is robot-mbrl robot running?", file=sys.stderr)
        return 1
    print(_sentence(report) if on else "stopped")
    return 0


def _sentence(report: dict[str, str]) -> str:
    """What holds now: these two reasons end by themselves, as soon as a policy has acted in time."""
    if report["stopped"] in ("", Reason.STARTING, Reason.DISABLED):
        return "enabled: the robot moves as its policy wishes"
    return f"enabled, but the guard still stops the robot: {report['stopped']}"


if __name__ == "__main__":
    sys.exit(main())
