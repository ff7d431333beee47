"""Learns from what the robot lives, and hands it policies: the workstation's side of the graph.

ROS is spun between two updates until it has been quiet for a moment, so that neither a long update nor a long history
of steps holds up the other. Nothing here is on the robot's way from sensor to command.
"""

import functools
import math
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Int64, MultiArrayDimension, UInt8MultiArray
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from robot_mbrl import messages, topics
from robot_mbrl.config import load_run
from robot_mbrl.errors import ConfigError, ExperienceError, MessageError
from robot_mbrl.imagined import write_imagined
from robot_mbrl.labels import LateLabels, read_labels
from robot_mbrl.learning.backlog import Backlog
from robot_mbrl.learning.live import REPORT_PERIOD_S, LiveLearner
from robot_mbrl.learning.orders import Answer, Orders
from robot_mbrl.steps import StepKey
from ros_nodes import diagnostics, qos
from ros_nodes.parameters import declare
from ros_nodes.runtime import run

QUIET_S = 0.001
"""Without a message for this long, everything that has arrived is taken."""
LONGEST_DRAIN_S = 0.1
"""A flood of messages holds up the next update for no longer than this."""
PREDICTION_PERIOD_S = 5.0
IMAGINED_PERIOD_S = 0.5
IMAGINED_SHARE = 0.05
"""At most this share of the learner's time goes into imagining for those who watch."""
WARN_EVERY_S = 5.0
REFUSED_S = 10.0
"""How long a refused message is warned of."""
SHOWN_FILES = 5
"""Files that cannot be read, or not wholly, that a report names; the log names all of them."""


