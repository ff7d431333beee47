"""The messages that the driver gets; nothing is published here."""

import pytest
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Twist, TwistStamped
from rclpy.serialization import serialize_message

from robot_mbrl.config import CommandConfig
from robot_mbrl.control.command_interface import Command
from ros_nodes.commands import command_messages, command_topics
from tests.control.robots import COMMANDS

STAMP = Time(sec=3, nanosec=4)


def command(kind: str, message_type: str) -> Command:
    return Command(CommandConfig.model_validate(COMMANDS[kind] | {"type": message_type}), (0.5, -0.25))


def message(kind: str, message_type: str) -> object:
    ((_, filled),) = command_messages(command(kind, message_type), STAMP, horizon_s=1.02)
    serialize_message(filled)  # Dies if a field holds what it cannot.
    return filled


def with_gains(**changes: object) -> Command:
    """Positions with gains, as drivers of legged robots take them."""
    gains = {"interfaces": ["kp", "position", "kd"], "constants": {"kp": 80.0, "kd": 2.0}}
    config = CommandConfig.model_validate(COMMANDS["position"] | gains | changes)
    return Command(config, (0.5, -0.25), {"kp": (80.0, 80.0), "kd": (2.0, 1.0)})


def test_arrays_are_in_order_of_the_joints() -> None:
    assert list(message("effort", "std_msgs/msg/Float64MultiArray").data) == [0.5, -0.25]


@pytest.mark.parametrize("kind", ["position", "velocity", "effort"])
def test_joint_states_fill_the_field_of_their_kind_only(kind: str) -> None:
    joints = message(kind, "sensor_msgs/msg/JointState")
    assert joints.name == ["a", "b"]
    assert joints.header.stamp == STAMP
    assert {field: list(getattr(joints, field)) for field in ("position", "velocity", "effort")} == {
        "position": [],
        "velocity": [],
        "effort": [],
        kind: [0.5, -0.25],
    }


def test_trajectories_have_one_point_that_lies_ahead() -> None:
    trajectory = message("position", "trajectory_msgs/msg/JointTrajectory")
    (point,) = trajectory.points
    assert trajectory.joint_names == ["a", "b"]
    assert list(point.positions) == [0.5, -0.25]
    assert (point.time_from_start.sec, point.time_from_start.nanosec) == (1, 20_000_000)
    # "Now", whatever the clocks of the two computers say.
    assert trajectory.header.stamp == Time()


def test_twists_fill_the_named_axes() -> None:
    expected = Twist()
    expected.linear.x, expected.angular.z = 0.5, -0.25
    assert message("twist", "geometry_msgs/msg/Twist") == expected
    stamped = TwistStamped(twist=expected)
    stamped.header.stamp = STAMP
    assert message("twist", "geometry_msgs/msg/TwistStamped") == stamped


@pytest.mark.parametrize(
    ("layout", "data"),
    [
        ("by_joint", [80.0, 0.5, 2.0, 80.0, -0.25, 1.0]),
        ("by_interface", [80.0, 80.0, 0.5, -0.25, 2.0, 1.0]),
    ],
)
def test_gains_stand_beside_positions_in_the_order_of_the_yaml(layout: str, data: list[float]) -> None:
    ((_, filled),) = command_messages(with_gains(layout=layout), STAMP, horizon_s=1.02)
    assert list(filled.data) == data


def test_interfaces_with_a_topic_of_their_own_are_sent_there_after_the_positions() -> None:
    command = with_gains(interface_topics={"kp": "stiffness", "kd": "damping"})
    sent = [(topic, list(filled.data)) for topic, filled in command_messages(command, STAMP, horizon_s=1.02)]
    assert sent == [("positions", [0.5, -0.25]), ("stiffness", [80.0, 80.0]), ("damping", [2.0, 1.0])]
    assert list(command_topics(command.config)) == ["positions", "stiffness", "damping"]


def test_joint_states_carry_the_further_fields_that_they_have() -> None:
    constants = {"interfaces": ["position", "effort"], "constants": {"effort": 0.0}}
    config = CommandConfig.model_validate(COMMANDS["position"] | constants | {"type": "sensor_msgs/msg/JointState"})
    command = Command(config, (0.5, -0.25), {"effort": (0.0, 0.0)})
    ((_, filled),) = command_messages(command, STAMP, horizon_s=1.02)
    assert (list(filled.position), list(filled.velocity), list(filled.effort)) == ([0.5, -0.25], [], [0.0, 0.0])
