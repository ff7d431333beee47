"""The rest of the robot, for tests of the policy and bundle nodes: publishes observations and what was applied."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.context import Context
from rclpy.experimental.events_executor import EventsExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import MultiArrayDimension, String, UInt8MultiArray

from robot_mbrl import messages, topics
from robot_mbrl.config import RunConfig
from robot_mbrl.specs import Mode
from robot_mbrl.steps import Action, Observation, StepKey
from ros_nodes import qos

PATIENCE_S = 20.0
_ENDS = {
    "policy": ((topics.OBSERVATION, "reader"), (topics.APPLIED_ACTION, "reader"), (topics.ACTION, "writer")),
    "bundle": ((topics.POLICY, "reader"), (topics.BUNDLE, "writer")),
}
"""Both ends of what a node exchanges with the bench."""


@dataclass(frozen=True)
class Wish:
    """A received wish and how long after its observation it came."""

    action: Action
    delay_s: float


class RobotBench:
    """Stands in for sensor node, guard and learner, in the test's own process."""

    def __init__(self, config: RunConfig, environment: Mapping[str, str]) -> None:
        self.config, self.environment = config, environment
        self.wishes: dict[int, Wish] = {}
        self.announcements: list[dict[str, Any]] = []
        self.health: dict[str, dict[str, str]] = {}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._published_s: dict[int, float] = {}
        self._last_ns = 0
        self._spec = config.action_spec()
        self._values = dict.fromkeys(config.observation_spec().element_names, 0.1)
        self._context = Context()
        rclpy.init(context=self._context, domain_id=int(environment["ROS_DOMAIN_ID"]))
        self.node = node = Node("bench", context=self._context)
        self._executor = EventsExecutor(context=self._context)
        self._executor.add_node(node)
        self._observations = node.create_publisher(JointState, topics.OBSERVATION, qos.STEPS)
        self._images = {
            name: node.create_publisher(Image, topics.image(name), qos.IMAGES)
            for name in config.observation_spec().images
        }
        self._applied = node.create_publisher(JointState, topics.APPLIED_ACTION, qos.STEPS)
        self._policies = node.create_publisher(UInt8MultiArray, topics.POLICY, qos.LATCHED)
        # Deeper than the guard's, so that a test process that is late itself loses no wish.
        node.create_subscription(JointState, topics.ACTION, self._on_action, qos.EVENTS)
        node.create_subscription(String, topics.BUNDLE, self._on_bundle, qos.LATCHED)
        node.create_subscription(DiagnosticArray, topics.DIAGNOSTICS, self._on_health, qos.EVENTS)

    def _start(self, name: str, **parameters: Any) -> None:
        command = [sys.executable, "-m", f"ros_nodes.{name}_node", "--ros-args"]
        for key, value in parameters.items():
            command += ["-p", f"{key}:={json.dumps(value)}"]
        self.processes[name] = subprocess.Popen(command, env=dict(self.environment))

    def start_all(self, nodes: Mapping[str, Mapping[str, Any]]) -> None:
        """Start nodes with their parameters and wait until they hear what is published here and can be heard."""
        ends = {(topic, end) for name in nodes for topic, end in _ENDS[name]}
        before = {end: self._ends(*end) for end in ends}
        for name, parameters in nodes.items():
            self._start(name, **parameters)
        self.until(lambda: all(self._ends(*end) - before[end] for end in ends))

    def _ends(self, topic: str, end: str) -> set[tuple[int, ...]]:
        """Identities of the writers or readers of a topic: those of a killed node stay in the graph for 20 s."""
        list_ends = (
            self.node.get_publishers_info_by_topic if end == "writer" else self.node.get_subscriptions_info_by_topic
        )
        return {tuple(info.endpoint_gid) for info in list_ends(topic)}

    def kill(self, name: str) -> None:
        """End a node without warning, as a loss of power does."""
        process = self.processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE_S)

    def send_bundle(self, data: bytes) -> None:
        """Publish a bundle as the learner does."""
        message = UInt8MultiArray()
        messages.write_bundle(message, MultiArrayDimension(), data)
        self._policies.publish(message)

    def forget_bundle(self) -> None:
        """End the learner: late joiners are no longer sent its newest bundle."""
        self.node.destroy_publisher(self._policies)
        self._policies = self.node.create_publisher(UInt8MultiArray, topics.POLICY, qos.LATCHED)

    def observe(self, *, is_first: bool = False, is_last: bool = False, mode: Mode = Mode.EXPLORE) -> int:
        """Publish the next observation; returns its stamp, one control period after the last."""
        self._last_ns += round(self.config.step_s * 1e9)
        key = StepKey("bench", self._last_ns)
        observation = Observation(key, self._values, {}, is_first=is_first, is_last=is_last, mode=mode)
        message = JointState()
        messages.write_observation(message, observation)
        self._published_s[self._last_ns] = time.monotonic()
        for name, publisher in self._images.items():
            picture = Image()
            messages.write_image(picture, key, np.zeros(self.config.observation_spec().images[name].shape, np.uint8))
            publisher.publish(picture)
        self._observations.publish(message)
        return self._last_ns

    def apply(self, stamp_ns: int, value: float) -> None:
        """Publish what was applied at a stamp, the same value in every element."""
        message = JointState()
        values = np.full(self._spec.size, value, np.float32)
        messages.write_action(message, Action(StepKey("bench", stamp_ns), values), self._spec)
        self._applied.publish(message)

    def step(self, *, applied: float = 0.0, **observation: Any) -> Action:
        """One step: observe, await the wish, publish what was applied instead of it."""
        stamp_ns = self.observe(**observation)
        self.until(lambda: stamp_ns in self.wishes)
        self.apply(stamp_ns, applied)
        return self.wishes[stamp_ns].action

    def newest_version(self) -> int:
        """Version of the bundle that gave the newest wish."""
        return next(reversed(self.wishes.values())).action.policy_version

    def until(self, condition: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
        """Handle events until the condition holds."""
        deadline_s = time.monotonic() + patience_s
        while not condition():
            assert time.monotonic() < deadline_s, "waited in vain"
            for name, process in self.processes.items():
                assert process.poll() is None, f"{name} node has ended with {process.returncode}"
            self.spin(0.01)

    def spin(self, timeout_s: float) -> None:
        """Handle one event, if one comes in time."""
        self._executor.spin_once(timeout_s)

    def close(self) -> None:
        """Leave the graph and stop the nodes, one after the other: see `LEAVE_S` in ros_nodes/runtime.py."""
        # The executor holds on to what it has served: with it, the next test would hear this one's writers.
        self._executor.remove_node(self.node)
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.try_shutdown()
        try:
            codes = {name: self._end(process) for name, process in self.processes.items()}
        finally:
            for process in self.processes.values():
                process.kill()
        assert set(codes.values()) <= {0}, codes

    @staticmethod
    def _end(process: subprocess.Popen[bytes]) -> int:
        process.send_signal(signal.SIGINT)
        return process.wait(PATIENCE_S)

    def _on_action(self, message: Any) -> None:
        now_s = time.monotonic()
        action = messages.read_action(message, self._spec)
        stamp_ns = action.key.stamp_ns
        assert stamp_ns not in self.wishes, "two wishes for one observation"
        self.wishes[stamp_ns] = Wish(action, now_s - self._published_s[stamp_ns])

    def _on_bundle(self, message: Any) -> None:
        self.announcements.append(json.loads(message.data))

    def _on_health(self, message: Any) -> None:
        for status in message.status:
            values = {pair.key: pair.value for pair in status.values}
            self.health[status.name.strip("/")] = {"message": status.message, "level": status.level, **values}
