"""Trying a robot without risk, over real DDS with a stand-in for its driver: in shadow, slowly, one joint a little."""

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, Float64MultiArray, String

from benchmarks.campaign.kills import HARDWARE
from robot_mbrl import messages, topics
from robot_mbrl.config import load_run
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.runs.scenario import Options, scenario
from robot_mbrl.specs import Source
from ros_nodes import qos
from tests.graph.graph import Graph
from tests.graph.shaped_commands import assert_rates
from tests.graph.test_stand_in_node import SOURCE, STAND_IN

TASK = str(HARDWARE / "arm-task.yaml")
COMMANDS = "position_controller/commands"


@pytest.fixture
def arm(graph_environment: dict[str, str]) -> Iterator[Graph]:
    """The namespace of the bench's arm, with a stand-in for its driver."""
    graph = Graph(graph_environment, "/arm")
    graph.start(STAND_IN, config=TASK)
    yield graph
    graph.close()


class Side:
    """The robot's side, and what it says."""

    def __init__(self, graph: Graph, path: Path, overrides: Mapping[str, Any] | None = None, **options: Any) -> None:
        self.graph = graph
        config = load_run(TASK, overrides)
        folder = RunFolder.create(config, path)
        self.spec = config.action_spec()
        self.commands = graph.collect(Float64MultiArray, COMMANDS, qos.EVENTS)
        self.applied = graph.collect(JointState, topics.APPLIED_ACTION, qos.FOLLOWED)
        self._sources: list[Source] = []
        self.states = graph.collect(String, topics.STATE, qos.LATCHED)
        self._reports = graph.collect(DiagnosticArray, topics.GUARD, qos.EVENTS)
        self.enables = graph.publisher(Bool, topics.ENABLE, qos.EVENTS)
        chosen = Options(start_policy="random", **options)
        for node in scenario("robot", config, folder.path, chosen, simulated=False):
            graph.launch(node)

    def report(self) -> dict[str, str]:
        """The guard's next report."""
        count = len(self._reports)
        self.graph.until(lambda: len(self._reports) > count)
        return {pair.key: pair.value for pair in self._reports[-1].status[0].values}

    def enable(self) -> None:
        self.graph.until(lambda: self.report()["may_enable"] == "True")
        self.graph.acquaint("actuator")
        self.enables.publish(Bool(data=True))

    def sources(self) -> list[Source]:
        new = self.applied[len(self._sources) :]
        self._sources += [messages.read_action(message, self.spec).source for message in new]
        return self._sources

    def set_scale(self, scale: float) -> Any:
        request = [Parameter("speed_scale", value=scale).to_parameter_msg()]
        return self.graph.call(SetParameters, "actuator/set_parameters", parameters=request).results[0]


def test_in_shadow_every_step_is_decided_and_nothing_is_sent(arm: Graph, tmp_path: Path) -> None:
    side = Side(arm, tmp_path / "run", shadow=True)
    side.enable()
    arm.until(lambda: side.sources().count(Source.RANDOM) > 60)
    assert side.states[-1].data == "moving (shadow)"
    assert side.report()["shadow"] == "True"
    assert side.report()["moving"] == "False"
    assert side.commands == []
    assert arm.node.count_publishers("/arm/" + COMMANDS) == 0


def test_speed_is_lowered_while_it_moves_and_raised_only_while_it_is_disabled(arm: Graph, tmp_path: Path) -> None:
    side = Side(arm, tmp_path / "run", speed_scale=0.5)
    shaped = arm.collect(JointState, topics.SENT_COMMAND, qos.EVENTS)
    side.enable()
    arm.until(lambda: side.sources().count(Source.RANDOM) > 20)
    assert side.report()["speed_scale"] == "0.5"
    assert side.set_scale(0.1).successful
    refused = side.set_scale(0.4)
    assert not refused.successful
    assert "raised only while the robot is disabled" in refused.reason
    count = len(shaped)
    arm.until(lambda: len(shaped) > count + 100)
    slow = shaped[count + 25 :]
    assert_rates(slow, [0.1 * joint.max_rate for joint in load_run(TASK).robot.joints])
    assert len({message.position[0] for message in slow}) > 1, "it moves"
    side.enables.publish(Bool(data=False))
    arm.until(lambda: side.report()["enabled"] == "False")
    assert side.set_scale(0.4).successful
    assert side.report()["speed_scale"] == "0.4"


