"""Lets a person take over by a joystick: maps its Joy or Twist to `takeover` and `teleop` as the robot's YAML says.

What it hears it says at once, and nothing between: a joystick that falls silent is a person who is lost, and the guard
stops the robot.
"""

import math
import sys
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool

from robot_mbrl import messages, topics
from robot_mbrl.config import load_run
from robot_mbrl.control.choice_buttons import ChoiceButtons
from robot_mbrl.control.joystick import Joystick, Stick
from robot_mbrl.control.takeover import SILENT_S
from robot_mbrl.errors import ConfigError, MessageError
from ros_nodes import diagnostics, qos
from ros_nodes.message_types import message_type
from ros_nodes.parameters import declare
from ros_nodes.publishers import PublisherWatch
from ros_nodes.runtime import run

PRIORITY = 10
"""Real-time priority below the control loop's: a person who is held up is stopped by the guard."""
WARN_EVERY_S = 5.0
NOT_COMMANDED = "the robot is not commanded yet, so nobody knows where its positions are to go on: let go"
WARNING_SHARE = 0.5
"""Of the time that a stick may repeat itself, after which it is warned."""
GONE_S = 1.0
"""A joystick that was not heard for longer than this is not there."""


class TeleopNode:
    """Shell around `Joystick`, or `ChoiceButtons` where actions are choices."""

    margin_s = 0.0

    def __init__(self) -> None:
        """Listen to the joystick."""
        self.node = node = Node("teleop")
        config = load_run(declare(node, "config", "", "task name, path of a task's YAML or of a run's config.yaml"))
        robot = config.robot
        if robot.teleop is None or not robot.teleop.is_heard:
            raise ConfigError(f"robot {robot.name!r} has no joystick: add teleop with axes or buttons to its YAML")
        self._config, self._spec = robot.teleop, config.action_spec()
        kind = ChoiceButtons if self._spec.discrete else Joystick
        self._joystick: Stick = kind(robot, self._config)
        self._topic = node.resolve_topic_name(self._config.topic)
        self._heard_s, self._trouble = -math.inf, ""
        self._was_held = False
        self._is_lost = True
        """Whether the button must be seen let go before it counts: who held it before this node was there, too."""
        self._takeovers = None
        if self._config.dead_man is not None:
            self._takeovers = node.create_publisher(Bool, topics.TAKEOVER, qos.EVENTS)
        self._teleops = node.create_publisher(JointState, topics.TELEOP, qos.EVENTS)
        heard = (self._config.topic, *((topics.SENT_COMMAND,) if self._joystick.needs_commands else ()))
        self._watch = PublisherWatch(node, exclusive=(), commands=(), people=heard)
        node.create_subscription(JointState, topics.APPLIED_ACTION, self._on_applied, qos.LIVE)
        node.create_subscription(message_type(self._config.type), self._config.topic, self._on_stick, qos.SEEN)
        if self._joystick.needs_commands:
            node.create_subscription(JointState, topics.SENT_COMMAND, self._on_command, qos.SEEN)
        diagnostics.publish_regularly(node, self._health)

    def next_deadline_s(self) -> None:
        """Nothing here is due at a time."""

    def on_deadline(self, now_s: float) -> None:
        """Nothing here is due at a time."""

    def close(self) -> None:
        """Nothing is kept; the guard takes silence for a person who is lost."""

    def _on_applied(self, message: Any) -> None:
        try:
            self._joystick.follow(messages.read_action(message, self._spec))
        except MessageError as error:
            self._warn(f"{topics.APPLIED_ACTION}: {error}")

    def _on_command(self, message: Any) -> None:
        try:
            self._joystick.command(messages.read_named(message), time.monotonic())
        except MessageError as error:
            self._warn(f"{topics.SENT_COMMAND}: {error}")

    def _on_stick(self, message: Any) -> None:
        now_s = time.monotonic()
        # The guard takes long silence for a switch that was let go; a button that comes back pressed was not.
        self._is_lost |= self._was_held and now_s - self._heard_s > SILENT_S
        self._heard_s = now_s
        try:
            asked = self._joystick.hear(message, now_s)
        except MessageError as error:
            self._trouble = str(error)
        else:
            unknown = NOT_COMMANDED if asked.held and asked.action is None else ""
            self._trouble = "; ".join(map(str, self._watch.update(now_s))) or self._sameness(1.0) or unknown
            self._was_held = bool(asked.held)
            self._is_lost &= self._was_held
        if self._trouble:
            self._is_lost = True
            self._warn(f"{self._topic}: {self._trouble}")
            return
        if self._is_lost:
            return
        if warning := self._sameness(WARNING_SHARE):
            self._warn(f"{self._topic}: {warning}")
        if asked.action is not None and asked.held is not False:
            steered = JointState()
            messages.write_named(steered, asked.action)
            self._teleops.publish(steered)
        if self._takeovers is not None:
            self._takeovers.publish(Bool(data=bool(asked.held)))

    def _sameness(self, share: float) -> str:
        """What is wrong with a stick that repeats itself, after a share of the time that it may."""
        same_s, limit_s = self._joystick.same_s, self._config.frozen_s
        if limit_s is None or same_s <= share * limit_s:
            return ""
        return f"it has said exactly the same for {same_s:.0f} s, of {limit_s:g} s at most: move it, or let go"

    def _warn(self, text: str) -> None:
        self.node.get_logger().warning(text, throttle_duration_sec=WARN_EVERY_S)

    def _health(self) -> DiagnosticArray:
        if time.monotonic() - self._heard_s > GONE_S:
            return diagnostics.report(self.node, diagnostics.OK, f"no joystick is heard on {self._topic}", {})
        if self._trouble:
            return diagnostics.report(self.node, diagnostics.WARN, f"{self._topic}: {self._trouble}", {})
        warning = self._sameness(WARNING_SHARE)
        level = diagnostics.WARN if warning else diagnostics.OK
        return diagnostics.report(self.node, level, warning or self._readiness(), {})

    def _readiness(self) -> str:
        if self._is_lost:
            return f"let button {self._config.dead_man} go first"
        if untried := self._joystick.untried:
            return f"takeover is not ready before each of these was moved once: {untried}"
        if self._config.dead_man is None:
            return "takeover is ready: the stick counts while takeover is held"
        return f"takeover is ready: hold button {self._config.dead_man}"


def main() -> int:
    """Run the node."""
    return run(TeleopNode, priority=PRIORITY)


if __name__ == "__main__":
    sys.exit(main())
