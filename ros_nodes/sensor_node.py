"""Observes the robot: at every tick of the control rate, one observation, judged by the task."""

import math
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import WrenchStamped
from nav_msgs.msg import Odometry
from rcl_interfaces.msg import SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image, Imu, JointState
from std_msgs.msg import Bool, Float64
from std_srvs.srv import Trigger

from robot_mbrl import messages, topics
from robot_mbrl.config import load_run
from robot_mbrl.control.episodes import Episodes, Phase, new_session
from robot_mbrl.control.observing import Observer, Stale
from robot_mbrl.control.pacing import Pacer, SimulatedTicks
from robot_mbrl.errors import ConfigError, MessageError
from robot_mbrl.messages import NANOSECONDS
from robot_mbrl.steps import Observation
from robot_mbrl.tasks import TASKS
from ros_nodes import diagnostics, qos
from ros_nodes.parameters import declare
from ros_nodes.resetting import Resetting
from ros_nodes.runtime import run

PRIORITY = 15
"""Real-time priority, below the policy's and the guard's: both rest when the next observation is due."""
SLOW_GRACE_S = 0.1
"""How long a tick in lockstep waits for pictures, which may be rarer than ticks."""
CLOCK_RESTART_NS = NANOSECONDS
"""Simulated time that goes back by more is another simulator's."""
ACQUAINTANCE_S = 1.0
"""Nodes that this one has discovered for so long have discovered one another."""
WARN_EVERY_S = 5.0
MODES = ("train", "evaluate")

TYPES: dict[str, type] = {
    "sensor_msgs/msg/JointState": JointState,
    "sensor_msgs/msg/Image": Image,
    "sensor_msgs/msg/CompressedImage": CompressedImage,
    "sensor_msgs/msg/Imu": Imu,
    "nav_msgs/msg/Odometry": Odometry,
    "geometry_msgs/msg/WrenchStamped": WrenchStamped,
    "std_msgs/msg/Float64": Float64,
    "std_msgs/msg/Bool": Bool,
}


