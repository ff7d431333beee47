"""One node of each kind per robot: what two of them would do to it, each would take for the other's doing."""

import errno
import hashlib
import os
import socket
from collections.abc import Collection

from rclpy.node import Node

from robot_mbrl.errors import ConfigError

CLAIMING = ("actuator", "policy", "sensor")
"""Kinds of nodes, which are also their names, of which a robot has one."""


def claim(node: Node) -> socket.socket:
    """Let no other process on this computer be the same node of the same robot, as long as what is returned is kept.

    Of two guards, each keeps its own commands within the limits of rate and acceleration; the robot gets both. Of two
    sensor or policy nodes, nobody knows whose observation or action the next one is. The claim is a name of the
    kernel's, which goes with the process however that ends. On another computer it says nothing: there the guard
    notices the second one by the graph (`ros_nodes.publishers`).

    Raises:
        ConfigError: if another process has it.
    """
    return _claim(node.context.get_domain_id(), node.get_namespace(), node.get_name())


def refuse_second(namespace: str, names: Collection[str]) -> None:
    """Refuse to start nodes of which the robot has one on this computer, before any process has begun.

    Args:
        namespace: the robot's.
        names: of the nodes that are to be started; those that need no claim are never refused.

    Raises:
        ConfigError: if there is one of them in this process's ROS domain.
    """
    domain = int(os.environ.get("ROS_DOMAIN_ID") or 0)
    for name in CLAIMING:
        if name in names:
            _claim(domain, namespace, name).close()


def _claim(domain: int, namespace: str, name: str) -> socket.socket:
    # The kernel's names have 107 bytes, ROS's namespaces up to 256.
    whose = hashlib.sha256(f"{domain}{namespace}".encode()).hexdigest()
    claimed = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claimed.bind(f"\0robot-mbrl/{name}/{whose}")
    except OSError as error:
        claimed.close()
        if error.errno != errno.EADDRINUSE:
            raise ConfigError(f"nobody can tell whether {namespace} has another {name} node: {error}") from error
        raise ConfigError(
            f"{namespace} in ROS domain {domain} has another {name} node on this computer already: end that one "
            "first, two would drive one robot"
        ) from None
    return claimed
