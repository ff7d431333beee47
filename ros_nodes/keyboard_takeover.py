"""Taking over by keys in the operator's console: publishes `takeover` and `teleop` while a person drives by them."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.subscription import Subscription
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool

from robot_mbrl import messages, topics
from robot_mbrl.config import RunConfig
from robot_mbrl.control.keyboard import PATIENCE_S, Keyboard
from robot_mbrl.errors import MessageError
from ros_nodes import qos
from ros_nodes.endpoints import Endpoints
from ros_nodes.publishers import PublisherWatch

WARN_EVERY_S = 5.0
PERIOD_S = 0.05
"""Of switch and stick."""
LEAVE_S = 0.5
"""For so long it is said that the switch is let go, before this console publishes it no more."""


class KeyboardTakeover:
    """Acts of the keys that drive. Its publishers are there only meanwhile: of two people neither moves the robot."""

    def __init__(self, node: Node, config: RunConfig, tell: Callable[[str], None]) -> None:
        """Begin without driving.

        Args:
            node: of the console; its timers and subscriptions are served in a thread of their own.
            config: whose robot is driven.
            tell: says what became of a key.
        """
        self._node, self._spec, self._tell = node, config.action_spec(), tell
        self._endpoints = Endpoints(node)
        self._keyboard: Keyboard | None = None
        self._refusal = ""
        try:
            self._keyboard = Keyboard(config.robot, config.step_s)
        except ValueError as error:
            self._refusal = str(error)
        self._publishers: tuple[Publisher, Publisher] | None = None
        self._commands: Subscription | None = None
        # Who lies about commands would lead joints that rest.
        heard = (topics.SENT_COMMAND,) if self._needs_commands else ()
        self._watch = PublisherWatch(node, exclusive=(), commands=(), people=heard)
        self._leave_s = 0.0
        node.create_subscription(JointState, topics.APPLIED_ACTION, self._on_applied, qos.LIVE)
        node.create_timer(PERIOD_S, self._say, clock=Clock(clock_type=ClockType.STEADY_TIME))

    @property
    def mapped(self) -> Mapping[str, str]:
        """What the keys of the robot's YAML do, by their names."""
        return self._keyboard.mapped if self._keyboard is not None else {}

    @property
    def _needs_commands(self) -> bool:
        return self._keyboard is not None and self._keyboard.needs_commands

    def toggle(self) -> None:
        """Take over, or give back."""
        keyboard = self._keyboard
        if keyboard is not None and keyboard.taken:
            self.give_back("given back to the policy")
        elif keyboard is None or (refusal := self._rival()):
            self._tell(f"not taken over: {self._refusal or refusal}")
        else:
            keyboard.take(time.monotonic())
            self._tell(f"taken over: {keyboard.how}; t gives back")

    def give_back(self, why: str) -> None:
        """Let the policy drive, if it was this person who did."""
        if self._keyboard is not None and self._keyboard.taken:
            self._keyboard.give_back()
            self._leave_s = time.monotonic() + LEAVE_S
            self._tell(why)

    def press(self, key: str) -> None:
        """Do what a key says, if this person drives."""
        if self._keyboard is None or not self._keyboard.taken:
            self._tell("t takes over first")
        elif told := self._keyboard.press(key, time.monotonic()):
            self._tell(told)

    def _rival(self) -> str:
        """Who else publishes what a person takes over by; empty if nobody does."""
        own = self._node.get_fully_qualified_name()
        for topic in map(self._node.resolve_topic_name, (topics.TAKEOVER, topics.TELEOP)):
            if others := [str(p) for p in self._endpoints.publishers(topic) if p.node != own]:
                return f"{', '.join(others)} publishes {topic} already, and of two people neither moves the robot"
        return ""

    def _on_applied(self, message: Any) -> None:
        if self._keyboard is None:
            return
        try:
            self._keyboard.follow(messages.read_action(message, self._spec))
        except MessageError as error:
            self._node.get_logger().warning(str(error), throttle_duration_sec=WARN_EVERY_S)

    def _on_command(self, message: Any) -> None:
        if self._keyboard is None:
            return
        try:
            self._keyboard.command(messages.read_named(message), time.monotonic())
        except MessageError as error:
            self._node.get_logger().warning(str(error), throttle_duration_sec=WARN_EVERY_S)

    def _say(self) -> None:
        """Publish switch and stick while this person drives, and that it is let go for a moment afterwards."""
        keyboard, now_s = self._keyboard, time.monotonic()
        if keyboard is None or not (keyboard.taken or now_s < self._leave_s):
            self._close()
            return
        if keyboard.is_gone(now_s):
            self._end(f"no key was pressed for {PATIENCE_S:g} s")
            return
        if keyboard.taken and (conflicts := self._watch.update(now_s)):
            self._end("; ".join(map(str, conflicts)))
            return
        if self._commands is None and self._needs_commands:
            # The actuator repeats its commands for whoever listens: only as long as they are needed.
            self._commands = self._node.create_subscription(JointState, topics.SENT_COMMAND, self._on_command, qos.SEEN)
        action = keyboard.action(now_s)
        if keyboard.taken and action is None:
            # A switch without a stick would be a person who is lost.
            return
        if self._publishers is None:
            self._publishers = (
                self._node.create_publisher(Bool, topics.TAKEOVER, qos.EVENTS),
                self._node.create_publisher(JointState, topics.TELEOP, qos.EVENTS),
            )
        switch, stick = self._publishers
        if keyboard.taken and action is not None:
            message = JointState()
            messages.write_named(message, action)
            stick.publish(message)
        switch.publish(Bool(data=keyboard.taken))

    def _end(self, why: str) -> None:
        """Say nothing any more: the robot stops, and the policy does not go on by itself."""
        if self._keyboard is not None:
            self._keyboard.give_back()
        self._tell(f"{why}: takeover is not said any more, so the robot stops")
        self._close()

    def _close(self) -> None:
        for publisher in self._publishers or ():
            self._node.destroy_publisher(publisher)
        self._publishers = None
        if self._commands is not None:
            self._node.destroy_subscription(self._commands)
            self._commands = None
