"""Between two episodes: asking whatever brings the robot back to a start, until it has."""

import time
from collections.abc import Callable

from rclpy.client import Client
from rclpy.node import Node
from rclpy.task import Future
from std_srvs.srv import Trigger

from robot_mbrl import topics

RETRY_S = 0.2
"""Between two attempts: a service may not be there yet, and a move home takes a while."""
ANSWER_S = 10.0
"""An attempt without an answer is given up after this long: whoever was asked is gone."""
WARN_EVERY_S = 10.0

SERVICES = {"service": topics.RESET, "home": topics.HOME}
"""The service that each kind of reset asks."""


class Resetting:
    """Carries out the task's reset; used by the sensor node alone.

    Call order: `begin` when an episode is over, `pursue` whenever `next_s` has passed, until `done` is called.
    """

    def __init__(self, node: Node, reset: str, done: Callable[[str], None]) -> None:
        """Be ready to reset, which also precedes the first episode.

        Args:
            node: whose services and clients are used.
            reset: kind of the reset, as the task's YAML gives it.
            done: called once the robot is at a start, with the answer of the service.
        """
        self.message = "waiting for a person to start the episode"
        self.next_s: float | None = None
        """When to pursue the reset next, on steady time; None while a person is awaited."""
        self._node = node
        self._done = done
        self._attempt: Future | None = None
        self._client: Client | None = None
        if reset in SERVICES:
            self._client = node.create_client(Trigger, SERVICES[reset])
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
        if self._attempt is not None:
            self._client.remove_pending_request(self._attempt)
            self._attempt = None
        self.next_s = now_s + RETRY_S
        if not self._client.service_is_ready():
            self._node.get_logger().info(self.message, throttle_duration_sec=WARN_EVERY_S)
            return
        self.message = f"being reset by {self._client.srv_name}"
        self.next_s = now_s + ANSWER_S
        self._attempt = self._client.call_async(Trigger.Request())
        self._attempt.add_done_callback(self._on_answer)

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
