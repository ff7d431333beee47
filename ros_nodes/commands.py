"""The guard's commands as the messages that the robot's YAML asks for."""

from array import array
from collections.abc import Iterator
from typing import Any

from builtin_interfaces.msg import Duration, Time
from geometry_msgs.msg import Twist, TwistStamped
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from robot_mbrl.config import CommandConfig
from robot_mbrl.control.command_interface import Command
from robot_mbrl.messages import NANOSECONDS

TYPES: dict[str, type] = {
    "std_msgs/msg/Float64MultiArray": Float64MultiArray,
    "sensor_msgs/msg/JointState": JointState,
    "trajectory_msgs/msg/JointTrajectory": JointTrajectory,
    "geometry_msgs/msg/Twist": Twist,
    "geometry_msgs/msg/TwistStamped": TwistStamped,
}


def command_topics(config: CommandConfig) -> dict[str, type]:
    """The topics that a command is published on, with their types: its own, and those of interfaces that have one."""
    return {config.topic: TYPES[config.type]} | dict.fromkeys(config.interface_topics.values(), Float64MultiArray)


def command_messages(command: Command, stamp: Time, horizon_s: float) -> Iterator[tuple[str, Any]]:
    """The messages for one command, by topic; that of the kind itself comes first.

    Args:
        command: values in order of the config's joints.
        stamp: the present, for messages that have a header.
        horizon_s: when a trajectory's only point is to be reached; it ends there at rest if no other follows.
    """
    config = command.config
    yield config.topic, _message(command, stamp, horizon_s)
    for interface, topic in config.interface_topics.items():
        yield topic, Float64MultiArray(data=array("d", command.further[interface]))


def _message(command: Command, stamp: Time, horizon_s: float) -> Any:
    config = command.config
    names = [joint.name for joint in config.joints]
    values = array("d", command.values)
    match config.type:
        case "std_msgs/msg/Float64MultiArray":
            return Float64MultiArray(data=_laid_out(command))
        case "sensor_msgs/msg/JointState":
            fields = {name: array("d", command.further.get(name, command.values)) for name in config.carried}
            joints = JointState(name=names, **fields)
            joints.header.stamp = stamp
            return joints
        case "trajectory_msgs/msg/JointTrajectory":
            return _trajectory(names, values, horizon_s)
        case "geometry_msgs/msg/Twist":
            return _twist(names, values)
        case "geometry_msgs/msg/TwistStamped":
            twist = TwistStamped(twist=_twist(names, values))
            twist.header.stamp = stamp
            return twist


def _laid_out(command: Command) -> "array[float]":
    """All interfaces that the message carries, in the order that the robot's YAML gives."""
    columns = [command.further.get(interface, command.values) for interface in command.config.carried]
    rows = zip(*columns, strict=True) if command.config.layout == "by_joint" else columns
    return array("d", (value for row in rows for value in row))


def _trajectory(names: list[str], positions: "array[float]", horizon_s: float) -> JointTrajectory:
    point = JointTrajectoryPoint(positions=positions)
    seconds, nanoseconds = divmod(round(horizon_s * NANOSECONDS), NANOSECONDS)
    point.time_from_start = Duration(sec=seconds, nanosec=nanoseconds)
    # No stamp: a trajectory stamped now has begun in the past by the time it arrives.
    return JointTrajectory(joint_names=names, points=[point])


def _twist(axes: list[str], values: "array[float]") -> Twist:
    twist = Twist()
    for axis, value in zip(axes, values, strict=True):
        vector, component = axis.split(".")
        setattr(getattr(twist, vector), component, value)
    return twist
