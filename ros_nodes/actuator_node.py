"""Moves the robot: takes the policy's actions through the guard to the driver, and stops when anything is amiss."""

import math
import sys
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, String
from std_srvs.srv import Trigger

from robot_mbrl import messages, topics
from robot_mbrl.config import RobotConfig, load_run
from robot_mbrl.control.command_interface import Command
from robot_mbrl.control.guard import Guard
from robot_mbrl.control.latency import LatencyHistogram
from robot_mbrl.control.stops import Reason
from robot_mbrl.errors import ConfigError, MessageError
from robot_mbrl.robot_config import SLOWEST_SCALE
from robot_mbrl.specs import Source
from robot_mbrl.steps import Action, StepKey
from ros_nodes import commands, diagnostics, qos
from ros_nodes.claims import claim
from ros_nodes.message_types import check_robot, message_type
from ros_nodes.parameters import declare
from ros_nodes.publishers import Conflict, ConflictKind, PublisherWatch
from ros_nodes.runtime import run, with_info

PRIORITY = 20
"""Real-time priority, above the sensor's and the policy's: the guard is who notices that they are late."""
CLOSING_S = 3.0
"""Longest that shutting down waits for the robot's commands to come to rest."""
CLOSING_COMMANDS = 3
"""How many times the last stop is sent once the commands are at rest."""
ACKNOWLEDGED_S = 0.2
"""Longest that shutting down waits until the driver has that one: a message is lost with the node that sent it."""
TRAJECTORY_PERIODS = 2.0
"""Command periods that a trajectory's point lies ahead, so that the next one comes before it is reached."""
WARN_EVERY_S = 5.0
LOOK_AROUND_S = 0.25
REST_S = 60.0
"""How long a real robot stays enabled while no episode begins, beside the time that a reset may take."""
CONFLICTS = {ConflictKind.PUBLISHERS: Reason.SECOND_PUBLISHER, ConflictKind.UNHEARD: Reason.NO_DRIVER}
LONGEST_AGE_S = 3600.0
"""An observation that seems older than this was stamped by a clock that is not this computer's."""


