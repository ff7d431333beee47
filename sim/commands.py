"""What a command message asks of each joint, for every type that a robot's YAML can name."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from robot_mbrl.config import CommandConfig
from robot_mbrl.control.command_interface import interface_name, laid_out
from robot_mbrl.errors import MessageError


def command_readers(config: CommandConfig) -> dict[str, Callable[[Any], dict[str, float]]]:
    """What reads the messages of each topic that a command is published on, by topic; see `read_command`."""
    readers: dict[str, Callable[[Any], dict[str, float]]] = {config.topic: partial(read_command, config=config)}
    for interface, topic in config.interface_topics.items():
        readers[topic] = partial(_read_interface, config=config, interface=interface)
    return readers


def read_command(message: Any, config: CommandConfig) -> dict[str, float]:
    """Commands by joint, in physical units; those of interfaces beside the kind by `joint/interface`.

    Args:
        message: of the type that `config` gives.
        config: the command topic's joints, in order, and their kind.

    Raises:
        MessageError: if a joint is missing or unknown, or a command is not finite.
    """
    names = [joint.name for joint in config.joints]
    match config.type:
        case "std_msgs/msg/Float64MultiArray":
            values = _pair(laid_out(config), message.data)
        case "sensor_msgs/msg/JointState":
            values = {}
            for interface in config.carried:
                named = [name if interface == config.kind else interface_name(name, interface) for name in message.name]
                values |= _pair(named, getattr(message, interface))
        case "trajectory_msgs/msg/JointTrajectory":
            if not message.points:
                raise MessageError("a trajectory without points commands nothing")
            values = _pair(message.joint_names, message.points[-1].positions)
        case "geometry_msgs/msg/Twist":
            values = {name: _axis(message, name) for name in names}
        case "geometry_msgs/msg/TwistStamped":
            values = {name: _axis(message.twist, name) for name in names}
    if values.keys() != set(laid_out(config)):
        raise MessageError(f"commands for {sorted(values)}; this topic's joints are {sorted(names)}")
    return _finite(values)


def _read_interface(message: Any, config: CommandConfig, interface: str) -> dict[str, float]:
    """What an interface with a topic of its own is commanded, by `joint/interface`."""
    return _finite(_pair([interface_name(joint.name, interface) for joint in config.joints], message.data))


def _finite(values: dict[str, float]) -> dict[str, float]:
    if bad := [name for name, value in values.items() if not math.isfinite(value)]:
        raise MessageError(f"commands that are not finite: {bad}")
    return values


def _pair(names: Any, values: Any) -> dict[str, float]:
    if len(names) != len(values):
        raise MessageError(f"{len(values)} commands for {len(names)} joints")
    return dict(zip(names, map(float, values), strict=True))


def _axis(twist: Any, axis: str) -> float:
    vector, _, component = axis.partition(".")
    return float(getattr(getattr(twist, vector), component))
