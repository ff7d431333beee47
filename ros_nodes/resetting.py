"""Between two episodes: asking whatever brings the robot back to a start, until it has."""

import time
from collections.abc import Callable
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.client import Client
from rclpy.node import Node
from rclpy.task import Future
from std_srvs.srv import Trigger

from robot_mbrl import topics
from robot_mbrl.config import TaskConfig
from ros_nodes import qos

RETRY_S = 0.2
"""Between two attempts: a service may not be there yet, and a move home takes a while."""
PERMISSION_S = 3.0
"""How long the guard's word counts, which it repeats every second."""
WARN_EVERY_S = 10.0

SERVICES = {"service": topics.RESET, "home": topics.HOME}
"""The service that each kind of reset asks."""


class Resetting:
    """Carries out the task's reset; used by the sensor node alone.

    Call order: `begin` when an episode is over, `pursue` whenever `next_s` has passed, until `done` is called. Whatever
    resets the scene of a real robot moves as well: it is asked only while the guard says that the robot may move.
    """

    def __init__(self, node: Node, task: TaskConfig, done: Callable[[str], None], *, simulated: bool) -> None:
        """Be ready to reset, which also precedes the first episode.

        Args:
            node: whose services and clients are used.
            task: kind and patience of the reset.
            done: called once the robot is at a start, with the answer of the service.
            simulated: whether the robot is a simulated one, whose reset needs nobody's permission.
        """
        self.message = "waiting for a person to start the episode"
        self.next_s: float | None = None
        """When to pursue the reset next, on steady time; None while a person is awaited."""
        self._node = node
        self._done = done
        self._timeout_s = task.reset_timeout_s
        self._permitted_until_s = float("inf") if simulated else float("-inf")
        self._asked_s = 0.0
        self._attempt: Future | None = None
        self._client: Client | None = None
        if task.reset in SERVICES:
            self._client = node.create_client(Trigger, SERVICES[task.reset])
            if not simulated:
                node.create_subscription(DiagnosticArray, topics.GUARD, self._on_guard, qos.EVENTS)
            self.begin()

    def begin(self) -> None:
        """Start over."""
        if self._client is not None:
            self.message = f"waiting for service {self._client.srv_name}"
            self.next_s = time.monotonic()

    def postpone(self, now_s: float) -> None:
        """Ask a little later."""
        if self.next_s is not None:
            self.next_s = now_s + RETRY_S

    def pursue(self, now_s: float) -> None:
        """Ask, or ask again."""
        if self._client is None or self.next_s is None or now_s < self.next_s:
            return
        self.next_s = now_s + RETRY_S
        if not self._client.service_is_ready():
            self._give_up()
            self.message = f"waiting for service {self._client.srv_name}"
        elif self._attempt is None or now_s - self._asked_s >= self._timeout_s:
            self._give_up()
            if now_s <= self._permitted_until_s:
                self._ask(self._client, now_s)
            else:
                self.message = "waiting for the robot to be enabled: what resets it may move"
        self._node.get_logger().info(self.message, throttle_duration_sec=WARN_EVERY_S)

    def _ask(self, client: Client, now_s: float) -> None:
        self.message = f"being reset by {client.srv_name}"
        self._asked_s = now_s
        self._attempt = client.call_async(Trigger.Request())
        self._attempt.add_done_callback(self._on_answer)

    def _give_up(self) -> None:
        if self._attempt is not None and self._client is not None:
            self._client.remove_pending_request(self._attempt)
            self._attempt = None

    def _on_answer(self, attempt: Future) -> None:
        if attempt is not self._attempt:
            return
        self._attempt = None
        answer = attempt.result()
        if answer.success:
            self.next_s = None
            self._done(answer.message)
        else:
            self.message = f"not reset yet: {answer.message}"
            self.next_s = time.monotonic() + RETRY_S

    def _on_guard(self, message: Any) -> None:
        report = {pair.key: pair.value for status in message.status for pair in status.values}
        allowed = report.get("may_reset") == "True"
        self._permitted_until_s = time.monotonic() + PERMISSION_S if allowed else float("-inf")
