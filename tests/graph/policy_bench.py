"""The rest of the robot, for tests of the policy and bundle nodes: publishes observations and what was applied."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import MultiArrayDimension, String, UInt8MultiArray

from robot_mbrl import messages, topics
from robot_mbrl.config import RunConfig
from robot_mbrl.specs import Mode
from robot_mbrl.steps import Action, Observation, StepKey
from ros_nodes import qos
from tests.graph.graph import PATIENCE_S, Graph

POLICY_NODE, BUNDLE_NODE = "ros_nodes.policy_node", "ros_nodes.bundle_node"
_ENDS = {
    POLICY_NODE: ((topics.OBSERVATION, "reader"), (topics.APPLIED_ACTION, "reader"), (topics.ACTION, "writer")),
    BUNDLE_NODE: ((topics.POLICY, "reader"), (topics.BUNDLE, "writer")),
}
"""Both ends of what a node exchanges with the bench."""
NAMES = {POLICY_NODE: "policy", BUNDLE_NODE: "bundle"}


@dataclass(frozen=True)
class Answer:
    """A received action and how long after its observation it came."""

    action: Action
    delay_s: float


class RobotBench:
    """Stands in for sensor node, guard and learner."""

    def __init__(self, graph: Graph, config: RunConfig) -> None:
        self.graph, self.config = graph, config
        self.actions: dict[int, Answer] = {}
        self.versions: set[int] = set()
        self.announcements: list[dict[str, Any]] = []
        self.health: dict[str, dict[str, str]] = {}
        self._published_s: dict[int, float] = {}
        self._last_ns = 0
        self._spec = config.action_spec()
        self._images = config.observation_spec().images
        self._values = dict.fromkeys(config.observation_spec().element_names, 0.1)
        self._observations = graph.publisher(JointState, topics.OBSERVATION, qos.STEPS)
        self._pictures = {name: graph.publisher(Image, topics.image(name), qos.IMAGES) for name in self._images}
        self._applied = graph.publisher(JointState, topics.APPLIED_ACTION, qos.STEPS)
        self._policies = graph.publisher(UInt8MultiArray, topics.POLICY, qos.LATCHED)
        self._announcer: Publisher | None = None
        # Deeper than the guard's, so that a test process that is late itself loses no action.
        graph.node.create_subscription(JointState, topics.ACTION, self._on_action, QoSProfile(depth=1000))
        graph.node.create_subscription(String, topics.BUNDLE, self._on_bundle, qos.LATCHED)
        graph.node.create_subscription(DiagnosticArray, topics.DIAGNOSTICS, self._on_health, qos.EVENTS)

    def announce(self, announcement: dict[str, Any] | None) -> None:
        """Announce a bundle, or that there is none, in the bundle node's stead."""
        if self._announcer is None:
            self._announcer = self.graph.publisher(String, topics.BUNDLE, qos.LATCHED)
        self._announcer.publish(String(data=json.dumps(announcement)))

    def start(self, nodes: Mapping[str, Mapping[str, Any]]) -> None:
        """Start nodes with their parameters and wait until they hear what is published here and can be heard."""
        ends = {end for module in nodes for end in _ENDS[module]}
        before = {end: self._identities(*end) for end in ends}
        for module, parameters in nodes.items():
            self.graph.start(module, **parameters)
        self.graph.until(lambda: all(self._identities(*end) - before[end] for end in ends))
        self.graph.acquaint(*(NAMES[module] for module in nodes))

    def send_bundle(self, data: bytes) -> None:
        """Publish a bundle as the learner does."""
        message = UInt8MultiArray()
        messages.write_bundle(message, MultiArrayDimension(), data)
        self._policies.publish(message)

    def forget_bundle(self) -> None:
        """End the learner: late joiners are no longer sent its newest bundle."""
        self.graph.node.destroy_publisher(self._policies)
        self._policies = self.graph.publisher(UInt8MultiArray, topics.POLICY, qos.LATCHED)

    def observe(self, *, is_first: bool = False, mode: Mode = Mode.EXPLORE) -> int:
        """Publish the next observation; returns its stamp, one control period after the last."""
        self._last_ns += round(self.config.step_s * 1e9)
        key = StepKey("bench", self._last_ns)
        message = JointState()
        messages.write_observation(message, Observation(key, self._values, {}, is_first=is_first, mode=mode))
        self._published_s[self._last_ns] = time.monotonic()
        for name, publisher in self._pictures.items():
            picture = Image()
            messages.write_image(picture, key, np.zeros(self._images[name].shape, self._images[name].dtype))
            publisher.publish(picture)
        self._observations.publish(message)
        return self._last_ns

    def apply(self, stamp_ns: int, value: float) -> None:
        """Publish what was applied at a stamp, the same value in every element."""
        message = JointState()
        values = np.full(self._spec.size, value, np.float32)
        messages.write_action(message, Action(StepKey("bench", stamp_ns), values), self._spec)
        self._applied.publish(message)

    def step(self, *, applied: float = 0.0, is_first: bool = False, mode: Mode = Mode.EXPLORE) -> Action:
        """One step: observe, await the action, publish what was applied instead of it."""
        stamp_ns = self.observe(is_first=is_first, mode=mode)
        self.graph.until(lambda: stamp_ns in self.actions)
        self.apply(stamp_ns, applied)
        return self.actions[stamp_ns].action

    def drive_until_version(self, version: int) -> None:
        """Live episodes of one step, each a control period long if nothing is requested, until this version drives."""
        give_up_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < give_up_s:
            stamp_ns = self.observe(is_first=True)
            end_s = time.monotonic() + self.config.step_s
            self.graph.until(
                lambda stamp_ns=stamp_ns, end_s=end_s: stamp_ns in self.actions or time.monotonic() > end_s
            )
            answer = self.actions.get(stamp_ns)
            if answer is not None and answer.action.policy_version == version:
                return
        pytest.fail(f"version {version} never drove; health: {self.health}")

    def fresh_health(self, node: str) -> dict[str, str]:
        """What a node reports of itself from now on: the second report, since the first may have been on its way."""
        for _ in range(2):
            self.health.pop(node, None)
            self.graph.until(lambda: node in self.health)
        return self.health[node]

    def _identities(self, topic: str, end: str) -> set[tuple[int, ...]]:
        """Identities of the writers or readers of a topic: those of a killed node stay in the graph for 20 s."""
        node, name = self.graph.node, f"{self.graph.namespace}/{topic}"
        found = node.get_publishers_info_by_topic if end == "writer" else node.get_subscriptions_info_by_topic
        return {tuple(info.endpoint_gid) for info in found(name)}

    def _on_action(self, message: Any) -> None:
        now_s = time.monotonic()
        action = messages.read_action(message, self._spec)
        stamp_ns = action.key.stamp_ns
        assert stamp_ns not in self.actions, "two actions for one observation"
        self.versions.add(action.policy_version)
        self.actions[stamp_ns] = Answer(action, now_s - self._published_s[stamp_ns])

    def _on_bundle(self, message: Any) -> None:
        if (announced := json.loads(message.data)) is not None:
            self.announcements.append(announced)

    def _on_health(self, message: Any) -> None:
        for status in message.status:
            if status.name.startswith(self.graph.namespace):
                self.health[status.name.rpartition("/")[2]] = {pair.key: pair.value for pair in status.values}