class ActuatorNode:
    """Shell around `Guard`."""

    margin_s = 0.0003

    def __init__(self) -> None:
        """Listen, and repeat the safe stop until the robot may move."""
        self.node = node = Node("actuator")
        config = load_run(declare(node, "config", "", "task name, path of a task's YAML or of a run's config.yaml"))
        check_robot(config.robot)
        self._claim = claim(node)
        self._speed = declare(node, "speed", 1.0, "simulated seconds per second; 1 on a robot", low=0.01, high=1000.0)
        lockstep = declare(node, "lockstep", False, "whether the simulator waits for every command: one per step")
        enabled = declare(node, "enable_on_start", False, "whether the robot may move without a person who enables it")
        self._shadow = declare(node, "shadow", False, "whether nothing is sent to the driver, while all else goes on")
        scale = declare(
            node,
            "speed_scale",
            1.0,
            "share of every joint's speed; lowered at any time, raised only while disabled",
            low=SLOWEST_SCALE,
            high=1.0,
            dynamic=True,
        )
        if not declare(node, "simulated", False, "whether the robot is a simulated one"):
            _refuse_of_a_real_robot(self._speed, lockstep=lockstep, enabled=enabled)
        self._spec = config.action_spec()
        rest_s = REST_S + config.task.reset_timeout_s if config.task.reset != "human" else math.inf
        self._guard = Guard(
            config.robot, config.step_s, enabled=enabled, lockstep=lockstep, rest_s=rest_s, shadow=self._shadow
        )
        self._guard.takeover.speed = self._speed
        self._guard.scale_speed(scale)
        node.add_on_set_parameters_callback(self._on_parameters)
        self._horizon_s = TRAJECTORY_PERIODS / config.robot.guard.command_rate_hz
        self._period_s = 1.0 / config.robot.guard.command_rate_hz / self._speed
        self._latency = LatencyHistogram()
        # When the observations whose actions are measured were sent, on `time.monotonic`.
        self._sent_s: dict[StepKey, float] = {}
        self._reported: tuple[object, ...] = ()
        """As told last: state, its reason, and what people and whatever resets the scene go by."""
        self._told_state, self._told_moving = "", False
        measured = {command.source for command in config.robot.commands if command.source is not None}
        self._of_joints = {name: config.robot.sources[name].topic for name in measured}
        """Topics of the joints' measurements, by the names of their sources."""
        self._advertise(config.robot)
        self._subscribe(config.robot, qos.LOCKSTEP if lockstep else qos.FOLLOWED)
        self._watch = PublisherWatch(
            node,
            exclusive=(topics.OBSERVATION, topics.ACTION),
            commands=list(self._drivers.values()),
            sources=self._of_joints.values(),
            people=(topics.TELEOP, topics.TAKEOVER),
        )
        self._conflicts: tuple[Conflict, ...] = ()

    def next_deadline_s(self) -> float:
        """When the guard must be asked again."""
        return self._guard.next_deadline_s() / self._speed

    def on_deadline(self, now_s: float) -> None:
        """Ask it."""
        self._update()

    def close(self) -> None:
        """Bring the robot's commands to rest; nothing is listened to any more."""
        self._guard.shut_down(self._now_s())
        give_up_s = time.monotonic() + CLOSING_S
        sent = 0
        while time.monotonic() < give_up_s and sent < CLOSING_COMMANDS:
            time.sleep(self._period_s)
            self._update()
            sent += self._guard.at_rest
        for driver in self._drivers.values():
            driver.wait_for_all_acked(Duration(seconds=ACKNOWLEDGED_S))

    def _now_s(self) -> float:
        return time.monotonic() * self._speed

    def _advertise(self, robot: RobotConfig) -> None:
        node = self.node
        self._applied = node.create_publisher(JointState, topics.APPLIED_ACTION, qos.STEPS)
        self._shaped = node.create_publisher(JointState, topics.SHAPED_COMMAND, qos.EVENTS)
        # Asked for once a second: for most of the time nobody listens, and it would be half of the work.
        self._shaped_is_wanted = False
        self._drivers = {
            topic: node.create_publisher(kind, topic, qos.COMMANDS)
            for command in robot.commands
            for topic, kind in commands.command_topics(command).items()
            # What has no publisher sends nothing.
            if not self._shadow
        }
        self._reports = node.create_publisher(DiagnosticArray, topics.GUARD, qos.EVENTS)
        self._states = node.create_publisher(String, topics.STATE, qos.LATCHED)
        self._movings = node.create_publisher(Bool, topics.MOVING, qos.LATCHED)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        node.create_timer(diagnostics.PERIOD_S, self._publish_report, clock=steady)
        node.create_timer(LOOK_AROUND_S, self._on_time, clock=steady)
        diagnostics.publish_regularly(node, self._report)
        node.create_service(Trigger, topics.RESET_STOP, self._on_reset_stop)
        node.create_service(Trigger, topics.HOME, self._on_home)
        node.create_service(Trigger, topics.BRING_BACK, self._on_bring_back)

    def _subscribe(self, robot: RobotConfig, observations: QoSProfile) -> None:
        node = self.node
        node.create_subscription(JointState, topics.OBSERVATION, with_info(self._on_observation), observations)
        node.create_subscription(JointState, topics.ACTION, self._on_action, qos.ACTION)
        node.create_subscription(Bool, topics.TAKEOVER, self._on_takeover, qos.EVENTS)
        node.create_subscription(JointState, topics.TELEOP, self._on_teleop, qos.EVENTS)
        node.create_subscription(JointState, topics.JOG, self._on_jog, qos.EVENTS)
        node.create_subscription(Bool, topics.ENABLE, self._on_enable, qos.EVENTS)
        node.create_subscription(Bool, topics.EMERGENCY_STOP, self._on_emergency_stop, qos.EVENTS)
        for name in self._of_joints.keys() | {condition.source for condition in robot.guard.conditions}:
            source = robot.sources[name]
            node.create_subscription(
                message_type(source.type),
                source.topic,
                with_info(lambda message, info, name=name: self._on_driver(name, message, info)),
                qos.sensor(source),
            )

    def _look_around(self) -> None:
        """Let nobody's message count who is not alone, and no command go where nobody hears it."""
        conflicts = self._watch.update(time.monotonic())
        if conflicts == self._conflicts:
            return
        self._conflicts = conflicts
        told = {kind: "; ".join(c.text for c in conflicts if c.kind is kind) for kind in ConflictKind}
        for kind, reason in CONFLICTS.items():
            self._guard.note(reason, told[kind], self._now_s())
        self._guard.takeover.contest(told[ConflictKind.PEOPLE], self._now_s())

    def _on_observation(self, message: Any, info: dict[str, int]) -> None:
        try:
            is_last = bool(messages.read_named(message)[topics.IS_LAST])
        except (MessageError, KeyError) as error:
            self.node.get_logger().error(f"observation refused: {error!r}", throttle_duration_sec=WARN_EVERY_S)
            return
        self._look_around()
        key = messages.read_key(message)
        age_s = self._age_s(info["source_timestamp"])
        if self._guard.observe(key, is_last, self._now_s(), age_s * self._speed) and not is_last:
            self._sent_s[key] = time.monotonic() - age_s
        self._update()

    def _age_s(self, sent_ns: int) -> float:
        """How long a message has been on its way, by the clock that its sender on this computer shares."""
        age_s = time.time_ns() / messages.NANOSECONDS - sent_ns / messages.NANOSECONDS
        if age_s > LONGEST_AGE_S:
            self.node.get_logger().warning(
                "the age of observations is ignored, and counts from their arrival: their sender's clock is hours "
                "behind; run the sensor node on this computer, or synchronise the clocks",
                throttle_duration_sec=WARN_EVERY_S,
            )
            return 0.0
        return max(0.0, age_s)

    def _on_time(self) -> None:
        """Look around also while no message comes."""
        self._look_around()
        self._update()

    def _on_action(self, message: Any) -> None:
        self._look_around()
        self._guard.receive_message(message, self._now_s())
        self._update()

    def _on_driver(self, source: str, message: Any, info: dict[str, int]) -> None:
        if source in self._of_joints:
            self._watch.note(self._of_joints[source], message.name, info, time.monotonic())
        self._guard.sense(source, message, self._now_s())
        self._update()

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
            self.node.get_logger().error(
                "jog: a JointState of one joint is expected", throttle_duration_sec=WARN_EVERY_S
            )
            return
        self._guard.jog(messages.read_stamp(message.header.stamp), joint, delta, self._now_s())
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
        response.message = "inside" if response.success else self._guard.moves.bring_back_refusal or self._guard.detail
        self._update()
        return response

    def _update(self) -> None:
        decision = self._guard.update(self._now_s())
        if decision.commands:
            self._command(decision.commands)
        for action in decision.applied:
            self._measure(action)
            message = JointState()
            messages.write_action(message, action, self._spec)
            self._applied.publish(message)
        self._tell()

    def _tell(self) -> None:
        """Tell at once of what has changed, since people and whatever resets the scene go by it."""
        guard = self._guard
        state, moving = guard.state, guard.is_moving
        if moving != self._told_moving or not self._told_state:
            self._movings.publish(Bool(data=moving))
        if state != self._told_state:
            self._states.publish(String(data=state))
            self._log(state)
        self._told_state, self._told_moving = state, moving
        watch = guard.watch
        report = (
            state,
            guard.acting is Source.TELEOP,
            guard.takeover.state,
            guard.moves.jogging.number,
            guard.moves.jogging.told,
            guard.stopped,
            guard.may_reset,
            watch.emergency_pressed,
            watch.held_off,
            watch.may_enable,
        )
        if report != self._reported:
            self._reported = report
            self._publish_report()

    def _command(self, shaped: tuple[Command, ...]) -> None:
        stamp = self.node.get_clock().now().to_msg()
        values: dict[str, float] = {}
        for command in shaped:
            for topic, message in commands.command_messages(command, stamp, self._horizon_s):
                if not self._shadow:
                    self._drivers[topic].publish(message)
            values |= command.named()
        if self._shaped_is_wanted:
            repeated = JointState()
            repeated.header.stamp = stamp
            messages.write_named(repeated, values)
            self._shaped.publish(repeated)

    def _measure(self, action: Action) -> None:
        """Count the time from the sending of an observation, by DDS, until its command was published.

        A late step counts with the time until it was given up, which is at least the deadline; those of a stop do not.
        """
        sent_s = self._sent_s.pop(action.key, None)
        if sent_s is not None and action.source is not Source.STOP:
            self._latency.add((time.monotonic() - sent_s) * 1e3)

    def _log(self, state: str) -> None:
        log, detail = self.node.get_logger(), self._guard.detail
        text = f"{state}: {detail}" if detail else state
        if self._guard.machine.latched:
            log.error(text)
        elif state.removesuffix(topics.SHADOW) in ("moving", "resetting"):
            log.info(text)
        else:
            log.warning(text)

    def _publish_report(self) -> None:
        self._shaped_is_wanted = self._shaped.get_subscription_count() > 0
        self._reports.publish(self._report())

    def _report(self) -> DiagnosticArray:
        guard = self._guard
        values: dict[str, object] = {
            "steps": guard.decisions.steps,
            "late": guard.decisions.late,
            "stops": guard.decisions.stops,
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
            "jog": guard.moves.jogging.told,
            "jog_number": guard.moves.jogging.number,
            "jog_from": "" if guard.moves.jogging.start is None else guard.moves.jogging.start,
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
        return diagnostics.report(self.node, level if guard.stopped else diagnostics.OK, message, values)


def _refuse_of_a_real_robot(speed: float, *, lockstep: bool, enabled: bool) -> None:
    """What would take the guard away from a robot that exists.

    Raises:
        ConfigError: naming the parameter.
    """
    if speed != 1.0:
        raise ConfigError(
            f"parameter speed: at {speed:g} every rate limit would be that many times what the robot's YAML says, and "
            "every timeout that much shorter; leave it at 1, or set simulated"
        )
    if lockstep:
        raise ConfigError(
            "parameter lockstep: the guard would wait for a silent policy, and for silent joints for ever; leave it "
            "out, or set simulated"
        )
    if enabled:
        raise ConfigError(
            "parameter enable_on_start: a real robot moves only when a person has enabled it, by `enable`; leave it "
            "out, or set simulated"
        )


def main() -> int:
    """Run the node."""
    return run(ActuatorNode, priority=PRIORITY)


if __name__ == "__main__":
    sys.exit(main())
