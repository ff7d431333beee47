"""Pictures of a real robot: taken and decoded in a thread of their own, only the newest, shortly before each tick.

A picture of 1280x720 costs more than a millisecond to take and several to decode. Those that no observation uses stay
in the middleware, which keeps the newest; those that one uses are decoded between two ticks.
"""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from rclpy.node import Node
from rclpy.subscription import Subscription

from robot_mbrl.control.pacing import LeadTime
from robot_mbrl.messages import NANOSECONDS
from robot_mbrl.sensor_config import SourceConfig
from ros_nodes import qos
from ros_nodes.message_types import message_type

LONGEST_LEAD = 0.5
"""How much of a period pictures may be taken before their tick."""


class CameraThread:
    """Hands the newest picture of each camera to `take`, once before every tick."""

    def __init__(
        self,
        node: Node,
        sources: Mapping[str, SourceConfig],
        *,
        period_s: float,
        next_tick_s: Callable[[], float],
        take: Callable[[str, Any, float], None],
    ) -> None:
        """Subscribe and start the thread.

        Args:
            node: whose topics the sources' are.
            sources: the cameras' sources by name.
            period_s: between two ticks.
            next_tick_s: tells when the next tick is, on steady time.
            take: decodes a picture of a source that arrived at a time.
        """
        # A node that no executor serves, so that nothing takes a picture that is not asked for.
        self._node = Node(
            f"{node.get_name()}_cameras",
            context=node.context,
            namespace=node.get_namespace(),
            use_global_arguments=False,
            enable_rosout=False,
            start_parameter_services=False,
        )
        self._subscriptions = {
            name: self._node.create_subscription(
                message_type(source.type), node.resolve_topic_name(source.topic), _never, qos.sensor(source)
            )
            for name, source in sources.items()
        }
        self._period_s, self._next_tick_s, self._take = period_s, next_tick_s, take
        self._lead = LeadTime(LONGEST_LEAD * period_s)
        self._ending = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="cameras", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Fail in the node's own thread if this one has failed."""
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """End the thread and leave the graph."""
        self._ending.set()
        self._thread.join()
        self._node.destroy_node()

    def _run(self) -> None:
        try:
            tick_s = self._next_tick_s()
            while not self._ending.wait(max(0.0, tick_s - self._lead.lead_s - time.monotonic())):
                self._take_all()
                # The tick after; another one if the loop has skipped some.
                tick_s = max(tick_s + self._period_s, self._next_tick_s())
        except BaseException as failure:
            self._failure = failure  # Raised again by the node's own thread, which ends the process.

    def _take_all(self) -> None:
        begun_s = time.monotonic()
        for name, subscription in self._subscriptions.items():
            taken = _take_newest(subscription)
            if taken is not None:
                self._take(name, *taken)
        self._lead.took(time.monotonic() - begun_s)


def _take_newest(subscription: Subscription) -> tuple[Any, float] | None:
    """The picture that the middleware keeps, and when it arrived on steady time; None if there is none."""
    with subscription.handle:
        taken = subscription.handle.take_message(subscription.msg_type, False)
    if taken is None:
        return None
    message, info = taken
    # Not every middleware tells when it arrived.
    waited_s = (time.time_ns() - info["received_timestamp"]) / NANOSECONDS if info["received_timestamp"] else 0.0
    return message, time.monotonic() - max(0.0, waited_s)


def _never(message: Any) -> None:
    """No executor calls it."""
