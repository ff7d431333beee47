"""A robot over real DDS, in lockstep, whose policy is its expert in the test's own node."""

from pathlib import Path
from typing import Any

import numpy as np
from sensor_msgs.msg import JointState

from robot_mbrl import messages, topics
from robot_mbrl.config import load_run, save_run
from robot_mbrl.runs.scenario import Options, namespace, scenario
from robot_mbrl.specs import Source
from robot_mbrl.steps import Action
from ros_nodes import qos
from sim.experts import EXPERTS
from tests.graph.graph import Graph

PATIENCE_S = 300.0
"""Hundreds of steps, each through five processes, on a busy machine."""


class Bench:
    """The graph of a robot whose policy is its expert, in the test's own node."""

    def __init__(self, name: str, folder: Path, environment: dict[str, str], options: Options) -> None:
        self.config = load_run(name)
        self.graph = Graph(environment, namespace(self.config))
        self.seen: list[Any] = []
        self.sources: list[Source] = []
        self._expert = EXPERTS[str(self.config.task.task)](self.config.robot)
        node = self.graph.node
        self._actions = node.create_publisher(JointState, topics.ACTION, qos.ACTION)
        node.create_subscription(JointState, topics.OBSERVATION, self._on_observation, qos.LIVE)
        node.create_subscription(JointState, topics.APPLIED_ACTION, self._on_applied, qos.LIVE)
        save_run(self.config, folder / "config.yaml")
        for process in scenario("evaluate", self.config, folder, options):
            if process.name not in ("policy", "monitor"):
                self.graph.launch(process)

    def live(self, steps: int) -> None:
        """Until so many actions were applied."""
        self.graph.until(lambda: len(self.sources) >= steps, PATIENCE_S)

    def _on_observation(self, message: Any) -> None:
        observation = messages.read_observation(message)
        self.seen.append(observation)
        if not observation.is_last:
            action = JointState()
            wanted = Action(observation.key, np.asarray(self._expert.act(observation.values), np.float32))
            messages.write_action(action, wanted, self.config.action_spec())
            self._actions.publish(action)

    def _on_applied(self, message: Any) -> None:
        self.sources.append(messages.read_action(message, self.config.action_spec()).source)
