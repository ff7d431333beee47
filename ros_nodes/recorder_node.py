"""Records what the robot lives through as MCAP, byte for byte as it came over the network.

It subscribes with the writers' full history: one that was killed and started again is sent what it missed, and writes
of that what its files lack.
"""

import functools
import sys
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image, JointState

from robot_mbrl import topics
from robot_mbrl.config import load_run
from robot_mbrl.errors import ConfigError, ExperienceError, MessageError
from robot_mbrl.experience.recording import Recording
from robot_mbrl.runs.folder import RunFolder
from ros_nodes import diagnostics, qos
from ros_nodes.parameters import declare
from ros_nodes.runtime import run

MEGABYTE = 1_000_000
WARN_EVERY_S = 5.0
_CLASSES = {
    "sensor_msgs/msg/JointState": JointState,
    "diagnostic_msgs/msg/DiagnosticArray": DiagnosticArray,
    topics.IMAGE: Image,
}


class RecorderNode:
    """Shell around `Recording`."""

    margin_s = 0.0

    def __init__(self) -> None:
        """Repair what was left unfinished, and listen."""
        self.node = node = Node("recorder")
        config = load_run(declare(node, "config", "", "task name, path of a task's YAML or of a run's config.yaml"))
        run_dir = declare(node, "run_dir", "", "folder of the run; MCAP files are written to bags/ in it")
        limit = declare(
            node,
            "max_file_mb",
            200,
            "size at which a file is finished and another begun, megabytes",
            low=1,
            high=100_000,
        )
        if not run_dir:
            raise ConfigError("parameter run_dir: name the folder of the run")
        stepwise = {topics.OBSERVATION: qos.STEPS, topics.APPLIED_ACTION: qos.STEPS}
        stepwise |= {topics.image(camera): qos.IMAGES for camera in config.observation_spec().images}
        beside = {topics.ACTION: qos.LIVE, topics.FEEDBACK: qos.EVENTS, topics.GUARD: qos.EVENTS}
        keyed = frozenset(node.resolve_topic_name(topic) for topic in stepwise)
        self._recording = Recording(RunFolder(Path(run_dir)).bags, keyed, limit * MEGABYTE, qos.OBSERVATION_DEPTH)
        for repair in self._recording.repairs:
            node.get_logger().warning(
                f"{repair.path} was not finished: repaired, {repair.messages} messages, {repair.lost_bytes} bytes lost"
            )
        for topic, profile in (stepwise | beside).items():
            self._subscribe(topic, profile)
        diagnostics.publish_regularly(node, self._health)

    def next_deadline_s(self) -> None:
        """Nothing here is due at a time."""

    def on_deadline(self, now_s: float) -> None:
        """Nothing here is due at a time."""

    def close(self) -> None:
        """Finish the file being written."""
        try:
            self._recording.close()
        except ExperienceError as error:
            self.node.get_logger().error(str(error))

    def _subscribe(self, topic: str, profile: QoSProfile) -> None:
        type_name = topics.TYPES.get(topic, topics.IMAGE)
        callback = functools.partial(self._on_message, self.node.resolve_topic_name(topic), type_name)
        self.node.create_subscription(_CLASSES[type_name], topic, callback, profile, raw=True)

    def _on_message(self, topic: str, type_name: str, data: bytes) -> None:
        # When it was published is not known: Jazzy's EventsExecutor fails if a raw subscription asks for it.
        log = self.node.get_logger()
        try:
            written = self._recording.add(topic, type_name, data)
        except MessageError as error:
            log.warning(f"{topic}: {error}", throttle_duration_sec=WARN_EVERY_S)
            return
        if not written and self._recording.fault:
            log.error(f"nothing is recorded: {self._recording.fault}", throttle_duration_sec=WARN_EVERY_S)

    def _health(self) -> DiagnosticArray:
        recording = self._recording
        values = {"written": recording.written, "repeated": recording.repeated, "lost": recording.lost}
        if recording.fault:
            return diagnostics.report(self.node, diagnostics.ERROR, recording.fault, values)
        state = "waiting for the first message" if recording.path is None else f"writing {recording.path}"
        return diagnostics.report(self.node, diagnostics.WARN if recording.lost else diagnostics.OK, state, values)


def main() -> int:
    """Run the node."""
    return run(RecorderNode)


if __name__ == "__main__":
    sys.exit(main())