class SensorNode:
    """Shell around `Observer` and `Episodes`.

    A real robot is observed by deadlines on steady time, with the newest readings; a simulated one whenever simulated
    time has come to the next tick and the readings of that time are there.
    """

    margin_s = 0.0015

    def __init__(self) -> None:
        """Listen to the driver; the first episode begins after a reset."""
        self.node = node = Node("sensor")
        self._config = load_run(
            declare(node, "config", "", "task name, path of a task's YAML or of a run's config.yaml")
        )
        self._evaluate = _is_evaluate(
            declare(node, "mode", "train", "train, or evaluate: every episode in evaluate mode", dynamic=True)
        )
        grace_s = declare(
            node, "grace_s", 0.005, "how long a simulated tick waits for late readings, wall s", low=0.0, high=1.0
        )
        self._lockstep = lockstep = declare(
            node, "lockstep", False, "whether the simulator waits for every step: nothing is late then"
        )
        self._heard_s = math.inf
        self._graces_s = {"grace_s": float("inf"), "slow_grace_s": SLOW_GRACE_S}
        if not lockstep:
            self._graces_s = {"grace_s": grace_s, "slow_grace_s": grace_s}
        self._spec = self._config.action_spec()
        self._simulated = bool(node.get_parameter("use_sim_time").value)
        self._pacer = Pacer(self._config.robot.period_s, time.monotonic())
        self._refused: Counter[str] = Counter()
        self._stale = ""
        self._begin_session()
        self._resetting = Resetting(node, self._config.task, self._reset_done, simulated=self._simulated)
        self._advertise()
        self._subscribe()
        node.add_on_set_parameters_callback(self._on_parameters)
        diagnostics.publish_regularly(node, self._health)

    def next_deadline_s(self) -> float | None:
        """When the next tick, or the next attempt to reset, is due."""
        tick_s = self._ticks.deadline_s if self._simulated else self._pacer.next_s
        reset_s = self._resetting.next_s if self._episodes.phase is Phase.RESETTING else None
        return min((s for s in (tick_s, reset_s) if s is not None), default=None)

    def on_deadline(self, now_s: float) -> None:
        """Tick, or ask for a reset."""
        if self._simulated:
            self._tick_simulated()
        elif now_s >= self._pacer.next_s:
            self._pacer.advance(now_s)
            self._last_ns = max(self._last_ns + 1, self.node.get_clock().now().nanoseconds)
            self._tick(self._last_ns, now_s)
        if self._episodes.phase is Phase.RESETTING:
            if self._lockstep and not self._is_heard(now_s):
                self._resetting.postpone(now_s)
            else:
                self._resetting.pursue(now_s)

    def close(self) -> None:
        """Nothing is left to do: without observations, the guard stops the robot."""

    def _begin_session(self) -> None:
        config = self._config
        images = config.observation_spec().images
        self._observer = Observer(config.robot, images)
        self._episodes = Episodes(config.task, TASKS[config.task.task](), new_session(), evaluate=self._evaluate)
        self._ticks = SimulatedTicks(round(config.robot.period_s * NANOSECONDS), **self._graces_s)
        self._last_ns = 0

    def _advertise(self) -> None:
        node = self.node
        self._observations = node.create_publisher(JointState, topics.OBSERVATION, qos.STEPS)
        self._pictures = {
            name: node.create_publisher(Image, topics.image(name), qos.IMAGES)
            for name in self._config.observation_spec().images
        }
        node.create_service(Trigger, topics.START_EPISODE, self._on_start_episode)

    def _subscribe(self) -> None:
        node, sources = self.node, self._config.robot.sources
        for name in self._observer.sources:
            source = sources[name]
            reader = self._reader(name)
            node.create_subscription(TYPES[source.type], source.topic, reader, qos.sensor(source))
        node.create_subscription(JointState, topics.APPLIED_ACTION, self._on_applied, qos.LIVE)
        node.create_subscription(JointState, topics.FEEDBACK, self._on_feedback, qos.EVENTS)
        if self._simulated:
            node.create_subscription(Clock, "/clock", self._on_clock, qos.CLOCK)

    def _reader(self, source: str) -> Callable[[Any], None]:
        return lambda message: self._on_reading(source, message)

    def _on_reading(self, source: str, message: Any) -> None:
        now_s = time.monotonic()
        stamp_ns = 0
        if self._simulated:
            stamp_ns = messages.read_stamp(message.header.stamp) if hasattr(message, "header") else self._ticks.now_ns
        try:
            self._observer.receive(source, message, stamp_ns / NANOSECONDS if self._simulated else now_s)
        except MessageError as error:
            self._refused[source] += 1
            self.node.get_logger().warning(f"{source}: {error}", throttle_duration_sec=WARN_EVERY_S)
            return
        if self._simulated:
            self._ticks.sensed(stamp_ns, now_s)
            self._tick_simulated()

    def _on_clock(self, message: Any) -> None:
        clock_ns = messages.read_stamp(message.clock)
        if clock_ns < self._ticks.now_ns - CLOCK_RESTART_NS:
            self.node.get_logger().warning("simulated time went back: a new session begins")
            self._begin_session()
            self._resetting.begin()
        self._ticks.passed(clock_ns, time.monotonic())
        self._tick_simulated()

    def _on_applied(self, message: Any) -> None:
        try:
            self._episodes.applied(messages.read_action(message, self._spec))
        except MessageError as error:
            self.node.get_logger().warning(str(error), throttle_duration_sec=WARN_EVERY_S)

    def _on_feedback(self, message: Any) -> None:
        try:
            self._episodes.feedback(messages.read_named(message))
        except MessageError as error:
            self.node.get_logger().warning(str(error))

    def _on_start_episode(self, request: Any, response: Any) -> Any:
        refusal = ""
        if self._config.task.reset != "human":
            refusal = "this task's episodes begin by themselves"
        elif self._episodes.phase is not Phase.RESETTING:
            refusal = "an episode is under way already"
        elif self._stale:
            # Otherwise it would begin by itself as soon as the driver is switched on.
            refusal = f"no episode can begin: {self._stale}"
        else:
            self._reset_done("")
        response.success, response.message = not refusal, refusal or "it begins"
        return response

    def _on_parameters(self, parameters: list[Parameter]) -> SetParametersResult:
        for parameter in parameters:
            if parameter.name == "mode":
                if parameter.value not in MODES:
                    return SetParametersResult(successful=False, reason=f"mode is one of {', '.join(MODES)}")
                self._evaluate = self._episodes.evaluate = _is_evaluate(parameter.value)
        return SetParametersResult(successful=True)

    def _reset_done(self, answer: str) -> None:
        """Begin the next episode with readings from after the reset, whose simulated time the answer may name."""
        if not self._simulated:
            self._episodes.reset_done(time.monotonic())
            return
        reset_ns = int(answer) if answer.isdecimal() else self._ticks.now_ns
        self._episodes.reset_done(reset_ns / NANOSECONDS)
        self._ticks.realign(reset_ns, time.monotonic())
        self._tick_simulated()

    def _tick_simulated(self) -> None:
        def current(stamp_ns: int, *, cameras: bool = False) -> bool:
            return self._observer.current(stamp_ns / NANOSECONDS, cameras=cameras)

        def complete(stamp_ns: int) -> bool:
            return current(stamp_ns, cameras=True)

        stamp_ns = self._ticks.due(time.monotonic(), current, complete)
        if self._episodes.phase is Phase.RESETTING:
            # Readings of the new start may overtake the answer to the reset; its ticks are realigned to them then.
            return
        if stamp_ns is not None and stamp_ns > self._last_ns:
            self._last_ns = stamp_ns
            self._tick(stamp_ns, stamp_ns / NANOSECONDS)

    def _tick(self, stamp_ns: int, now_s: float) -> None:
        sensed = self._observer.assemble(now_s)
        if isinstance(sensed, Stale):
            self._stale = str(sensed)
            self.node.get_logger().warning(f"no observation: {sensed}", throttle_duration_sec=WARN_EVERY_S)
            return
        self._stale = ""
        observation = self._episodes.advance(stamp_ns, sensed)
        if observation is not None:
            self._publish(observation)
            if self._episodes.phase is Phase.RESETTING:
                self._resetting.begin()

    def _is_heard(self, now_s: float) -> bool:
        """Whether guard and policy have been there for a while: in lockstep, nothing follows an unheard observation."""
        node = self.node
        listeners = node.get_subscriptions_info_by_topic(topics.OBSERVATION)
        names = {(listener.node_namespace, listener.node_name) for listener in listeners}
        for topic in (topics.ACTION, topics.APPLIED_ACTION):
            answering = node.get_publishers_info_by_topic(topic)
            if not answering or any((a.node_namespace, a.node_name) not in names for a in answering):
                self._heard_s = math.inf
                return False
        self._heard_s = min(self._heard_s, now_s)
        return now_s - self._heard_s >= ACQUAINTANCE_S

    def _publish(self, observation: Observation) -> None:
        for name, picture in observation.images.items():
            message = Image()
            messages.write_image(message, observation.key, picture)
            self._pictures[name].publish(message)
        message = JointState()
        messages.write_observation(message, observation)
        self._observations.publish(message)

    def _health(self) -> DiagnosticArray:
        values: dict[str, object] = {
            "phase": self._episodes.phase.value,
            "episodes": self._episodes.started,
            "mode": self._episodes.mode.name.lower(),
            "overruns": self._ticks.overruns if self._simulated else self._pacer.overruns,
        }
        values |= {f"refused.{source}": count for source, count in sorted(self._refused.items())}
        if self._stale:
            return diagnostics.report(self.node, diagnostics.ERROR, self._stale, values)
        if self._episodes.phase is Phase.RESETTING:
            return diagnostics.report(self.node, diagnostics.WARN, self._resetting.message, values)
        return diagnostics.report(self.node, diagnostics.OK, "observing", values)


def _is_evaluate(mode: str) -> bool:
    if mode not in MODES:
        raise ConfigError(f"parameter mode: {mode!r} is none of {', '.join(MODES)}")
    return mode == "evaluate"


def main() -> int:
    """Run the node."""
    return run(SensorNode, priority=PRIORITY)


if __name__ == "__main__":
    sys.exit(main())
