"""Records what the robot lives through as MCAP, byte for byte as it came over the network.

It subscribes to steps with the writers' full history: one that was killed and started again is sent what it missed,
and writes of that what its files lack. Beside the steps it keeps all from which an accident can be told: who said what,
what was sent, what the driver measured. It does not listen to the driver's command topics: the guard must see whether
the driver does.
"""

import functools
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.serialization import serialize_message

from robot_mbrl import topics
from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.errors import ConfigError, ExperienceError, MessageError
from robot_mbrl.experience.definitions import DEFINITIONS, define
from robot_mbrl.experience.recording import MEGABYTE, Recording
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.sensor_config import IMAGE_TYPES
from ros_nodes import diagnostics, qos
from ros_nodes.message_types import message_type
from ros_nodes.parameters import declare
from ros_nodes.runtime import run

WARN_EVERY_S = 5.0
SHOWN_FILES = 5
DEPTH = 1000
"""Messages that wait while the disk is slow: those of a driver at 500 Hz for two seconds."""
SAID = "recorder/said"
"""DiagnosticArray, in the files alone: who publishes `enable` or another of these when one of them is heard."""
SPOKEN = (topics.ENABLE, topics.EMERGENCY_STOP, topics.TELEOP, topics.TAKEOVER, topics.FEEDBACK, topics.GOAL)
"""Topics by which people and their programs speak to the robot."""
LASTING = (topics.STATE, topics.MOVING, topics.BUNDLE)
"""Topics whose newest message counts until the next."""


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
        min_free = declare(
            node,
            "min_free_mb",
            500,
            "with less than this free on the disk recording rests, megabytes",
            low=0,
            high=10_000_000,
        )
        if not run_dir:
            raise ConfigError("parameter run_dir: name the folder of the run")
        self._unrecorded: dict[str, str] = {}
        heard = {node.resolve_topic_name(topic): kept for topic, kept in _topics(config).items()}
        types = self._installed({topic: type_name for topic, (type_name, _) in heard.items()})
        self._recording = Recording(
            RunFolder(Path(run_dir)).bags,
            frozenset(node.resolve_topic_name(topic) for topic in _steps(config)),
            limit * MEGABYTE,
            qos.OBSERVATION_DEPTH,
            lasting_topics=frozenset(map(node.resolve_topic_name, LASTING)) | _latched(node, config),
            definitions=_definitions({type_name for type_name, _ in heard.values()} & set(types)),
            min_free_bytes=min_free * MEGABYTE,
        )
        self._say_what_was_found()
        self._said = node.resolve_topic_name(SAID)
        self._speakers: dict[str, tuple[str, ...]] = {}
        told = [tells.topic for tells in config.task.goal_topics]
        spoken = {node.resolve_topic_name(topic) for topic in (*SPOKEN, *told)}
        for topic, (type_name, profile) in heard.items():
            if type_name in types:
                take = self._on_spoken if topic in spoken else self._on_message
                callback = functools.partial(take, topic, type_name)
                node.create_subscription(types[type_name], topic, callback, profile, raw=True)
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

    def _installed(self, type_names: Mapping[str, str]) -> dict[str, Any]:
        """Classes by type name; topics whose type is not installed are named and left out."""
        classes: dict[str, Any] = {}
        for topic, type_name in type_names.items():
            try:
                classes[type_name] = message_type(type_name)
            except ConfigError as error:
                self._unrecorded[topic] = str(error)
                self.node.get_logger().error(f"{topic} is not recorded: {error}")
        return classes

    def _say_what_was_found(self) -> None:
        log = self.node.get_logger()
        for repair in self._recording.repairs:
            log.warning(
                f"{repair.path} was not finished: repaired, {repair.messages} messages, {repair.lost_bytes} bytes lost"
            )
        for path, reason in self._recording.unread.items():
            log.warning(f"{path}: {reason}")

    def _on_spoken(self, topic: str, type_name: str, data: bytes) -> None:
        """Keep what was said, and before it by whom it may have been, as far as the graph tells."""
        found = self.node.get_publishers_info_by_topic(topic)
        speakers = tuple(sorted(f"{each.node_namespace.rstrip('/')}/{each.node_name}" for each in found))
        if speakers != self._speakers.get(topic):
            self._speakers[topic] = speakers
            report = diagnostics.report(
                self.node, diagnostics.OK, f"{topic} is published by {', '.join(speakers) or 'nobody any more'}", {}
            )
            self._on_message(self._said, topics.TYPES[topics.DIAGNOSTICS], serialize_message(report))
        self._on_message(topic, type_name, data)

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
        values: dict[str, object] = {
            "written": recording.written,
            "repeated": recording.repeated,
            "lost": recording.lost,
            "unread_files": len(recording.unread),
        }
        values |= {f"unread.{path}": reason for path, reason in list(recording.unread.items())[:SHOWN_FILES]}
        values |= {f"unrecorded.{topic}": reason for topic, reason in self._unrecorded.items()}
        if recording.fault:
            return diagnostics.report(self.node, diagnostics.ERROR, recording.fault, values)
        state = "waiting for the first message" if recording.path is None else f"writing {recording.path}"
        if self._unrecorded:
            state += f"; not recorded: {', '.join(self._unrecorded)}"
        amiss = recording.lost or recording.unread or self._unrecorded
        return diagnostics.report(self.node, diagnostics.WARN if amiss else diagnostics.OK, state, values)


