"""`robot-mbrl check` on drivers that are well and drivers that are not, over real DDS; nothing is published by it."""

import json
import subprocess
import sys
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sensor_msgs.msg import JointState, Joy
from std_msgs.msg import Float64MultiArray, String

from benchmarks.campaign.kills import HARDWARE
from robot_mbrl.config import load_run, save_run
from ros_nodes import qos
from tests.graph.graph import PATIENCE_S, Graph
from tests.readiness.test_limits import URDF

TASK = str(HARDWARE / "arm-task.yaml")
JOINTS, COMMANDS = "joint_states", "position_controller/commands"
PERIOD_S = 0.01
ATTEMPTS = 3
"""A machine that stalls for longer than readings may take holds this driver up, which is then told, and rightly."""


@pytest.fixture
def arm(graph_environment: dict[str, str]) -> Iterator[Graph]:
    """The namespace of the bench's arm."""
    graph = Graph(graph_environment, "/arm")
    yield graph
    graph.close()


class Driver:
    """The arm's driver, played by the test: well, but for what is changed."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.names, self.position = ["shoulder", "elbow"], [0.1, 0.2]
        self.behind_s, self.stamped = 0, True
        self.commands = graph.collect(Float64MultiArray, COMMANDS, qos.COMMANDS)
        self._joints = graph.publisher(JointState, JOINTS, qos.STEPS)
        graph.every(PERIOD_S, self._measure)

    def _measure(self) -> None:
        message = JointState(name=self.names, position=array("d", self.position), velocity=array("d", [0.0, 0.0]))
        if self.stamped:
            message.header.stamp = self.graph.node.get_clock().now().to_msg()
            message.header.stamp.sec -= self.behind_s
        self._joints.publish(message)

    def check(self, *words: str, task: str = TASK) -> tuple[int, dict[str, dict[str, Any]]]:
        """Exit code and findings by name of the command, while this driver is served."""
        command = [sys.executable, "-m", "robot_mbrl.cli", "check", task, "--json", "--seconds=1.5", *words]
        process = subprocess.Popen(command, env=self.graph.environment, stdout=subprocess.PIPE, text=True)
        self.graph.until(lambda: process.poll() is not None)
        printed, _ = process.communicate()
        return process.returncode, {check["name"]: check for check in json.loads(printed)["checks"]}


@pytest.fixture
def driver(arm: Graph) -> Driver:
    return Driver(arm)


def test_a_driver_without_fault_is_green_and_is_sent_nothing(driver: Driver) -> None:
    for _ in range(ATTEMPTS):
        code, found = driver.check()
        if found["sources.joints.rate"]["level"] == "green":
            break
    assert {name for name, c in found.items() if c["level"] != "green" and not name.startswith("machine.")} == set()
    assert code in (0, 1), "this machine may lack real-time priority"
    assert found["sources.joints.joints"]["found"] == "elbow, shoulder"
    assert {"ros.messages", "pose", "machine.real_time", "machine.memory", "machine.disk"} <= found.keys()
    assert driver.commands == []


def test_a_robot_in_another_namespace_is_looked_at_there(graph_environment: dict[str, str]) -> None:
    graph = Graph(graph_environment, "/left_arm")
    try:
        _, found = Driver(graph).check("--namespace=left-arm")
    finally:
        graph.close()
    assert found["sources.joints.joints"]["found"] == "elbow, shoulder"
    assert "/left_arm/test" in found["commands.position_controller/commands.heard"]["found"]


def test_names_pose_clock_and_stamps_of_a_driver_that_is_not_well(driver: Driver) -> None:
    driver.position, driver.behind_s = [1.5, 0.2], 3600
    code, found = driver.check()
    assert code == 2
    assert found["pose"]["level"] == "red"
    assert "joint shoulder is at 1.5000, not within [-1.2, 1.2]" in found["pose"]["found"]
    assert "bring it back" in found["pose"]["remedy"]
    assert found["sources.joints.clock"]["level"] == "amber"
    assert "3600.0" in found["sources.joints.clock"]["found"]

    driver.names, driver.position, driver.behind_s = ["joint_1", "elbow"], [0.1, 0.2], 0
    code, found = driver.check()
    assert code == 2
    assert "not reported: shoulder; reported: elbow, joint_1" in found["sources.joints.joints"]["found"]

    driver.names, driver.stamped = ["shoulder", "elbow"], False
    code, found = driver.check()
    assert code == 2
    assert found["sources.joints.readings"]["level"] == "red"
    assert "stamped: false" in found["sources.joints.readings"]["found"]


def test_a_joystick_of_the_yaml_is_looked_for_and_a_second_one_is_named(driver: Driver, tmp_path: Path) -> None:
    stick = {"dead_man": 4, "axes": {"shoulder": {"axis": 1}}}
    save_run(load_run(TASK, {"robot.teleop": stick}), file := tmp_path / "config.yaml")
    _, found = driver.check(task=str(file))
    assert found["teleop"]["level"] == "amber"
    assert "joy_node --ros-args -r __ns:=/arm" in found["teleop"]["remedy"]
    driver.graph.publisher(Joy, "joy", qos.EVENTS)
    _, found = driver.check(task=str(file))
    assert found["teleop"]["level"] == "green"
    driver.graph.publisher(Joy, "joy", qos.EVENTS)
    code, found = driver.check(task=str(file))
    assert (code, found["teleop"]["level"]) == (2, "red")
    assert found["teleop"]["found"].startswith("/arm/joy is published by /arm/test")


def test_limits_are_compared_with_the_description_that_is_published_or_named(driver: Driver, tmp_path: Path) -> None:
    descriptions = driver.graph.publisher(String, "/robot_description", qos.LATCHED)
    descriptions.publish(String(data=URDF.replace('velocity="2.0"', 'velocity="1.0"')))
    code, found = driver.check()
    assert code == 2
    assert "velocity of 2 is more than the URDF's 1" in found["limits.shoulder"]["found"]
    assert found["limits.elbow"]["level"] == "green"
    (tmp_path / "arm.urdf").write_text(URDF)
    _, found = driver.check(f"--urdf={tmp_path / 'arm.urdf'}")
    assert found["limits.shoulder"]["level"] == "green"


def test_two_publishers_and_a_stranger_who_commands(driver: Driver) -> None:
    graph = driver.graph
    other = graph.publisher(JointState, JOINTS, qos.STEPS)
    graph.publisher(Float64MultiArray, COMMANDS, qos.COMMANDS)

    def contradict() -> None:
        message = JointState(name=driver.names, position=array("d", [0.1, 0.2]), velocity=array("d", [0.0, 0.0]))
        message.header.stamp = graph.node.get_clock().now().to_msg()
        other.publish(message)

    graph.every(PERIOD_S, contradict)
    code, found = driver.check()
    assert code == 2
    assert found["sources.joints.publisher"]["level"] == "red"
    assert "2 publishers of shoulder, elbow" in found["sources.joints.publisher"]["found"]
    assert "published by /arm/test" in found[f"commands.{COMMANDS}.publisher"]["found"]


def test_types_and_ears_that_do_not_fit_are_told_with_who_has_them(arm: Graph) -> None:
    strings = arm.publisher(String, JOINTS, qos.EVENTS)
    arm.every(PERIOD_S, lambda: strings.publish(String(data="here")))
    arm.collect(JointState, COMMANDS, qos.COMMANDS)
    command = [sys.executable, "-m", "robot_mbrl.cli", "check", TASK, "--seconds=0.5"]
    process = subprocess.Popen(command, env=arm.environment, stdout=subprocess.PIPE, text=True)
    arm.until(lambda: process.poll() is not None)
    printed, _ = process.communicate()
    assert process.returncode == 2
    assert "sends std_msgs/msg/String, the YAML says sensor_msgs/msg/JointState: correct the type" in printed
    assert "expects sensor_msgs/msg/JointState, the YAML says std_msgs/msg/Float64MultiArray" in printed
    assert "→ correct the type in the YAML" in printed


def test_nobody_there_says_where_was_looked(arm: Graph) -> None:
    arm.node.destroy_node()
    command = [sys.executable, "-m", "robot_mbrl.cli", "check", TASK, "--json", "--seconds=0.1"]
    done = subprocess.run(command, env=arm.environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    found = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert done.returncode == 2
    assert f"domain {arm.environment['ROS_DOMAIN_ID']}" in found["ros.graph"]["found"]
    assert found["sources.joints.publisher"]["level"] == "red"
