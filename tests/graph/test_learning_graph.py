"""Learning works at all: over the whole graph, a robot that is paid for what it does gets better at it."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from sensor_msgs.msg import JointState

from robot_mbrl import messages, topics
from robot_mbrl.config import load_run
from robot_mbrl.runs.environment import node_environment
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.runs.scenario import Options, scenario
from robot_mbrl.tasks import TASKS
from ros_nodes import qos
from tests.graph.graph import Graph

STEPS, PREFILL = 2800, 500
JUDGED = 750
"""Newest steps, those that the learned policy drove, that a life is judged by."""
PATIENCE_S = 2400.0
"""In lockstep, what is learned does not depend on how long it takes."""


class Life:
    """A robot that learns in lockstep, over a graph of its own."""

    def __init__(self, folder: Path, sensor: str) -> None:
        config = load_run("cartpole", {"agent.prefill_steps": PREFILL, "task.evaluate_every": 0}, seed=1)
        run = RunFolder.create(config, folder)
        outside = {name: value for name, value in os.environ.items() if not name.startswith("ROS_DOMAIN")}
        self.graph = Graph(node_environment(outside), namespace="/cartpole")
        self.observed = self.graph.collect(JointState, topics.OBSERVATION, qos.STEPS)
        self._task = TASKS[config.task.task]()
        for node in scenario("demo", config, run.path, Options(lockstep=True)):
            self.graph.launch(replace(node, module=sensor) if node.name == "sensor" else node)

    @property
    def lived(self) -> bool:
        """Whether all steps are; serves the graph meanwhile."""
        self.graph.serve(0.001)
        return len(self.observed) >= STEPS

    def mean_reward(self) -> float:
        """What the newest steps really earned, whatever was paid for them."""
        values = [messages.read_named(message) for message in self.observed[STEPS - JUDGED : STEPS]]
        return sum(self._task.judge(v).reward for v in values) / len(values)


@pytest.mark.slow
@pytest.mark.timeout(PATIENCE_S + 60.0)
def test_a_robot_learns_from_its_rewards_and_not_from_the_same_rewards_shuffled(tmp_path: Path) -> None:
    # Two graphs at once, one for each of the two cores that the tests have.
    sensors = {"paid": "ros_nodes.sensor_node", "shuffled": "tests.graph.shuffled_sensor"}
    lives = [Life(tmp_path / name, sensor) for name, sensor in sensors.items()]
    try:
        paid, shuffled = lives
        paid.graph.until(lambda: paid.lived & shuffled.lived, PATIENCE_S)
        assert paid.mean_reward() > 1.3 * shuffled.mean_reward()
    finally:
        for life in lives:
            life.graph.close()
