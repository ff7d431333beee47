"""A node that publishes joints on one topic and listens to another, for tests of who else is in the graph."""

import sys

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import JointState

from ros_nodes.parameters import declare
from ros_nodes.runtime import run


class Talker:
    """Says the same again and again."""

    margin_s = 0.0

    def __init__(self) -> None:
        self.node = node = Node("talker")
        topic = declare(node, "topic", "", "where it publishes")
        heard = declare(node, "heard", "", "what it listens to")
        names = declare(node, "joints", "", "names of the joints it reports, separated by commas")
        if topic:
            publisher = node.create_publisher(JointState, topic, 10)
            message = JointState(name=names.split(","))
            period_s = 1.0 / declare(node, "rate_hz", 50.0, "how often it publishes", low=0.1, high=1000.0)
            node.create_timer(
                period_s, lambda: publisher.publish(message), clock=Clock(clock_type=ClockType.STEADY_TIME)
            )
        if heard:
            profile = QoSProfile(depth=1)
            if declare(node, "latched", False, "whether it asks for what was published before it came"):
                profile.durability = DurabilityPolicy.TRANSIENT_LOCAL
            node.create_subscription(JointState, heard, lambda _: None, profile)

    def next_deadline_s(self) -> None:
        return None

    def on_deadline(self, now_s: float) -> None:
        """Never called."""

    def close(self) -> None:
        """Nothing to do."""


if __name__ == "__main__":
    sys.exit(run(Talker))
