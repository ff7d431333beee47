"""The messages that the driver gets; nothing is published here."""

import pytest
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Twist, TwistStamped
from rclpy.serialization import serialize_message

from robot_mbrl.config import CommandConfig
from robot_mbrl.control.command_interface import Command
from ros_nodes.commands import command_message
from tests.control.robots import COMMANDS

STAMP = Time(sec=3, nanosec=4)


def command(kind: str, message_type: str) -> Command:
    return Command(CommandConfig.model_validate(COMMANDS[kind] | {"type": message_type}), (0.5, -0.25))


def message(kind: str, message_type: str) -> object:
    filled = command_message(command(kind, message_type), STAMP, horizon_s=1.02)
    serialize_message(filled)  # Dies if a field holds what it cannot.
    return filled


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
