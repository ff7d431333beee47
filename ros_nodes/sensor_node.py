"""Observes the robot: at every tick of the control rate, one observation, judged by the task."""

import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock as NodeClock
from rclpy.clock import ClockType
from rclpy.node import Node
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image, JointState
from std_srvs.srv import Trigger

from robot_mbrl import messages, topics
from robot_mbrl.config import load_run
from robot_mbrl.control.goal_messages import GoalMessages
from robot_mbrl.control.sensing import Sensing
from robot_mbrl.control.ticking import RealTicker, SimulatedTicker, Ticker
from robot_mbrl.errors import ConfigError, MessageError
from robot_mbrl.goal_config import GoalTopicConfig
from robot_mbrl.steps import Observation
from ros_nodes import diagnostics, qos
from ros_nodes.camera_thread import CameraThread
from ros_nodes.claims import claim
from ros_nodes.discovery import Discovery
from ros_nodes.message_types import check_goal_topics, check_robot, message_type
from ros_nodes.parameters import declare
from ros_nodes.resetting import Resetting
from ros_nodes.runtime import run

PRIORITY = 15
"""Real-time priority, below the policy's and the guard's: both rest when the next observation is due."""
LOOK_EVERY_S = 0.2
"""How often the graph is asked for the guard."""
WARN_EVERY_S = 5.0
MODES = ("train", "evaluate")


