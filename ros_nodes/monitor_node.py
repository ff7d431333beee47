"""Writes a run's metrics: the only writer of `metrics.jsonl` and of TensorBoard's events while a graph runs."""

import math
import sys
import time
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import String

from robot_mbrl import messages, topics
from robot_mbrl.bundles import read_announcement
from robot_mbrl.config import load_run
from robot_mbrl.errors import BundleError, ConfigError, MessageError
from robot_mbrl.pairing import StepPairing
from robot_mbrl.runs.episodes import EpisodeTally
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.runs.metrics import MetricsLog, read_metrics
from robot_mbrl.runs.progress import plain_line
from robot_mbrl.runs.record import RunRecord
from robot_mbrl.runs.silences import Silences
from robot_mbrl.specs import Source
from robot_mbrl.steps import Step
from ros_nodes import diagnostics, qos
from ros_nodes.markers import Markers
from ros_nodes.parameters import declare
from ros_nodes.runtime import run

GUARD_PERIOD_S = 5.0
"""How often a guard's report is written down, which comes every second; a new state is at once."""
NEWEST_PERIOD_S = 0.2
"""How often the newest step is shown at most."""
SILENCE_S = 3.0
"""Every node reports once a second: one that has not for so long hangs, or is gone."""
GRAVE = frozenset({"actuator", "sensor", "policy"})
"""Nodes without which the robot stands still."""
LINE_PERIOD_S = 60.0
"""How often the run is told in a line of the log, which ROS's launch shows."""
WARN_EVERY_S = 5.0
COUNTERS = ("robot_steps", "missed_steps", "stopped_steps")
"""What every line of a run's metrics counts."""


