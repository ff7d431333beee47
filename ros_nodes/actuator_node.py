"""Moves the robot: takes the policy's actions through the guard to the driver, and stops when anything is amiss."""

import math
import sys
import time
from collections.abc import Iterable
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import JointState

from robot_mbrl import messages, topics
from robot_mbrl.config import RobotConfig, load_run
from robot_mbrl.control.guard import Guard
from robot_mbrl.control.latency import LatencyHistogram
from robot_mbrl.control.stops import Reason
from robot_mbrl.errors import ConfigError, MessageError
from robot_mbrl.robot_config import SLOWEST_SCALE
from robot_mbrl.specs import Source
from robot_mbrl.steps import Action, StepKey
from ros_nodes import diagnostics, qos
from ros_nodes.claims import claim
from ros_nodes.driver_commands import DriverCommands
from ros_nodes.guard_telling import GuardTelling
from ros_nodes.message_types import check_robot, message_type
from ros_nodes.parameters import declare
from ros_nodes.people import WARN_EVERY_S, People
from ros_nodes.publishers import Conflict, ConflictKind, PublisherWatch
from ros_nodes.runtime import run, with_info

PRIORITY = 20
"""Real-time priority, above the sensor's and the policy's: the guard is who notices that they are late."""
CLOSING_S = 3.0
"""Longest that shutting down waits for the robot's commands to come to rest."""
CLOSING_COMMANDS = 3
"""How many times the last stop is sent once the commands are at rest."""
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
        shadow = declare(node, "shadow", False, "whether nothing is sent to the driver, while all else goes on")
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
        self._guard = guard = Guard(
            config.robot, config.step_s, enabled=enabled, lockstep=lockstep, rest_s=rest_s, shadow=shadow
        )
        guard.takeover.speed = self._speed
        guard.scale_speed(scale)
        self._period_s = 1.0 / config.robot.guard.command_rate_hz / self._speed
        self._latency = LatencyHistogram()
        # When the observations whose actions are measured were sent, on `time.monotonic`.
        self._sent_s: dict[StepKey, float] = {}
        measured = {command.source for command in config.robot.commands if command.source is not None}
        self._of_joints = {name: config.robot.sources[name].topic for name in measured}
        """Topics of the joints' measurements, by the names of their sources."""
        self._applied = node.create_publisher(JointState, topics.APPLIED_ACTION, qos.STEPS)
        self._driver = DriverCommands(node, config.robot, shadow=shadow)
        self._telling = GuardTelling(node, guard, self._latency, shadow=shadow)
        self._people = People(node, guard, self._now_s, self._look_around, self._update)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        node.create_timer(LOOK_AROUND_S, self._on_time, clock=steady)
        node.create_timer(diagnostics.PERIOD_S, self._driver.notice_onlookers, clock=steady)
        self._subscribe(config.robot, qos.LOCKSTEP if lockstep else qos.FOLLOWED)
        self._watch = PublisherWatch(
            node,
            exclusive=(topics.OBSERVATION, topics.ACTION),
            commands=self._driver.publishers,
            sources=self._of_joints.values(),
            people=(topics.TELEOP, topics.TAKEOVER, topics.JOG),
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
        self._driver.await_heard()

    def _now_s(self) -> float:
        return time.monotonic() * self._speed

    def _subscribe(self, robot: RobotConfig, observations: QoSProfile) -> None:
        node = self.node
        node.create_subscription(JointState, topics.OBSERVATION, with_info(self._on_observation), observations)
        node.create_subscription(JointState, topics.ACTION, self._on_action, qos.ACTION)
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
        for kind, reason in CONFLICTS.items():
            self._guard.note(reason, _join(c for c in conflicts if c.kind is kind), self._now_s())
        people = [conflict for conflict in conflicts if conflict.kind is ConflictKind.PEOPLE]
        jog = self.node.resolve_topic_name(topics.JOG)
        self._guard.takeover.contest(_join(c for c in people if c.topic != jog), self._now_s())
        self._guard.moves.jogging.contested = _join(c for c in people if c.topic == jog)

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

    def _update(self) -> None:
        decision = self._guard.update(self._now_s())
        if decision.commands:
            self._driver.send(decision.commands)
        for action in decision.applied:
            self._measure(action)
            message = JointState()
            messages.write_action(message, action, self._spec)
            self._applied.publish(message)
        self._telling.tell()

    def _measure(self, action: Action) -> None:
        """Count the time from the sending of an observation, by DDS, until its command was published.

        A late step counts with the time until it was given up, which is at least the deadline; those of a stop do not.
        """
        sent_s = self._sent_s.pop(action.key, None)
        if sent_s is not None and action.source is not Source.STOP:
            self._latency.add((time.monotonic() - sent_s) * 1e3)


def _join(conflicts: Iterable[Conflict]) -> str:
    return "; ".join(conflict.text for conflict in conflicts)


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
