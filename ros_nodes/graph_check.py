"""What the graph says of a driver before anything moves: who is there, by which middleware, and who hears commands."""

import os
from collections.abc import Iterable, Iterator
from typing import Any

from rclpy.node import Node
from rclpy.utilities import get_rmw_implementation_identifier

from robot_mbrl import __version__
from robot_mbrl.config import CommandConfig, RobotConfig
from robot_mbrl.readiness.finding import Finding, amber, green, red
from ros_nodes import commands, qos
from ros_nodes.endpoints import Endpoint, Endpoints
from ros_nodes.message_types import message_type
from ros_nodes.publishers import is_onlooker, qos_mismatch

VENDORS = {b"\x01\x0f": "Fast DDS", b"\x01\x10": "Cyclone DDS", b"\x01\x01": "Connext"}
"""How the identities of DDS's participants begin, by who has made it."""


class GraphCheck:
    """Judges the graph, as far as this node sees it."""

    def __init__(self, node: Node, robot: RobotConfig, endpoints: Endpoints) -> None:
        """Begin to look.

        Args:
            node: in the robot's namespace.
            robot: whose driver is looked at.
            endpoints: who is at the other end of topics, watched since the node has joined.
        """
        self._node, self._robot, self._endpoints = node, robot, endpoints
        self._command_types: dict[str, type] = {}
        for command in robot.commands:
            self._command_types |= commands.command_topics(command)

    def judge_company(self, *, heard: bool) -> Iterator[Finding]:
        """Who is there, by which middleware, and with which definitions of the messages.

        Args:
            heard: whether any of the driver's topics was heard.
        """
        domain = self._node.context.get_domain_id()
        middleware = get_rmw_implementation_identifier()
        place = f"domain {domain}, {os.environ.get('ROS_AUTOMATIC_DISCOVERY_RANGE', 'SUBNET')}, {middleware}"
        place += f", ROS {os.environ.get('ROS_DISTRO', 'of PyPI')}, robot-mbrl {__version__}"
        names = self._node.get_node_names_and_namespaces()
        others = {f"{space.rstrip('/')}/{name}" for name, space in names} - {self._node.get_fully_qualified_name()}
        if not others and not heard:
            remedy = (
                "start the driver; set ROS_DOMAIN_ID and RMW_IMPLEMENTATION here as there; open the firewall for UDP"
            )
            yield red("ros.graph", f"nobody else is there: {place}", remedy)
            return
        yield green("ros.graph", f"{place}; nodes: {', '.join(sorted(others)) or 'none by name'}")
        endpoints = list(self._driver_endpoints())
        own = VENDORS.get(self._endpoints.vendor, "")
        foreign = sorted({f"{e} speaks {VENDORS[e.gid[:2]]}" for e in endpoints if _vendor(e) not in ("", own)})
        if own and foreign:
            remedy = "set the same RMW_IMPLEMENTATION on both sides: makers of DDS understand one another in part"
            yield amber("ros.middleware", f"{'; '.join(foreign)}, this side {own}", remedy)
        else:
            yield green("ros.middleware", f"{own or middleware} on both sides")
        yield self._versions(endpoints)

    def _driver_endpoints(self) -> Iterator[Endpoint]:
        for source in self._robot.sources.values():
            yield from self._endpoints.publishers(self._node.resolve_topic_name(source.topic))
        for topic in self._command_types:
            yield from self._endpoints.subscribers(self._node.resolve_topic_name(topic))

    def _versions(self, endpoints: Iterable[Endpoint]) -> Finding:
        """Whether both sides mean the same by the names of their messages, by the definitions' hashes."""
        wanted = {source.type: message_type(source.type) for source in self._robot.sources.values()}
        wanted |= {_message_name(kind): kind for kind in self._command_types.values()}
        hashes = {name: self._hash(kind) for name, kind in wanted.items()}
        differing = sorted(
            f"{endpoint} has another {endpoint.info.topic_type}"
            for endpoint in endpoints
            if (here := hashes.get(endpoint.info.topic_type)) is not None
            and endpoint.info.topic_type_hash.version == here.version
            and endpoint.info.topic_type_hash != here
        )
        if differing:
            remedy = "install the same version of the message's package on both sides"
            return red("ros.messages", "; ".join(differing), remedy)
        return green("ros.messages", f"the same definitions on both sides: {', '.join(sorted(wanted))}")

    def _hash(self, kind: type) -> Any:
        """The hash of a message's definition here: the graph tells it of publishers alone."""
        topic = self._node.resolve_topic_name("~/" + kind.__name__.lower())
        publisher = self._node.create_publisher(kind, topic, qos.EVENTS)
        try:
            own = self._node.get_publishers_info_by_topic(topic)
            return own[0].topic_type_hash if own else None
        finally:
            self._node.destroy_publisher(publisher)

    def judge_command(self, command: CommandConfig) -> Iterator[Finding]:
        """Whether a driver hears a command topic, and nobody but our guard publishes on it."""
        for topic, kind in commands.command_topics(command).items():
            yield from self._command_topic(topic, _message_name(kind))

    def _command_topic(self, name: str, type_name: str) -> Iterator[Finding]:
        of, topic = f"commands.{name}", self._node.resolve_topic_name(name)
        space = self._node.get_namespace()
        refusals, drivers = [], []
        for listener in self._endpoints.subscribers(topic):
            if is_onlooker(listener, space):
                continue
            if listener.info.topic_type != type_name:
                refusals.append(f"{listener} expects {listener.info.topic_type}, the YAML says {type_name}")
            elif reason := qos_mismatch(qos.COMMANDS, listener.info.qos_profile):
                refusals.append(f"{listener} asks for another quality of service ({reason})")
            else:
                drivers.append(str(listener))
        if drivers:
            yield green(f"{of}.heard", f"{type_name} is heard by {', '.join(drivers)}")
        elif refusals:
            yield red(f"{of}.heard", "; ".join(refusals), "correct the type in the YAML, or the driver's subscription")
        else:
            remedy = "start the driver's controller, or correct the command's topic in the robot's YAML"
            yield red(f"{of}.heard", f"no driver listens to {topic}", remedy)
        guard = f"{space.rstrip('/')}/actuator"
        if others := [str(p) for p in self._endpoints.publishers(topic) if p.node != guard]:
            remedy = "end it: nobody but the guard may command the robot"
            yield red(f"{of}.publisher", f"{topic} is published by {', '.join(others)}", remedy)
        else:
            yield green(f"{of}.publisher", "nobody else commands the robot")

    def judge_joystick(self) -> Iterator[Finding]:
        """Whether one joystick, and one only, is there where the YAML has one."""
        if (config := self._robot.teleop) is None or not config.is_heard:
            return
        topic = self._node.resolve_topic_name(config.topic)
        sticks = self._endpoints.publishers(topic)
        if others := [f"{stick} sends {s}" for stick in sticks if (s := stick.info.topic_type) != config.type]:
            remedy = "correct teleop.type in the YAML, or teleop.topic"
            yield red("teleop", f"{', '.join(others)}, the YAML says {config.type}", remedy)
        elif len(sticks) > 1:
            remedy = "end all but one: of two people neither moves the robot"
            yield red("teleop", f"{topic} is published by {', '.join(map(str, sticks))}", remedy)
        elif sticks:
            yield green("teleop", f"{config.type} comes from {sticks[0]}")
        else:
            remedy = f"start its driver, such as ros2 run joy joy_node --ros-args -r __ns:={self._node.get_namespace()}"
            yield amber("teleop", f"no joystick publishes {topic}, so nobody can take over by it", remedy)


def _message_name(kind: type) -> str:
    """The name of a message's type, such as `std_msgs/msg/String`."""
    package, _, _ = kind.__module__.partition(".")
    return f"{package}/msg/{kind.__name__}"


def _vendor(endpoint: Endpoint) -> str:
    return VENDORS.get(endpoint.gid[:2], "")