def test_a_joint_is_jogged_by_a_guard_that_is_started_for_it_alone(arm: Graph) -> None:
    joints = arm.collect(JointState, "joint_states", SOURCE)
    commands = arm.collect(Float64MultiArray, COMMANDS, qos.EVENTS)
    arm.until(lambda: bool(joints))
    done = jog(arm, "elbow", "0.05")
    assert done.returncode == 0, done.stderr
    assert "elbow was asked to move by +0.05 rad: found at 0.0000 before, at 0.0500 then (+0.0500)" in done.stdout
    # The other one stays.
    assert {round(message.data[0], 9) for message in commands} == {0.0}
    done = jog(arm, "elbow", "-0.1")
    assert "0.0500 before, at -0.0500 then (-0.1000)" in done.stdout, done.stderr


def test_of_two_arms_the_one_in_the_named_namespace_is_jogged(arm: Graph, graph_environment: dict[str, str]) -> None:
    other = arm.collect(Float64MultiArray, COMMANDS, qos.EVENTS)
    graph = Graph(graph_environment, "/left_arm")
    try:
        graph.start(STAND_IN, config=TASK)
        joints = graph.collect(JointState, "joint_states", SOURCE)
        graph.until(lambda: bool(joints))
        done = jog(graph, "--namespace=left-arm", "elbow", "0.05")
    finally:
        graph.close()
    assert "found at 0.0000 before, at 0.0500 then (+0.0500)" in done.stdout, done.stderr
    arm.serve(0.1)
    assert other == []


def test_jogs_that_may_not_be_say_why(arm: Graph, tmp_path: Path) -> None:
    done = jog(arm, "wrist", "0.05")
    assert done.returncode == 2
    assert "there is no joint 'wrist' to jog; there are shoulder, elbow" in done.stderr
    side = Side(arm, tmp_path / "run")
    side.enable()
    arm.until(lambda: Source.RANDOM in side.sources())
    done = jog(arm, "elbow", "0.05", patience_s=60.0)
    assert done.returncode == 1
    assert "not jogged: its policy drives the robot" in done.stderr
    assert side.report()["enabled"] == "True"


def test_nobody_jogs_by_a_message_of_long_ago_or_beside_another_person(arm: Graph) -> None:
    arm.start("ros_nodes.actuator_node", config=TASK)
    commands = arm.collect(Float64MultiArray, COMMANDS, qos.EVENTS)
    reports = arm.collect(DiagnosticArray, topics.GUARD, qos.EVENTS)
    jogs = [arm.publisher(JointState, "actuator/jog", qos.EVENTS)]
    stamp_s = 0.0

    def ask() -> None:
        for index, publisher in enumerate(jogs):
            message = JointState()
            messages.write_stamp(message.header.stamp, round(stamp_s * messages.NANOSECONDS))
            messages.write_named(message, {"elbow": -0.05 if index else 0.05})
            publisher.publish(message)

    def told() -> str:
        return {pair.key: pair.value for pair in reports[-1].status[0].values}["jog"] if reports else ""

    arm.every(0.2, ask)
    arm.until(lambda: "its stamp, the time at which it was begun, is" in told())
    jogs.append(arm.publisher(JointState, "actuator/jog", qos.EVENTS))
    # Until it knows of the other person, it may take the first at his word.
    arm.acquaint("actuator")
    stamp_s = time.time()
    arm.until(lambda: "2 publishers of /arm/actuator/jog: /arm/test" in told())
    arm.serve(1.0)
    assert {round(message.data[1], 9) for message in commands} <= {0.0}
    arm.node.destroy_publisher(jogs.pop())
    stamp_s = time.time()
    arm.until(lambda: told() == "done" and commands[-1].data[1] == pytest.approx(0.05, abs=1e-3))


def jog(graph: Graph, *words: str, patience_s: float = 60.0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "robot_mbrl.cli", "jog", TASK, *words]
    process = subprocess.Popen(
        command, env=graph.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    graph.until(lambda: process.poll() is not None, patience_s)
    printed, complaint = process.communicate()
    return subprocess.CompletedProcess(command, process.returncode, printed, complaint)
