"""The stand-in for a real driver: it publishes what a robot's YAML names, obeys commands, and misbehaves as told."""

import time
from array import array
from pathlib import Path
from typing import Any

import pytest
from geometry_msgs.msg import Twist
from nav_msgs.msg import Odometry
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Float64MultiArray

from benchmarks.campaign.kills import HARDWARE
from robot_mbrl.messages import NANOSECONDS, read_stamp
from ros_nodes import qos
from tests.graph.graph import Graph

STAND_IN, SIMULATOR = "sim.stand_in_node", "sim.sim_node"
NEWEST = QoSProfile(depth=5)
SOURCE = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
AHEAD_S = 3600.0
"""Further than a slow machine takes for any test."""


def faults_file(folder: Path, text: str) -> str:
    file = folder / "faults.yaml"
    file.write_text(text)
    return str(file)


def test_an_arm_goes_where_it_is_told_and_a_fault_that_is_set_later_freezes_its_readings(
    graph: Graph, tmp_path: Path
) -> None:
    joints = graph.collect(JointState, "joint_states", SOURCE)
    commands = graph.publisher(Float64MultiArray, "position_controller/commands", qos.COMMANDS)
    graph.every(0.02, lambda: commands.publish(Float64MultiArray(data=array("d", [0.5, -0.25]))))
    graph.start(STAND_IN, config=str(HARDWARE / "arm-task.yaml"))
    graph.until(lambda: joints and list(joints[-1].position) == pytest.approx([0.5, -0.25]))
    assert joints[-1].name == ["shoulder", "elbow"]

    file = faults_file(tmp_path, "faults: [{kind: frozen, stamp: old}]")
    request = [Parameter("faults", value=file).to_parameter_msg()]
    assert graph.call(SetParameters, "stand_in/set_parameters", parameters=request).results[0].successful
    # Those from before may still be on their way.
    count = len(joints)
    graph.until(lambda: len(joints) > count + 20 and len({read_stamp(m.header.stamp) for m in joints[-10:]}) == 1)

    request = [Parameter("faults", value=str(tmp_path / "none.yaml")).to_parameter_msg()]
    refusal = graph.call(SetParameters, "stand_in/set_parameters", parameters=request).results[0]
    assert not refusal.successful
    assert "none.yaml" in refusal.reason


def test_a_base_tells_where_its_twist_has_led_it_and_stops_when_commands_cease(graph: Graph) -> None:
    odometry = graph.collect(Odometry, "odom", SOURCE)
    twists = graph.publisher(Twist, "cmd_vel", qos.COMMANDS)
    driving = True

    def drive() -> None:
        if driving:
            twist = Twist()
            twist.linear.x = 0.5
            twists.publish(twist)

    graph.every(0.05, drive)
    graph.start(STAND_IN, config=str(HARDWARE / "base-task.yaml"))
    graph.until(
        lambda: odometry and odometry[-1].pose.pose.position.x > 0.2 and odometry[-1].twist.twist.linear.x == 0.5
    )
    assert odometry[-1].pose.pose.orientation.w == pytest.approx(1.0)
    driving = False
    # The driver's own timeout, as the robot's YAML says.
    graph.until(lambda: odometry[-1].twist.twist.linear.x == 0.0)


def test_faults_of_messages_happen_to_odometry_as_well(graph: Graph, tmp_path: Path) -> None:
    odometry = graph.collect(Odometry, "odom", SOURCE)
    jump = f"{{kind: stamp_jump, offset_s: {AHEAD_S}}}"
    file = faults_file(tmp_path, f"faults: [{{kind: frozen, stamp: old, start_s: 1.0}}, {jump}]")
    graph.start(STAND_IN, config=str(HARDWARE / "base-task.yaml"), faults=file)

    def stamps() -> list[int]:
        return [read_stamp(message.header.stamp) for message in odometry]

    graph.until(lambda: len(odometry) > 150 and len(set(stamps()[-20:])) == 1)
    assert stamps()[0] - time.time_ns() > 0.5 * AHEAD_S * NANOSECONDS


def test_a_second_publisher_is_another_node(graph: Graph, tmp_path: Path) -> None:
    joints = graph.collect(JointState, "joint_states", SOURCE)
    file = faults_file(tmp_path, "faults: [{kind: contradiction, value: 0.7}]")
    graph.start(STAND_IN, config=str(HARDWARE / "joint-task.yaml"), faults=file)
    graph.until(lambda: {message.position[0] for message in joints} >= {0.0, 0.7})

    def names() -> set[str]:
        return {info.node_name for info in graph.node.get_publishers_info_by_topic("joint_states")}

    # DDS tells of a publisher before it tells of its node.
    graph.until(lambda: names() == {"stand_in", "second_publisher"})
    # Neither has taken the other's place.
    count = len(joints)
    graph.until(lambda: {message.position[0] for message in joints[count:]} == {0.0, 0.7})


def test_a_simulated_robot_misbehaves_as_well(graph: Graph, tmp_path: Path) -> None:
    joints: list[Any] = graph.collect(JointState, "joint_states", NEWEST)
    # Again and again: what happens once may be over before anybody hears it, and best effort loses a message for good.
    often = "{kind: impossible_reading, value: 99.0, per_minute: 600, duration_s: 0.05}"
    text = f"faults: [{{kind: split}}, {{kind: large_pictures}}, {often}]"
    graph.start(SIMULATOR, config="cartpole-image", use_sim_time=True, faults=faults_file(tmp_path, text))
    graph.until(lambda: any(99.0 in message.position for message in joints))
    assert all(len(message.name) == 1 for message in joints)
    # Only now: who takes in large pictures is late for joints.
    pictures = graph.collect(Image, "camera/image_raw", SOURCE)
    graph.until(lambda: pictures)
    assert (pictures[-1].width, pictures[-1].height) == (1280, 720)
