"""What people and whatever resets the scene ask of the guard: their topics, services and the live parameter."""

import time
from collections.abc import Callable
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool
from std_srvs.srv import Trigger

from robot_mbrl import messages, topics
from robot_mbrl.control.guard import Guard
from robot_mbrl.errors import MessageError
from ros_nodes import qos

WARN_EVERY_S = 5.0
JOG_AGE_S = 60.0
"""A jog that was begun longer ago, or so far in the future, is a recorded one, or of a clock that nobody has set."""


class People:
    """Passes their wishes on to the guard, each followed by its decision."""

    def __init__(
        self,
        node: Node,
        guard: Guard,
        now_s: Callable[[], float],
        look_around: Callable[[], None],
        update: Callable[[], None],
    ) -> None:
        """Listen.

        Args:
            node: of the guard.
            guard: whom they ask.
            now_s: the guard's clock.
            look_around: notices who publishes; called before what only one person may say.
            update: publishes the guard's decision.
        """
        self._node, self._guard, self._now_s = node, guard, now_s
        self._look_around, self._update = look_around, update
        node.create_subscription(Bool, topics.TAKEOVER, self._on_takeover, qos.EVENTS)
        node.create_subscription(JointState, topics.TELEOP, self._on_teleop, qos.EVENTS)
        node.create_subscription(JointState, topics.JOG, self._on_jog, qos.EVENTS)
        node.create_subscription(Bool, topics.ENABLE, self._on_enable, qos.EVENTS)
        node.create_subscription(Bool, topics.EMERGENCY_STOP, self._on_emergency_stop, qos.EVENTS)
        node.create_service(Trigger, topics.RESET_STOP, self._on_reset_stop)
        node.create_service(Trigger, topics.HOME, self._on_home)
        node.create_service(Trigger, topics.BRING_BACK, self._on_bring_back)
        node.add_on_set_parameters_callback(self._on_parameters)

    def _on_takeover(self, message: Any) -> None:
        self._look_around()
        self._guard.take_over(message.data, self._now_s())
        self._update()

    def _on_teleop(self, message: Any) -> None:
        self._look_around()
        self._guard.steer(message, self._now_s())
        self._update()

    def _on_enable(self, message: Any) -> None:
        self._guard.enable(message.data, self._now_s())
        self._update()

    def _on_emergency_stop(self, message: Any) -> None:
        self._guard.emergency_stop(message.data, self._now_s())
        self._update()

    def _on_jog(self, message: Any) -> None:
        try:
            ((joint, delta),) = messages.read_named(message).items()
        except (MessageError, ValueError):
            self._node.get_logger().error(
                "jog: a JointState of one joint is expected", throttle_duration_sec=WARN_EVERY_S
            )
            return
        number = messages.read_stamp(message.header.stamp)
        age_s = time.time() - number / messages.NANOSECONDS
        refusal = ""
        if abs(age_s) > JOG_AGE_S:
            refusal = f"its stamp, the time at which it was begun, is {age_s:.0f} s old: set both computers' clocks"
        self._look_around()
        self._guard.jog(number, joint, delta, self._now_s(), refusal)
        self._update()

    def _on_parameters(self, parameters: list[Parameter]) -> SetParametersResult:
        """Scale the speed, if that may be now."""
        for parameter in parameters:
            if parameter.name == "speed_scale" and (refusal := self._guard.scale_speed(parameter.value)):
                return SetParametersResult(successful=False, reason=refusal)
        return SetParametersResult(successful=True)

    def _on_reset_stop(self, request: Any, response: Any) -> Any:
        response.success = self._guard.reset_stop(self._now_s())
        refusal = self._guard.detail or "the emergency stop is still pressed, or not heard"
        response.message = "released" if response.success else refusal
        self._update()
        return response

    def _on_home(self, request: Any, response: Any) -> Any:
        response.success = self._guard.home(self._now_s())
        response.message = "at home" if response.success else "not there yet, or not allowed to move"
        self._update()
        return response

    def _on_bring_back(self, request: Any, response: Any) -> Any:
        response.success = self._guard.bring_back(self._now_s())
        refusal = self._guard.moves.bring_back_refusal or self._guard.detail
        response.message = "inside" if response.success else refusal
        self._update()
        return response