class SensorNode:
    """Shell around `Sensing`."""

    margin_s = 0.0015

    def __init__(self) -> None:
        """Listen to the driver; the first episode begins after a reset, once the guard hears."""
        self.node = node = Node("sensor")
        self._config = load_run(
            declare(node, "config", "", "task name, path of a task's YAML or of a run's config.yaml")
        )
        self._claim = claim(node)
        check_robot(self._config.robot)
        check_goal_topics(self._config.task)
        evaluate = _is_evaluate(
            declare(node, "mode", "train", "train, or evaluate: every episode in evaluate mode", dynamic=True)
        )
        self._grace_s = declare(
            node, "grace_s", 0.005, "how long a simulated tick waits for late readings, wall s", low=0.0, high=1.0
        )
        self._lockstep = declare(
            node, "lockstep", False, "whether the simulator waits for every step: nothing is late then"
        )
        self._spec = self._config.action_spec()
        self._simulated = bool(node.get_parameter("use_sim_time").value)
        self._sensing = Sensing(self._config, self._ticker, evaluate=evaluate, lockstep=self._lockstep)
        self._resetting = Resetting(node, self._config.task, self._on_reset_done, simulated=self._simulated)
        self._discovery = Discovery(node)
        self._cameras: CameraThread | None = None
        self._unheard: tuple[str, ...] = ()
        self._refused: Counter[str] = Counter()
        """How many messages of each source had been refused when that was last told."""
        self._advertise()
        self._subscribe()
        node.add_on_set_parameters_callback(self._on_parameters)
        node.create_timer(LOOK_EVERY_S, self._look, clock=NodeClock(clock_type=ClockType.STEADY_TIME))
        diagnostics.publish_regularly(node, self._health)

    def next_deadline_s(self) -> float | None:
        """When the next tick, or the next attempt to reset, is due."""
        reset_s = self._resetting.next_s if self._sensing.resetting else None
        return min((s for s in (self._sensing.deadline_s, reset_s) if s is not None), default=None)

    def on_deadline(self, now_s: float) -> None:
        """Tick, or ask for a reset."""
        self._tick()
        if self._sensing.resetting and self._sensing.guard.heard:
            self._resetting.pursue(now_s)
        elif self._sensing.resetting:
            self._resetting.postpone(now_s)
        if self._cameras is not None:
            self._cameras.check()

    def close(self) -> None:
        """Let go of the cameras: without observations, the guard stops the robot."""
        if self._cameras is not None:
            self._cameras.close()

    def _ticker(self) -> Ticker:
        period_s = self._config.robot.period_s
        if self._simulated:
            return SimulatedTicker(period_s, grace_s=self._grace_s, lockstep=self._lockstep)
        return RealTicker(period_s, time.monotonic())

    def _advertise(self) -> None:
        node = self.node
        self._observations = node.create_publisher(JointState, topics.OBSERVATION, qos.STEPS)
        self._pictures = {
            name: node.create_publisher(Image, topics.image(name), qos.IMAGES)
            for name in self._config.observation_spec().images
        }
        node.create_service(Trigger, topics.START_EPISODE, self._on_start_episode)

    def _subscribe(self) -> None:
        node, observer, sources = self.node, self._sensing.observer, self._config.robot.sources
        self._sources = {name: sources[name] for name in observer.sources}
        pictures = {name: sources[name] for name in observer.picture_sources}
        if pictures and not self._simulated:
            self._cameras = CameraThread(
                node,
                pictures,
                period_s=self._config.robot.period_s,
                next_tick_s=lambda: self._sensing.deadline_s or 0.0,
                take=self._sensing.take_picture,
            )
        for name in self._sources.keys() - (pictures if self._cameras else {}):
            kind, topic, profile = message_type(sources[name].type), sources[name].topic, qos.sensor(sources[name])
            node.create_subscription(kind, topic, self._reader(name), profile)
        node.create_subscription(JointState, topics.APPLIED_ACTION, self._on_applied, qos.LIVE)
        node.create_subscription(JointState, topics.FEEDBACK, self._on_feedback, qos.EVENTS)
        if self._config.task.goal:
            node.create_subscription(JointState, topics.GOAL, self._on_goal, qos.EVENTS)
        for tells in self._config.task.goal_topics:
            node.create_subscription(message_type(tells.type), tells.topic, self._translator(tells), qos.EVENTS)
        if self._simulated:
            node.create_subscription(Clock, "/clock", self._on_clock, qos.CLOCK)

    def _reader(self, source: str) -> Callable[[Any], None]:
        def read(message: Any) -> None:
            self._sensing.receive(source, message, time.monotonic())
            self._tick()

        return read

    def _tick(self) -> None:
        observation = self._sensing.tick(time.monotonic())
        if self._sensing.renewed:
            self.node.get_logger().warning(f"{self._sensing.renewed}: a new session begins")
            self._sensing.renewed = ""
            self._resetting.begin()
        if observation is not None:
            self._publish(observation)
            if observation.is_last:
                self._resetting.begin()

    def _on_clock(self, message: Any) -> None:
        self._sensing.passed(messages.read_stamp(message.clock), time.monotonic())
        self._tick()

    def _on_applied(self, message: Any) -> None:
        try:
            self._sensing.applied(messages.read_action(message, self._spec))
        except MessageError as error:
            self.node.get_logger().warning(str(error), throttle_duration_sec=WARN_EVERY_S)

    def _on_feedback(self, message: Any) -> None:
        try:
            self._sensing.feedback(messages.read_named(message), messages.read_stamp(message.header.stamp))
        except MessageError as error:
            self.node.get_logger().warning(str(error))

    def _on_goal(self, message: Any) -> None:
        self._tell(lambda *now_ns: self._sensing.goal.receive(message, *now_ns))

    def _translator(self, tells: GoalTopicConfig) -> Callable[[Any], None]:
        reader = GoalMessages(tells)

        def translate(message: Any) -> None:
            self._tell(lambda *now_ns: self._sensing.goal.translate(message, reader, *now_ns))

        return translate

    def _tell(self, take: Callable[[int, int], None]) -> None:
        """Let a goal be taken, by wall and ROS time."""
        try:
            take(time.time_ns(), self.node.get_clock().now().nanoseconds)
        except MessageError as error:
            self.node.get_logger().warning(str(error), throttle_duration_sec=WARN_EVERY_S)

    def _on_start_episode(self, request: Any, response: Any) -> Any:
        refusal = self._sensing.start_episode(time.monotonic())
        response.success, response.message = not refusal, refusal or "it begins"
        return response

    def _on_reset_done(self, answer: str) -> None:
        self._sensing.reset_done(answer, time.monotonic())
        self._tick()

    def _on_parameters(self, parameters: list[Parameter]) -> SetParametersResult:
        for mode in (parameter.value for parameter in parameters if parameter.name == "mode"):
            if mode not in MODES:
                return SetParametersResult(successful=False, reason=f"mode is one of {', '.join(MODES)}")
            self._sensing.evaluate(evaluate=_is_evaluate(mode))
        return SetParametersResult(successful=True)

    def _look(self) -> None:
        """Look for the guard; once it hears, the newest readings may be those of a tick."""
        guards = self._discovery.guards_that_hear(with_policy=self._lockstep)
        self._sensing.guard.look(guards, time.monotonic())
        self._tick()

    def _publish(self, observation: Observation) -> None:
        for name, picture in observation.images.items():
            message = Image()
            messages.write_image(message, observation.key, picture)
            self._pictures[name].publish(message)
        message = JointState()
        messages.write_observation(message, observation)
        self._observations.publish(message)

    def _health(self) -> DiagnosticArray:
        sensing = self._sensing
        self._name_the_unheard()
        self._name_the_refused()
        values = sensing.figures | {"unheard": "; ".join(self._unheard)}
        if sensing.stale:
            message = "; ".join([sensing.stale, *self._unheard])
            self.node.get_logger().warning(f"no observation: {message}", throttle_duration_sec=WARN_EVERY_S)
            return diagnostics.report(self.node, diagnostics.ERROR, message, values)
        if sensing.waiting:
            self.node.get_logger().warning(sensing.waiting, throttle_duration_sec=WARN_EVERY_S)
        if waiting := sensing.waiting or (self._resetting.message if sensing.resetting else ""):
            return diagnostics.report(self.node, diagnostics.WARN, waiting, values)
        level = diagnostics.WARN if self._unheard else diagnostics.OK
        return diagnostics.report(self.node, level, "; ".join(["observing", *self._unheard]), values)

    def _name_the_unheard(self) -> None:
        """Look for publishers of the sources that cannot reach this node."""
        found = (self._discovery.unheard_publishers(name, source) for name, source in self._sources.items())
        before, self._unheard = self._unheard, tuple(text for texts in found for text in texts)
        for text in self._unheard:
            if text not in before:
                self.node.get_logger().error(text)

    def _name_the_refused(self) -> None:
        """Tell why messages were refused since that was last told."""
        refused, refusals = self._sensing.observer.refused.copy(), self._sensing.observer.refusals
        for source, count in (refused - self._refused).items():
            self.node.get_logger().warning(f"{source}: {count} messages refused, the last: {refusals[source]}")
        self._refused = refused


def _is_evaluate(mode: str) -> bool:
    if mode not in MODES:
        raise ConfigError(f"parameter mode: {mode!r} is none of {', '.join(MODES)}")
    return mode == "evaluate"


def main() -> int:
    """Run the node."""
    return run(SensorNode, priority=PRIORITY)


if __name__ == "__main__":
    sys.exit(main())
