"""What is drawn beside a robot as `visualization_msgs`, and the monitor's part that publishes it while it is seen."""

import time
from collections.abc import Sequence
from typing import Any

from geometry_msgs.msg import Point
from rclpy.node import Node
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory
from visualization_msgs.msg import Marker, MarkerArray

from robot_mbrl import messages, topics
from robot_mbrl.config import RunConfig
from robot_mbrl.errors import MessageError
from robot_mbrl.imagined import read_imagined
from robot_mbrl.messages import NANOSECONDS
from robot_mbrl.steps import Observation
from robot_mbrl.views.kinematics import quaternion_of
from robot_mbrl.views.marks import Mark
from robot_mbrl.views.outlook import Outlook
from robot_mbrl.views.robot_shape import RobotShape
from ros_nodes import qos

PERIOD_S = 0.5
"""How often a goal is drawn at most."""
LIFETIME_S = 4.0
"""After which viewers take away what is not drawn anew, as where the robot stands; slow learners imagine seldom."""
WARN_EVERY_S = 10.0
_KINDS = {
    "box": Marker.CUBE,
    "cylinder": Marker.CYLINDER,
    "sphere": Marker.SPHERE,
    "mesh": Marker.MESH_RESOURCE,
    "arrow": Marker.ARROW,
    "line": Marker.LINE_STRIP,
}


class Markers:
    """Draws the goal and the bounds by each observation, and what is expected whenever the learner tells it.

    While nobody looks it listens to nothing, so that the learner imagines nothing either.
    """

    def __init__(self, node: Node, config: RunConfig) -> None:
        """Advertise.

        Args:
            node: the monitor.
            config: the run.
        """
        self._node = node
        self._outlook = Outlook(config)
        self._publisher = node.create_publisher(MarkerArray, topics.MARKERS, qos.EVENTS)
        self._listens: list[Any] = []
        self._observed: Observation | None = None
        self._due_s = 0.0

    def follow(self) -> bool:
        """Listen as long as somebody looks; returns whether somebody does."""
        looked_at = self._publisher.get_subscription_count() > 0
        if looked_at and not self._listens:
            listen = self._node.create_subscription
            self._listens = [
                listen(String, topics.ROBOT_DESCRIPTION, self._on_description, qos.LATCHED),
                listen(JointTrajectory, topics.IMAGINED, self._on_imagined, qos.EVENTS),
            ]
        elif not looked_at and self._listens:
            for subscription in self._listens:
                self._node.destroy_subscription(subscription)
            self._listens, self._observed = [], None
        return looked_at

    def show(self, observation: Observation) -> None:
        """Draw the goal and the bounds as of an observation, if somebody looks and it is time."""
        now_s = time.monotonic()
        if now_s < self._due_s or not self.follow():
            return
        self._due_s = now_s + PERIOD_S
        self._observed = observation
        self._publish(self._outlook.now(observation.values), observation.key.stamp_ns)

    def _on_description(self, message: Any) -> None:
        try:
            self._outlook.shape = RobotShape(message.data)
        except MessageError as error:
            self._node.get_logger().warning(f"no ghost is drawn: {error}")

    def _on_imagined(self, message: Any) -> None:
        try:
            imagined = read_imagined(message)
        except MessageError as error:
            self._node.get_logger().warning(str(error), throttle_duration_sec=WARN_EVERY_S)
            return
        values = self._observed.values if self._observed is not None else {}
        self._publish(self._outlook.expected(values, imagined), imagined.key.stamp_ns)

    def _publish(self, marks: Sequence[Mark], stamp_ns: int) -> None:
        if marks:
            self._publisher.publish(marker_array(marks, stamp_ns))


def marker_array(marks: Sequence[Mark], stamp_ns: int, lifetime_s: float = LIFETIME_S) -> Any:
    """The message that viewers draw marks by.

    Args:
        marks: each takes the place of the one that had its number among those of its `space`.
        stamp_ns: when their frames lay as they are meant, which may have moved on since.
        lifetime_s: how long they are seen.
    """
    numbers: dict[str, int] = {}
    markers = []
    for mark in marks:
        number = numbers[mark.space] = numbers.get(mark.space, -1) + 1
        marker = _marker(mark, number)
        messages.write_stamp(marker.header.stamp, stamp_ns)
        marker.lifetime.sec, marker.lifetime.nanosec = divmod(round(lifetime_s * NANOSECONDS), NANOSECONDS)
        markers.append(marker)
    return MarkerArray(markers=markers)


def _marker(mark: Mark, number: int) -> Any:
    marker = Marker(ns=mark.space, id=number, type=_KINDS[mark.kind], action=Marker.ADD)
    marker.header.frame_id = mark.frame
    where, turn = marker.pose.position, marker.pose.orientation
    where.x, where.y, where.z = mark.origin[:3, 3].tolist()
    turn.x, turn.y, turn.z, turn.w = quaternion_of(mark.origin)
    marker.scale.x, marker.scale.y, marker.scale.z = mark.size_m
    marker.color.r, marker.color.g, marker.color.b, marker.color.a = mark.colour
    marker.points = [Point(x=x, y=y, z=z) for x, y, z in mark.points.tolist()]
    marker.mesh_resource = mark.mesh
    return marker
