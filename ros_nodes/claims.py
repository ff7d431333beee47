"""One node of each kind per robot: what two of them would do to it, each would take for the other's doing."""

import errno
import hashlib
import socket

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
    domain, namespace, name = node.context.get_domain_id(), node.get_namespace(), node.get_name()
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
