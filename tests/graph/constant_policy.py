"""A policy for tests: answers every observation with the same action, and can be killed like any other node."""

import sys
from typing import Any

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import JointState

from robot_mbrl import messages, topics
from robot_mbrl.config import load_run
from robot_mbrl.steps import Action
from ros_nodes import qos
from ros_nodes.parameters import declare
from ros_nodes.runtime import run

PRIORITY = 10


class ConstantPolicy:
    """Requests one value in every element of the action."""

    margin_s = 0.0

    def __init__(self) -> None:
        self.node = node = Node("policy")
        self._spec = load_run(declare(node, "config", "", "the run")).action_spec()
        value = declare(node, "value", 0.5, "what it requests", low=-1000.0, high=1000.0)
        # A parameter cannot be NaN.
        requested = float("nan") if declare(node, "nan", False, "whether it requests NaN") else value
        self._values = np.full(self._spec.size, requested, np.float32)
        self._actions = node.create_publisher(JointState, topics.ACTION, qos.ACTION)
        node.create_subscription(JointState, topics.OBSERVATION, self._on_observation, qos.LIVE)

    def next_deadline_s(self) -> None:
        return None

    def on_deadline(self, now_s: float) -> None:
        """Never called."""

    def close(self) -> None:
        """Nothing to do."""

    def _on_observation(self, observation: Any) -> None:
        message = JointState()
        messages.write_action(message, Action(messages.read_key(observation), self._values), self._spec)
        self._actions.publish(message)


if __name__ == "__main__":
    sys.exit(run(ConstantPolicy, priority=PRIORITY))