class LearnerNode:
    """Shell around `LiveLearner`."""

    margin_s = 0.0

    def __init__(self) -> None:
        """Resume the run or begin it, catch up on what was recorded, then listen."""
        self.node = node = Node("learner")
        config = load_run(declare(node, "config", "", "task name, path of a task's YAML or of a run's config.yaml"))
        run_dir = declare(
            node, "run_dir", "", "folder of the run: bags/ is read; checkpoints/ and policy.onnx are written there"
        )
        self._lockstep = declare(node, "lockstep", False, "whether the simulator waits for what is owed")
        if not run_dir:
            raise ConfigError("parameter run_dir: name the folder of the run")
        self._backlog = Backlog()
        others = declare(node, "robots", "", "namespaces of further robots to learn from, between commas, like /left")
        spaces = [node.get_namespace(), *filter(None, others.split(","))]
        if self._lockstep and len(spaces) > 1:
            raise ConfigError(
                "parameter robots: in lockstep one simulator waits for its learner; leave one of them out"
            )
        self._live = LiveLearner(
            config, Path(run_dir), node.get_logger().info, backlog=self._backlog, robots=len(spaces)
        )
        self._spec = config.action_spec()
        self._report_due_s = 0.0
        self._quiet_s = self._drained_s = 0.0
        self._malformed = 0
        self._malformed_s, self._refusal = -math.inf, ""
        self._allowance: int | None = None
        self._metrics = node.create_publisher(JointState, topics.METRICS, qos.EVENTS)
        self._policies = [
            node.create_publisher(UInt8MultiArray, _below(space, topics.POLICY), qos.LATCHED) for space in spaces
        ]
        self._predictions = node.create_publisher(Image, topics.PREDICTION, qos.EVENTS)
        self._predicted_s = 0.0
        self._imagined = node.create_publisher(JointTrajectory, topics.IMAGINED, qos.EVENTS)
        self._imagined_due_s = 0.0
        self._allowances = node.create_publisher(Int64, topics.STEP_ALLOWANCE, qos.LATCHED)
        for robot, space in enumerate(spaces):
            self._follow(robot, space, config.observation_spec().images)
        orders = Orders(self._live)
        for name, order in (
            ("pause", orders.pause),
            ("resume", orders.resume),
            ("export", orders.export),
            ("checkpoint", orders.checkpoint),
        ):
            node.create_service(Trigger, f"~/{name}", functools.partial(self._on_order, order))
        diagnostics.publish_regularly(node, self._health)

    def next_deadline_s(self) -> float:
        """Once ROS has been quiet, if an update is owed; else when metrics are due, or somebody is to be shown more."""
        if self._live.busy:
            return min(self._quiet_s, self._drained_s)
        looked_at = self._imagined.get_subscription_count()
        return min(self._report_due_s, self._imagined_due_s) if looked_at else self._report_due_s

    def on_deadline(self, now_s: float) -> None:
        """Make one update and whatever else it is time for."""
        if (bundle := self._live.work(now_s)) is not None:
            self._hand_over(bundle)
        if now_s >= self._report_due_s:
            self._report_due_s = now_s + REPORT_PERIOD_S
            self._publish_metrics()
        if now_s >= self._predicted_s + PREDICTION_PERIOD_S and self._predictions.get_subscription_count():
            self._predicted_s = now_s
            self._publish_prediction()
        if now_s >= self._imagined_due_s and self._imagined.get_subscription_count():
            self._publish_imagined()
        self._allow_steps()
        self._drained_s = time.monotonic() + LONGEST_DRAIN_S
        self._wait_for_quiet()

    def close(self) -> None:
        """Write a last checkpoint."""
        self._live.save()

    def _follow(self, robot: int, space: str, cameras: Iterable[str]) -> None:
        """Hear what a robot lives, by the namespace that it is in."""
        listen, observations = self.node.create_subscription, _below(space, topics.OBSERVATION)
        # Before the one that is sent the history: what that one hears of the present, this one has heard too.
        listen(JointState, observations, self._on_witnessed, qos.FOLLOWED)
        listen(JointState, observations, functools.partial(self._on_observation, robot), qos.STEPS)
        applied = functools.partial(self._on_applied_action, robot)
        listen(JointState, _below(space, topics.APPLIED_ACTION), applied, qos.STEPS)
        for camera in cameras:
            seen = functools.partial(self._on_image, robot, camera)
            listen(Image, _below(space, topics.image(camera)), seen, qos.IMAGES)
        listen(JointState, _below(space, topics.FEEDBACK), self._on_feedback, qos.EVENTS)

    def _on_witnessed(self, message: Any) -> None:
        self._backlog.witness(messages.read_key(message))

    def _on_observation(self, robot: int, message: Any) -> None:
        self._take(lambda: self._live.add_observation(messages.read_observation(message), robot))

    def _on_applied_action(self, robot: int, message: Any) -> None:
        self._take(lambda: self._live.add_action(messages.read_action(message, self._spec), robot))

    def _on_image(self, robot: int, camera: str, message: Any) -> None:
        key = messages.read_key(message)
        self._take(lambda: self._live.add_image(camera, key, messages.read_image(message), robot))

    def _take(self, add: Callable[[], None]) -> None:
        """Read a part of a step and take it, unless it is malformed or makes a step that lacks something."""
        try:
            add()
        except (MessageError, ExperienceError) as error:
            self._malformed += 1
            self._malformed_s, self._refusal = time.monotonic(), str(error)
            self.node.get_logger().warning(str(error), throttle_duration_sec=WARN_EVERY_S)
            return
        self._on_part()

    def _on_part(self) -> None:
        self._wait_for_quiet()
        self._allow_steps()

    def _on_feedback(self, message: Any) -> None:
        """Take labels of a step that is stored; those of the next one, the sensor node merges."""
        try:
            key = messages.read_key(message)
            if key.stamp_ns:
                late = LateLabels(key, read_labels(messages.read_named(message)))
                self._live.verdicts.add(late, time.monotonic())
        except MessageError as error:
            self.node.get_logger().warning(str(error))

    def _on_order(self, order: Callable[[], Answer], request: Any, response: Any) -> Any:
        answer = order()
        if answer.bundle is not None:
            self._hand_over(answer.bundle)
        response.success, response.message = answer.done, answer.text
        return response

    def _hand_over(self, bundle: bytes) -> None:
        message = UInt8MultiArray()
        messages.write_bundle(message, MultiArrayDimension(), bundle)
        for robot in self._policies:
            robot.publish(message)

    def _wait_for_quiet(self) -> None:
        self._quiet_s = time.monotonic() + QUIET_S

    def _allow_steps(self) -> None:
        """In lockstep, let the simulator take the next step once nothing is owed for those it took."""
        allowance = self._live.learner.robot_steps + 1
        if self._lockstep and not self._live.busy and allowance != self._allowance:
            self._allowance = allowance
            self._allowances.publish(Int64(data=allowance))

    def _publish_metrics(self) -> None:
        message = JointState()
        message.header.stamp = self.node.get_clock().now().to_msg()
        messages.write_named(message, self._live.metrics())
        self._metrics.publish(message)

    def _publish_prediction(self) -> None:
        """Show those who want to see it what the model expects; costs the time of some updates."""
        try:
            picture = self._live.draw_prediction()
        except ExperienceError as error:
            self.node.get_logger().info(f"no prediction yet: {error}", throttle_duration_sec=WARN_EVERY_S)
            return
        message = Image()
        messages.write_image(message, StepKey("", self.node.get_clock().now().nanoseconds), picture)
        self._predictions.publish(message)

    def _publish_imagined(self) -> None:
        """Show those who want to see it what is expected of the next second, as often as its share of time allows."""
        begun_s = time.monotonic()
        try:
            message = JointTrajectory()
            write_imagined(message, JointTrajectoryPoint, self._live.imagine())
            self._imagined.publish(message)
        except ExperienceError as error:
            self.node.get_logger().debug(f"nothing is imagined: {error}", throttle_duration_sec=WARN_EVERY_S)
        took_s = time.monotonic() - begun_s
        self._imagined_due_s = begun_s + max(IMAGINED_PERIOD_S, took_s / IMAGINED_SHARE)

    def _health(self) -> DiagnosticArray:
        learner = self._live.learner
        if self._live.paused:
            state = "paused"
        elif learner.robot_steps == 0:
            state = "waiting for the first step"
        elif not learner.prefilled:
            state = "collecting the first steps"
        elif learner.schedule.total is None:
            state = "learning"
        else:
            state = f"{learner.updates} of {learner.schedule.total} updates are made"
        values = {
            "run_id": learner.run_id,
            "robot_steps": learner.robot_steps,
            "updates": learner.updates,
            "policy_version": learner.policy_version,
            "train_ratio": f"{learner.train_ratio:.1f}",
            "owed_updates": learner.owed,
            "malformed_messages": self._malformed,
            "unread_files": len(self._live.unread),
            "labels_merged": self._live.verdicts.merged,
            "labels_without_step": self._live.verdicts.lost,
        }
        # By their names: viewers that plot elements of a JointState by index alone find the agent's own figures here.
        values |= {name: f"{value:.6g}" for name, value in learner.places.newest.items() if name not in values}
        values |= {f"unread.{path}": reason for path, reason in list(self._live.unread.items())[:SHOWN_FILES]}
        # Once refused messages have ceased, nothing is amiss any more; how many there were is still told.
        refusal = f"refused: {self._refusal}" if time.monotonic() - self._malformed_s < REFUSED_S else ""
        amiss = self._live.paused or refusal or self._live.unread or self._live.caution
        level = diagnostics.WARN if amiss else diagnostics.OK
        state = "; ".join(filter(None, [state, refusal, self._live.caution]))
        if self._live.fault:
            level, state = diagnostics.ERROR, self._live.fault
        return diagnostics.report(self.node, level, state, values)


def _below(space: str, topic: str) -> str:
    """A topic of the robot in a namespace."""
    return f"/{space.strip('/')}/{topic}"


def main() -> int:
    """Run the node."""
    # Bundles are big.
    return run(LearnerNode, shared_memory=True)


if __name__ == "__main__":
    sys.exit(main())
