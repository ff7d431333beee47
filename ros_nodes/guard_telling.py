"""What the guard tells people and the robot's other nodes: its state at once, and its report."""

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from std_msgs.msg import Bool, String

from robot_mbrl import topics
from robot_mbrl.control.guard import Guard
from robot_mbrl.control.latency import LatencyHistogram
from robot_mbrl.specs import Source
from ros_nodes import diagnostics, qos

CALM = ("moving", "resetting")
"""States that need nobody's attention."""


class GuardTelling:
    """Publishes `state`, `moving` and `guard` as they change, and the report once a second beside `/diagnostics`."""

    def __init__(self, node: Node, guard: Guard, latency: LatencyHistogram, *, shadow: bool) -> None:
        """Advertise.

        Args:
            node: of the guard.
            guard: who has something to say.
            latency: from observation to command.
            shadow: whether nothing is sent to the driver.
        """
        self._node, self._guard, self._latency, self._shadow = node, guard, latency, shadow
        self._reported: tuple[object, ...] = ()
        """As told last: state, its reason, and what people and whatever resets the scene go by."""
        self._told_state, self._told_moving = "", False
        self._reports = node.create_publisher(DiagnosticArray, topics.GUARD, qos.EVENTS)
        self._states = node.create_publisher(String, topics.STATE, qos.LATCHED)
        self._movings = node.create_publisher(Bool, topics.MOVING, qos.LATCHED)
        node.create_timer(diagnostics.PERIOD_S, self.publish_report, clock=Clock(clock_type=ClockType.STEADY_TIME))
        diagnostics.publish_regularly(node, self._report)

    def tell(self) -> None:
        """Tell at once of what has changed, since people and whatever resets the scene go by it."""
        guard = self._guard
        state, moving = guard.state, guard.is_moving
        if moving != self._told_moving or not self._told_state:
            self._movings.publish(Bool(data=moving))
        if state != self._told_state:
            self._states.publish(String(data=state))
            self._log(state)
        self._told_state, self._told_moving = state, moving
        watch, jogging = guard.watch, guard.moves.jogging
        report = (
            state,
            guard.acting is Source.TELEOP,
            guard.takeover.state,
            jogging.number,
            jogging.told,
            guard.stopped,
            guard.may_reset,
            watch.emergency_pressed,
            watch.held_off,
            watch.may_enable,
        )
        if report != self._reported:
            self._reported = report
            self.publish_report()

    def publish_report(self) -> None:
        """Publish the report."""
        self._reports.publish(self._report())

    def _log(self, state: str) -> None:
        log, detail = self._node.get_logger(), self._guard.detail
        text = f"{state}: {detail}" if detail else state
        if self._guard.machine.latched:
            log.error(text)
        elif state.removesuffix(topics.SHADOW) in CALM:
            log.info(text)
        else:
            log.warning(text)

    def _report(self) -> DiagnosticArray:
        guard, decisions, jogging = self._guard, self._guard.decisions, self._guard.moves.jogging
        values: dict[str, object] = {
            "steps": decisions.steps,
            "late": decisions.late,
            "stops": decisions.stops,
            "latency_p50_ms": round(self._latency.percentile_ms(0.50), 3),
            "latency_p99_ms": round(self._latency.percentile_ms(0.99), 3),
            "latency_max_ms": round(self._latency.max_ms, 3),
            "state": guard.state,
            "detail": guard.detail,
            "moving": guard.is_moving,
            "shadow": self._shadow,
            "acting": guard.acting.name.lower(),
            "takeover": guard.takeover.state.value,
            "speed_scale": guard.pipeline.speed_scale,
            "jog": jogging.told,
            "jog_number": jogging.number,
            "jog_from": "" if jogging.start is None else jogging.start,
            "enabled": guard.watch.enabled,
            "may_enable": guard.watch.may_enable,
            "held_off": guard.watch.held_off,
            "stopped": guard.stopped or "",
            "latched": guard.machine.latched,
            "emergency_pressed": guard.watch.emergency_pressed,
            "may_reset": guard.may_reset,
        }
        values |= {f"intervention.{reason}": count for reason, count in sorted(guard.machine.counts.items())}
        message = f"{guard.state}: {guard.detail}" if guard.detail else guard.state
        level = diagnostics.ERROR if guard.machine.latched else diagnostics.WARN
        return diagnostics.report(self._node, level if guard.stopped else diagnostics.OK, message, values)