class MonitorNode:
    """Follows a run's topics: a line per episode, learner report, guard report and new bundle.

    It tells the graph what each episode came to, and shows displays the newest step, the goal and what is expected.
    """

    margin_s = 0.0

    def __init__(self) -> None:
        """Go on after the last line of the run's metrics."""
        self.node = node = Node("monitor")
        config = load_run(declare(node, "config", "", "task name, path of a task's YAML or of a run's config.yaml"))
        run_dir = declare(node, "run_dir", "", "folder of the run; metrics.jsonl and tensorboard/ are written there")
        evaluation = declare(node, "evaluation", False, "whether a finished policy is judged: writes evaluation.jsonl")
        if not run_dir:
            raise ConfigError("parameter run_dir: name the folder of the run")
        folder = RunFolder(Path(run_dir))
        path = folder.evaluation if evaluation else folder.metrics
        lines = read_metrics(path)
        self._robot_steps, self._missed_steps, self._stopped_steps = (
            max((int(line.get(name) or 0) for line in lines), default=0) for name in COUNTERS
        )
        self._record = RunRecord()
        self._record.take(lines)
        self._begun_s = time.monotonic()
        self._line_s = self._begun_s + LINE_PERIOD_S
        self._log = MetricsLog(path, None if evaluation else folder.tensorboard)
        self._tally = EpisodeTally(config.task.episode_steps)
        self._pairing = StepPairing()
        self._spec = config.action_spec()
        self._guard: dict[str, float | str] = {}
        self._guard_due_s = 0.0
        self._written_state: float | str = ""
        self._episodes = node.create_publisher(JointState, topics.EPISODE, qos.LATCHED)
        self._newest = node.create_publisher(JointState, topics.NEWEST_STEP, qos.EVENTS)
        self._newest_due_s = 0.0
        self._markers = Markers(node, config)
        node.create_subscription(JointState, topics.OBSERVATION, self._on_observation, qos.FOLLOWED)
        node.create_subscription(JointState, topics.APPLIED_ACTION, self._on_applied_action, qos.FOLLOWED)
        node.create_subscription(JointState, topics.METRICS, self._on_metrics, qos.EVENTS)
        node.create_subscription(DiagnosticArray, topics.GUARD, self._on_guard, qos.EVENTS)
        node.create_subscription(String, topics.BUNDLE, self._on_bundle, qos.LATCHED)
        self._silences = Silences(SILENCE_S)
        self._told_silent: frozenset[str] = frozenset()
        node.create_subscription(DiagnosticArray, topics.DIAGNOSTICS, self._on_diagnostics, qos.EVENTS)
        diagnostics.publish_regularly(node, self._health)

    def next_deadline_s(self) -> float:
        """When the next line is due."""
        return self._line_s

    def on_deadline(self, now_s: float) -> None:
        """Tell how the run goes."""
        self._line_s = now_s + LINE_PERIOD_S
        self.node.get_logger().info(plain_line(self._record, now_s - self._begun_s))

    def close(self) -> None:
        """Write the guard's last report and close the files."""
        self._write_guard()
        self._log.close()

    def _on_observation(self, message: Any) -> None:
        try:
            self._take(self._pairing.add_observation(messages.read_observation(message)))
        except MessageError as error:
            self._warn(error)

    def _on_applied_action(self, message: Any) -> None:
        try:
            self._take(self._pairing.add_action(messages.read_action(message, self._spec)))
        except MessageError as error:
            self._warn(error)

    def _take(self, step: Step | None) -> None:
        if step is None:
            return
        self._robot_steps += 1
        self._missed_steps += step.action.source is Source.LATE
        self._stopped_steps += step.action.source is Source.STOP
        self._show(step)
        self._markers.show(step.observation)
        if (result := self._tally.take(step)) is not None:
            self._append("episode", {**result.as_metrics(), **self._counters()})
            message = JointState()
            messages.write_key(message, step.observation.key)
            messages.write_named(message, result.as_elements(self._robot_steps))
            self._episodes.publish(message)

    def _show(self, step: Step) -> None:
        """Show displays the step, if there are any and it is time: they need not listen to every one themselves."""
        now_s = time.monotonic()
        if now_s < self._newest_due_s or not self._newest.get_subscription_count():
            return
        self._newest_due_s = now_s + NEWEST_PERIOD_S
        message = JointState()
        messages.write_newest_step(message, step, self._spec)
        self._newest.publish(message)

    def _warn(self, error: MessageError) -> None:
        self.node.get_logger().warning(str(error), throttle_duration_sec=WARN_EVERY_S)

    def _on_metrics(self, message: Any) -> None:
        try:
            figures = messages.read_named(message)
        except MessageError as error:
            self._warn(error)
            return
        # What is no number, nobody knows yet.
        self._append("learner", {name: value for name, value in figures.items() if math.isfinite(value)})

    def _on_guard(self, message: Any) -> None:
        if message.status:
            self._guard = {pair.key: _number(pair.value) for pair in message.status[0].values}
        if (
            self._guard.get("state", self._written_state) != self._written_state
            or time.monotonic() >= self._guard_due_s
        ):
            self._guard_due_s = time.monotonic() + GUARD_PERIOD_S
            self._write_guard()

    def _write_guard(self) -> None:
        if self._guard:
            self._append("guard", {**self._guard, **self._counters()})
            self._written_state = self._guard.get("state", "")
            self._guard = {}

    def _on_bundle(self, message: Any) -> None:
        try:
            announced = read_announcement(message.data)
        except BundleError as error:
            self._warn(error)
            return
        if announced is not None:
            self._append("bundle", announced.model_dump(include={"version", "run_id", "sha256"}))

    def _on_diagnostics(self, message: Any) -> None:
        for status in message.status:
            namespace, _, name = status.name.rpartition("/")
            if namespace == self.node.get_namespace().rstrip("/") and name != self.node.get_name():
                self._silences.hear(name, time.monotonic())

    def _health(self) -> DiagnosticArray:
        """Whether everybody else is heard: who hangs cannot say so."""
        # Also where no step comes by which it would be noticed that nobody looks any more.
        self._markers.follow()
        silent = self._silences.silent(time.monotonic())
        self._tell_of(frozenset(silent))
        if not silent:
            return diagnostics.report(self.node, diagnostics.OK, "every node is heard", self._counters())
        level = diagnostics.ERROR if GRAVE & silent.keys() else diagnostics.WARN
        words = "; ".join(f"nothing is heard of the {name} node for {age_s:.0f} s" for name, age_s in silent.items())
        ages = {f"silent_s.{name}": f"{age_s:.1f}" for name, age_s in silent.items()}
        return diagnostics.report(self.node, level, words, {**self._counters(), **ages})

    def _tell_of(self, silent: frozenset[str]) -> None:
        """Log who has just fallen silent, and who is heard again."""
        for name in sorted(silent - self._told_silent):
            self.node.get_logger().warning(f"nothing is heard of the {name} node: it hangs, is gone or out of reach")
        for name in sorted(self._told_silent - silent):
            self.node.get_logger().warning(f"the {name} node is heard again")
        self._told_silent = silent

    def _counters(self) -> dict[str, int]:
        counts = (self._robot_steps, self._missed_steps, self._stopped_steps)
        return dict(zip(COUNTERS, counts, strict=True))

    def _append(self, kind: Any, values: dict[str, Any]) -> None:
        self._log.append(kind, values, self._robot_steps)
        self._record.take([{"kind": kind, **values}])


def _number(text: str) -> float | str:
    """A figure of a diagnostic report, whose values are all text."""
    try:
        return float(text)
    except ValueError:
        return text


def main() -> int:
    """Run the node."""
    return run(MonitorNode)


if __name__ == "__main__":
    sys.exit(main())