def _steps(config: RunConfig) -> dict[str, QoSProfile]:
    """The topics that steps are made of."""
    steps = {topics.OBSERVATION: qos.STEPS, topics.APPLIED_ACTION: qos.STEPS}
    return steps | {topics.image(camera): qos.IMAGES for camera in config.observation_spec().images}


def _topics(config: RunConfig) -> dict[str, tuple[str, QoSProfile]]:
    """All that is recorded: type and quality of service by topic."""
    events, lasting = _deep(qos.EVENTS), qos.LATCHED
    beside = {topics.ACTION: _deep(qos.LIVE), topics.GUARD: events, topics.DIAGNOSTICS: events}
    # What was learned from it, so that the tools which show a running robot show the bag of a day, too.
    beside |= {topics.METRICS: events, topics.EPISODE: lasting}
    beside |= dict.fromkeys(SPOKEN, events) | dict.fromkeys(LASTING, lasting)
    heard = {
        topic: (topics.TYPES.get(topic, topics.IMAGE), profile) for topic, profile in (_steps(config) | beside).items()
    }
    heard[topics.SENT_COMMAND] = (topics.JOINT_STATE, events)
    heard |= {tells.topic: (tells.type, events) for tells in config.task.goal_topics}
    for source in config.robot.sources.values():
        if source.type not in IMAGE_TYPES:
            # DDS keeps nothing for late joiners who listen best effort.
            profile = lasting if source.latched else _deep(qos.sensor(source))
            heard.setdefault(source.topic, (source.type, profile))
    return heard


def _deep(profile: QoSProfile) -> QoSProfile:
    return QoSProfile(
        history=profile.history, depth=DEPTH, reliability=profile.reliability, durability=profile.durability
    )


def _latched(node: Node, config: RunConfig) -> frozenset[str]:
    """Topics of the driver whose newest message counts until the next."""
    return frozenset(
        node.resolve_topic_name(source.topic) for source in config.robot.sources.values() if source.latched
    )


def _definitions(type_names: set[str]) -> dict[str, str]:
    others = type_names - DEFINITIONS.keys()
    return dict(DEFINITIONS) | {type_name: define(type_name, _fields_of) for type_name in others}


def _fields_of(type_name: str) -> Mapping[str, str]:
    package, _, name = type_name.partition("/")
    kind: Any = message_type(f"{package}/msg/{name}")
    return kind.get_fields_and_field_types()


def main() -> int:
    """Run the node."""
    return run(RecorderNode)


if __name__ == "__main__":
    sys.exit(main())
