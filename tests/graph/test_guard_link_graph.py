"""The sensor node with a real guard that comes late, dies and is started again, and without any policy."""

from array import array
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import JointState

from robot_mbrl import messages, topics
from robot_mbrl.config import load_run, save_run
from robot_mbrl.steps import StepKey
from ros_nodes import qos
from tests.graph.graph import Graph

SENSOR, ACTUATOR = "ros_nodes.sensor_node", "ros_nodes.actuator_node"
ENOUGH = 30
"""Observations that show that they flow."""
UNANSWERED = 15
"""Observations that a killed guard leaves without applied action: those until the graph is looked at, and a margin;
they would be 20 if it were missed by its silence."""


class Robot:
    """A cart-pole whose driver is played by the test, with nodes as on a robot that exists."""

    def __init__(self, graph: Graph, folder: Path) -> None:
        self.graph = graph
        self._config = folder / "config.yaml"
        save_run(load_run("cartpole", {"task.reset": "none", "task.episode_steps": 100_000}), self._config)
        self._joints = graph.publisher(JointState, "joint_states", qos.STEPS)
        self.observations = graph.collect(JointState, topics.OBSERVATION, qos.STEPS)
        self.applied = graph.collect(JointState, topics.APPLIED_ACTION, qos.STEPS)
        self._health = graph.collect(DiagnosticArray, topics.DIAGNOSTICS, qos.EVENTS)
        graph.every(0.01, self._measure)

    def start(self, module: str) -> None:
        self.graph.start(module, config=str(self._config))

    def _measure(self) -> None:
        message = JointState(name=["hinge", "slider"], position=array("d", [3.1, 0.0]), velocity=array("d", [0.0, 0.0]))
        message.header.stamp = self.graph.node.get_clock().now().to_msg()
        self._joints.publish(message)

    def report(self, text: str) -> Any:
        """The next report of the sensor node's health that holds a text."""
        self._health.clear()
        name = f"{self.graph.namespace}/sensor"

        def reports() -> list[Any]:
            return [s for array in self._health for s in array.status if s.name == name and text in s.message]

        self.graph.until(reports)
        return reports()[0]

    def observe(self) -> None:
        """Wait until observations flow and are answered."""
        count = len(self.observations), len(self.applied)
        self.graph.until(lambda: len(self.observations) > count[0] + ENOUGH and len(self.applied) > count[1] + ENOUGH)

    def unanswered(self) -> int:
        """How many observations have no applied action."""
        applied = {messages.read_key(message) for message in self.applied}
        return sum(messages.read_key(message) not in applied for message in self.observations)

    def answers(self) -> list[int]:
        """How many applied actions each observation has, but for the newest, whose deadline may be to come."""
        counts = Counter(messages.read_key(message) for message in self.applied)
        keys: list[StepKey] = [messages.read_key(message) for message in self.observations]
        return [counts[key] for key in keys[:-ENOUGH]]


@pytest.fixture
def robot(graph: Graph, tmp_path: Path) -> Robot:
    return Robot(graph, tmp_path)


@pytest.mark.parametrize("first", [SENSOR, ACTUATOR])
def test_every_observation_has_one_applied_action_from_the_first_whoever_starts_first(robot: Robot, first: str) -> None:
    robot.start(first)
    robot.graph.serve(2.0)
    assert robot.observations == []
    robot.start(ACTUATOR if first == SENSOR else SENSOR)
    for _ in range(3):
        robot.observe()
    assert set(robot.answers()) == {1}


def test_without_a_guard_nothing_is_observed_and_the_report_says_so(robot: Robot) -> None:
    robot.start(SENSOR)
    robot.report("waiting for the guard")
    robot.graph.serve(2.0)
    assert robot.observations == []


def test_a_killed_guard_is_waited_for_and_its_successor_answers_from_the_first(robot: Robot) -> None:
    robot.start(ACTUATOR)
    robot.start(SENSOR)
    robot.observe()
    robot.graph.kill(ACTUATOR)
    robot.report("waiting for the guard")
    # It is missed as soon as the graph is looked at, although that shows the dead for long.
    robot.graph.await_hush(robot.observations)
    count = len(robot.observations)
    assert robot.unanswered() <= UNANSWERED
    robot.graph.serve(1.0)
    assert len(robot.observations) == count
    robot.start(ACTUATOR)
    for _ in range(2):
        robot.observe()
    assert set(robot.answers()[count:]) == {1}
    assert "phase" in {pair.key for pair in robot.report("observing").values}
