"""Tells a robot its goals, one after the other, until each is heard, or reached; then it ends."""

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import rclpy
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import remove_ros_args
from sensor_msgs.msg import JointState

from robot_mbrl import messages, topics
from robot_mbrl.control.waypoints import Waypoints
from robot_mbrl.errors import MessageError
from robot_mbrl.terminal import with_output
from ros_nodes import qos
from ros_nodes.runtime import make_executor

REPEAT_S = 0.2
"""How often a goal is told until an observation carries it: what is sent before both sides have met is lost."""
PATIENCE_S = 10.0
"""How long an observation may take to carry it."""
INTERRUPTED = 130


class GoalNode:
    """Shell around `Waypoints`."""

    def __init__(self, goals: Sequence[Mapping[str, float]], *, await_last: bool) -> None:
        """Join the graph; see `Waypoints`."""
        self.node = Node("goal", start_parameter_services=False, enable_rosout=False)
        self.waypoints = Waypoints(goals, await_last=await_last)
        self._heard = False
        self._told_s = self._since_s = time.monotonic()
        self._goals = self.node.create_publisher(JointState, topics.GOAL, qos.EVENTS)
        self.node.create_subscription(JointState, topics.OBSERVATION, self._on_observation, qos.LIVE)
        self._executor = make_executor()
        self._executor.add_node(self.node)

    def run(self) -> str:
        """Tell every goal; returns what has come of it, empty if all went well."""
        while self.waypoints.goal is not None:
            now_s = time.monotonic()
            if not self._heard and now_s > self._since_s + PATIENCE_S:
                where = f"{self.node.resolve_topic_name(topics.GOAL)} in domain {self.node.context.get_domain_id()}"
                return f"no observation carries the goal told on {where}: is the robot running, and observed?"
            if not self._heard and now_s >= self._told_s:
                self._told_s = now_s + REPEAT_S
                self._tell(self.waypoints.goal)
            self._executor.spin_once(REPEAT_S)
        return ""

    def _tell(self, goal: Mapping[str, float]) -> None:
        message = JointState()
        messages.write_stamp(message.header.stamp, time.time_ns())
        messages.write_named(message, goal)
        self._goals.publish(message)

    def _on_observation(self, message: Any) -> None:
        goal, index = self.waypoints.goal, self.waypoints.index
        if goal is None:
            return
        try:
            heard = self.waypoints.observed(messages.read_observation(message))
        except MessageError:
            return  # Not of a robot of ours; nothing is told by it.
        if heard and not self._heard:
            told = ", ".join(f"{name}={value:g}" for name, value in goal.items())
            print(f"{told}: the robot knows", flush=True)
        self._heard = heard
        if self.waypoints.index > index:
            self._heard, self._since_s = False, time.monotonic()
            if self.waypoints.goal is not None:
                print("reached", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Tell a robot its goals; returns 1 if it does not hear them."""
    words = sys.argv if arguments is None else ["goal_node", *arguments]
    return with_output(lambda: _run(words))


def _run(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="robot-mbrl goal", description=__doc__)
    parser.add_argument("--goals", type=json.loads, required=True, help="a list of goals as JSON")
    parser.add_argument("--await-last", action="store_true", help="wait until the last one, too, is reached")
    args = parser.parse_args(remove_ros_args(words)[1:])
    rclpy.init(args=list(words), signal_handler_options=SignalHandlerOptions.NO)
    try:
        failure = GoalNode(args.goals, await_last=args.await_last).run()
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        rclpy.try_shutdown()
    if failure:
        print(f"robot-mbrl: {failure}", file=sys.stderr)
    return 1 if failure else 0


if __name__ == "__main__":
    sys.exit(main())
