"""Declaring parameters: each with a description and, for numbers, a range that ROS itself enforces."""

from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node

from robot_mbrl.errors import ConfigError

_TYPES = {bool: "boolean", int: "whole number", float: "number with a point", str: "string"}


def declare(
    node: Node,
    name: str,
    default: Any,
    description: str,
    *,
    low: float | None = None,
    high: float | None = None,
    dynamic: bool = False,
) -> Any:
    """Declare one parameter and return its value.

    Args:
        node: the node that owns it.
        name: its name.
        default: its default, which also fixes its type.
        description: one sentence for `ros2 param describe`, with the unit and, for choices, what may be chosen.
        low: smallest value of a number.
        high: largest value of a number.
        dynamic: whether it may be set while the node runs; others are read once.

    Raises:
        ConfigError: if it was set to a value of another type or out of range.
    """
    descriptor = ParameterDescriptor(description=description, read_only=not dynamic)
    if low is not None and high is not None:
        if isinstance(default, float):
            descriptor.floating_point_range = [FloatingPointRange(from_value=float(low), to_value=float(high))]
        else:
            descriptor.integer_range = [IntegerRange(from_value=int(low), to_value=int(high), step=1)]
    try:
        return node.declare_parameter(name, default, descriptor).value
    except InvalidParameterTypeException as error:
        hint = " (such as 2.0, not 2)" if isinstance(default, float) else ""
        raise ConfigError(f"parameter {name}: must be a {_TYPES[type(default)]}{hint}") from error
    except InvalidParameterValueException as error:
        raise ConfigError(f"parameter {name}: must be from {low} to {high}") from error
