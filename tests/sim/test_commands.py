"""Command messages of every type a robot's YAML can name."""

import math
from types import SimpleNamespace as Message

import pytest

from robot_mbrl.config import CommandConfig
from robot_mbrl.errors import MessageError
from sim.commands import command_readers, read_command


def config(kind, message_type, *names):
    followed = {"max_following_error": 1} if kind == "position" else {}
    limits = {"low": -1, "high": 1, "max_rate": 1, "max_acceleration": 1, **followed}
    joints = [{"name": name, "unit": "", **limits} for name in names]
    source = "joints" if kind == "position" else None
    raw = {"topic": "commands", "type": message_type, "kind": kind, "source": source, "joints": joints}
    return CommandConfig.model_validate(raw)


ARRAY = config("effort", "std_msgs/msg/Float64MultiArray", "a", "b")
STATE = config("velocity", "sensor_msgs/msg/JointState", "a", "b")
TRAJECTORY = config("position", "trajectory_msgs/msg/JointTrajectory", "a", "b")
GAINS = {"interfaces": ("position", "kp", "kd"), "constants": {"kp": 80.0, "kd": 2.0}}
STIFF = config("position", "std_msgs/msg/Float64MultiArray", "a", "b").model_copy(update=GAINS)
TWIST = config("twist", "geometry_msgs/msg/Twist", "linear.x", "angular.z")
STAMPED = config("twist", "geometry_msgs/msg/TwistStamped", "linear.x", "angular.z")


def twist(x, z):
    zero = {"x": 0.0, "y": 0.0, "z": 0.0}
    return Message(linear=Message(**{**zero, "x": x}), angular=Message(**{**zero, "z": z}))


@pytest.mark.parametrize(
    ("message", "command", "values"),
    [
        (Message(data=[1.0, 2.0]), ARRAY, {"a": 1.0, "b": 2.0}),
        (Message(name=["b", "a"], velocity=[2.0, 1.0], position=[], effort=[]), STATE, {"a": 1.0, "b": 2.0}),
        (
            Message(joint_names=["b", "a"], points=[Message(positions=[9.0, 9.0]), Message(positions=[2.0, 1.0])]),
            TRAJECTORY,
            {"a": 1.0, "b": 2.0},
        ),
        (
            Message(data=[1.0, 80.0, 2.0, 3.0, 70.0, 1.0]),
            STIFF,
            {"a": 1.0, "a/kp": 80.0, "a/kd": 2.0, "b": 3.0, "b/kp": 70.0, "b/kd": 1.0},
        ),
        (
            Message(data=[1.0, 3.0, 80.0, 70.0, 2.0, 1.0]),
            STIFF.model_copy(update={"layout": "by_interface"}),
            {"a": 1.0, "a/kp": 80.0, "a/kd": 2.0, "b": 3.0, "b/kp": 70.0, "b/kd": 1.0},
        ),
        (twist(0.5, -1.0), TWIST, {"linear.x": 0.5, "angular.z": -1.0}),
        (Message(twist=twist(0.5, -1.0)), STAMPED, {"linear.x": 0.5, "angular.z": -1.0}),
    ],
)
def test_commands_are_read_by_joint(message, command, values):
    assert read_command(message, command) == values


@pytest.mark.parametrize(
    ("message", "command", "complaint"),
    [
        (Message(data=[1.0]), ARRAY, "1 commands for 2 joints"),
        (Message(data=[1.0, 3.0]), STIFF, "2 commands for 6 joints"),
        (Message(data=[1.0, 80.0, math.nan, 3.0, 70.0, 1.0]), STIFF, "not finite: .'a/kd'."),
        (Message(data=[1.0, math.nan]), ARRAY, "not finite"),
        (Message(data=[math.inf, 0.0]), ARRAY, "not finite"),
        (Message(name=["a", "c"], velocity=[1.0, 1.0]), STATE, "joints are"),
        (Message(name=["a"], velocity=[1.0]), STATE, "joints are"),
        (Message(name=["a", "b"], velocity=[]), STATE, "0 commands for 2 joints"),
        (Message(joint_names=["a", "b"], points=[]), TRAJECTORY, "without points"),
    ],
)
def test_what_commands_nothing_sensible_is_refused(message, command, complaint):
    with pytest.raises(MessageError, match=complaint):
        read_command(message, command)


def test_interfaces_with_topics_of_their_own_are_read_there():
    command = STIFF.model_copy(update={"interface_topics": {"kp": "stiffness", "kd": "damping"}})
    readers = command_readers(command)
    assert readers["commands"](Message(data=[1.0, 3.0])) == {"a": 1.0, "b": 3.0}
    assert readers["stiffness"](Message(data=[80.0, 70.0])) == {"a/kp": 80.0, "b/kp": 70.0}
    with pytest.raises(MessageError, match="not finite"):
        readers["damping"](Message(data=[math.inf, 1.0]))
