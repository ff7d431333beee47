"""Classes of messages by the names that a robot's YAML gives them."""

import importlib

from robot_mbrl.errors import ConfigError


def message_type(name: str) -> type:
    """The class of an installed message type.

    Args:
        name: such as sensor_msgs/msg/JointState.

    Raises:
        ConfigError: if no such type is installed.
    """
    package, _, message = name.partition("/msg/")
    try:
        found: type = getattr(importlib.import_module(f"{package}.msg"), message)
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"message type {name} is not installed: install the package {package}, or see its name"
        ) from error
    return found
