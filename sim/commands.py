"""What a command message asks of each joint, for every type that a robot's YAML can name."""

import math
from typing import Any

from robot_mbrl.config import CommandConfig
from robot_mbrl.errors import MessageError


def read_command(message: Any, config: CommandConfig) -> dict[str, float]:
    """Commands by joint, in physical units.

    Args:
        message: of the type that `config` gives.
        config: the command topic's joints, in order, and their kind.

    Raises:
        MessageError: if a joint is missing or unknown, or a command is not finite.
    """
    names = [joint.name for joint in config.joints]
    match config.type:
        case "std_msgs/msg/Float64MultiArray":
            values = _pair(names, message.data)
        case "sensor_msgs/msg/JointState":
            values = _pair(message.name, getattr(message, config.kind))
        case "trajectory_msgs/msg/JointTrajectory":
            if not message.points:
                raise MessageError("a trajectory without points commands nothing")
            values = _pair(message.joint_names, message.points[-1].positions)
        case "geometry_msgs/msg/Twist":
            values = {name: _axis(message, name) for name in names}
        case "geometry_msgs/msg/TwistStamped":
            values = {name: _axis(message.twist, name) for name in names}
    if values.keys() != set(names):
        raise MessageError(f"commands for {sorted(values)}; this topic's joints are {sorted(names)}")
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
