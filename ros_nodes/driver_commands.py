"""What a driver is told: the guard's commands on the topics of the YAML, and the same again for who looks on."""

from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.publisher import Publisher
from sensor_msgs.msg import JointState

from robot_mbrl import messages, topics
from robot_mbrl.config import RobotConfig
from robot_mbrl.control.command_interface import Command
from ros_nodes import commands, qos

TRAJECTORY_PERIODS = 2.0
"""Command periods that a trajectory's point lies ahead, so that the next one comes before it is reached."""
ACKNOWLEDGED_S = 0.2
"""Longest that shutting down waits until the driver has the last stop: a message is lost with the node that sent it."""


class DriverCommands:
    """The guard's voice, which is silent in shadow: what has no publisher sends nothing."""

    def __init__(self, node: Node, robot: RobotConfig, *, shadow: bool) -> None:
        """Advertise.

        Args:
            node: who commands.
            robot: which topics, and at which rate.
            shadow: whether nothing is sent to the driver.
        """
        self._node = node
        self._horizon_s = TRAJECTORY_PERIODS / robot.guard.command_rate_hz
        self._shaped = node.create_publisher(JointState, topics.SHAPED_COMMAND, qos.EVENTS)
        # Asked for once a second: for most of the time nobody listens, and it would be half of the work.
        self._shaped_is_wanted = False
        self._drivers = {
            topic: node.create_publisher(kind, topic, qos.COMMANDS)
            for command in robot.commands
            for topic, kind in commands.command_topics(command).items()
            if not shadow
        }

    @property
    def publishers(self) -> list[Publisher]:
        """Of the driver's command topics."""
        return list(self._drivers.values())

    def notice_onlookers(self) -> None:
        """See whether anybody wants the commands by name."""
        self._shaped_is_wanted = self._shaped.get_subscription_count() > 0

    def send(self, shaped: tuple[Command, ...]) -> None:
        """Tell the driver, and whoever looks on."""
        stamp = self._node.get_clock().now().to_msg()
        values: dict[str, float] = {}
        for command in shaped:
            for topic, message in commands.command_messages(command, stamp, self._horizon_s):
                if topic in self._drivers:
                    self._drivers[topic].publish(message)
            values |= command.named()
        if self._shaped_is_wanted:
            repeated = JointState()
            repeated.header.stamp = stamp
            messages.write_named(repeated, values)
            self._shaped.publish(repeated)

    def await_heard(self) -> None:
        """Wait, not for long, until the driver has what was sent last."""
        for driver in self._drivers.values():
            driver.wait_for_all_acked(Duration(seconds=ACKNOWLEDGED_S))
