"""What a node says of its health on `/diagnostics` and in reports of the same kind."""

from collections.abc import Callable, Mapping

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from robot_mbrl import topics
from ros_nodes import qos

OK = DiagnosticStatus.OK
WARN = DiagnosticStatus.WARN
ERROR = DiagnosticStatus.ERROR

PERIOD_S = 1.0
"""How often a node reports."""


def report(node: Node, level: bytes, message: str, values: Mapping[str, object]) -> DiagnosticArray:
    """A report under the node's full name, of the robot that its namespace names.

    Args:
        node: who reports.
        level: `OK`, `WARN` or `ERROR`.
        message: the state of things in one sentence.
        values: figures by name.
    """
    pairs = [KeyValue(key=key, value=str(value)) for key, value in values.items()]
    status = DiagnosticStatus(level=level, name=node.get_fully_qualified_name(), message=message, values=pairs)
    status.hardware_id = node.get_namespace().strip("/")
    array = DiagnosticArray(status=[status])
    array.header.stamp = node.get_clock().now().to_msg()
    return array


def publish_regularly(node: Node, health: Callable[[], DiagnosticArray]) -> None:
    """Publish what `health` returns on `/diagnostics`, once a second of steady time also while simulated time rests."""
    publisher = node.create_publisher(DiagnosticArray, topics.DIAGNOSTICS, qos.EVENTS)
    node.create_timer(PERIOD_S, lambda: publisher.publish(health()), clock=Clock(clock_type=ClockType.STEADY_TIME))
