"""Looks at a running driver before anything moves: what it sends, what hears commands, the pose, this computer."""

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import rclpy
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rich.console import Console
from std_msgs.msg import String

from robot_mbrl import messages, topics
from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.control.observing import Observer
from robot_mbrl.errors import USER_ERROR, ConfigError, MessageError, RobotMbrlError
from robot_mbrl.messages import NANOSECONDS
from robot_mbrl.readiness.finding import Finding, Level, amber, as_json, exit_code, green, red
from robot_mbrl.readiness.heard import Heard, judge_source, wanted_joints
from robot_mbrl.readiness.machine import judge_machine
from robot_mbrl.readiness.pose import Pose
from robot_mbrl.readiness.urdf import judge_limits, read_urdf
from robot_mbrl.runs.scenario import namespace
from robot_mbrl.terminal import with_output
from ros_nodes import qos
from ros_nodes.actuator_node import PRIORITY
from ros_nodes.discovery import Discovery
from ros_nodes.endpoints import Endpoints
from ros_nodes.graph_check import GraphCheck
from ros_nodes.message_types import check_robot, message_type
from ros_nodes.operate import INTERRUPTED, NO_LOG_FILE
from ros_nodes.publishers import PublisherWatch
from ros_nodes.runtime import make_executor, with_info

DISCOVERY_LIMIT_S = 10.0
"""Who was not discovered for so long is not there."""
LOOK_S = 0.1
ROBOT_DESCRIPTION = ("robot_description", "/robot_description")
"""Where robot_state_publisher latches the URDF: in the robot's namespace, or for the only robot."""
COLOURS = {Level.GREEN: "green", Level.AMBER: "yellow", Level.RED: "bold red"}


class Checker:
    """Subscribes as the robot's nodes would, publishes nothing, and judges what it heard."""

    def __init__(self, config: RunConfig) -> None:
        """Join the graph in the robot's namespace."""
        self.node = node = Node("check", start_parameter_services=False, enable_rosout=False)
        self._config, self._robot = config, config.robot
        self._endpoints, self._discovery = Endpoints(node), Discovery(node)
        self._graph = GraphCheck(node, config.robot, self._endpoints)
        joint_sources = {c.source for c in self._robot.commands if c.source is not None}
        self._watch = PublisherWatch(
            node,
            exclusive=(topics.OBSERVATION, topics.ACTION),
            commands=(),
            sources=[self._robot.sources[name].topic for name in joint_sources],
        )
        self._joint_sources = joint_sources
        self._observer = Observer(self._robot, config.observation_spec().images, stamps=True)
        self._pose = Pose(self._robot, config.step_s)
        self._heard: dict[str, Heard] = defaultdict(Heard)
        self._wanted = {name: wanted_joints(self._robot, name) for name in self._robot.sources}
        self._urdf = ""
        self._executor = make_executor()
        self._executor.add_node(node)
        for name, source in self._robot.sources.items():
            node.create_subscription(
                message_type(source.type),
                source.topic,
                with_info(lambda message, info, name=name: self._on_message(name, message, info)),
                qos.sensor(source),
            )
        for topic in ROBOT_DESCRIPTION:
            node.create_subscription(String, topic, self._on_description, qos.LATCHED)

    def listen(self, seconds: float) -> None:
        """Hear the driver for a while, counted from when all of its topics have been heard, or cannot be."""
        self._spin(DISCOVERY_LIMIT_S, until_heard=True)
        self._spin(seconds)
        self._listened_s = seconds

    def findings(self, folder: Path, urdf: str) -> list[Finding]:
        """All that can be said.

        Args:
            folder: where runs are kept.
            urdf: text of the robot's URDF; empty for the one that was heard, if one was.
        """
        now_s = time.monotonic()
        found = list(self._graph.judge_company(heard=any(heard.arrivals_s for heard in self._heard.values())))
        for name in self._robot.sources:
            found += judge_source(name, self._robot, self._complete(name), now_s, self._listened_s)
        found += self._pose.judge(now_s)
        for command in self._robot.commands:
            found += self._graph.judge_command(command)
        found += self._graph.judge_joystick()
        found += self._exclusive(now_s)
        found += self._limits(urdf or self._urdf)
        return [*found, *judge_machine(folder, PRIORITY)]

    def _spin(self, seconds: float, *, until_heard: bool = False) -> None:
        end_s, look_s = time.monotonic() + seconds, 0.0
        while (now_s := time.monotonic()) < end_s:
            if until_heard and all(self._heard[name].arrivals_s for name in self._robot.sources):
                return
            if now_s >= look_s:
                # Participants must be seen while they live; see `Endpoints`.
                look_s = now_s + LOOK_S
                self._watch.update(now_s)
            self._executor.spin_once(LOOK_S)

    def _on_message(self, name: str, message: Any, info: dict[str, int]) -> None:
        source, heard, now_s = self._robot.sources[name], self._heard[name], time.monotonic()
        if source.type == topics.JOINT_STATE:
            heard.joints |= set(message.name)
            if self._wanted[name].isdisjoint(message.name):
                return
        heard.arrivals_s.append(now_s)
        arrived_ns = time.time_ns()
        if info.get("source_timestamp"):
            heard.sent_s.append((arrived_ns - info["source_timestamp"]) / NANOSECONDS)
        if hasattr(message, "header") and (stamp_ns := messages.read_stamp(message.header.stamp)):
            heard.delays_s.append((arrived_ns - stamp_ns) / NANOSECONDS)
        if name in self._joint_sources:
            self._watch.note(source.topic, message.name, info, now_s)
        self._pose.sense(name, message, now_s)
        if name in self._observer.sources:
            try:
                self._observer.receive(name, message, now_s)
                if name in self._observer.picture_sources:
                    self._observer.decode(name)
            except MessageError as error:
                heard.refused += 1
                heard.refusal = str(error)

    def _on_description(self, message: Any) -> None:
        self._urdf = message.data

    def _complete(self, name: str) -> Heard:
        """What was heard of a source, with what the graph says of it."""
        source, heard = self._robot.sources[name], self._heard[name]
        topic = self.node.resolve_topic_name(source.topic)
        heard.publishers = tuple(map(str, self._endpoints.publishers(topic)))
        heard.mismatches = self._discovery.unheard_publishers(name, source)
        heard.alike = tuple(
            other
            for other, types in self.node.get_topic_names_and_types()
            if source.type in types and other != topic and self._endpoints.publishers(other)
        )
        told = [str(c) for c in self._watch.update(time.monotonic()) if c.topic == topic]
        heard.contradictions = "; ".join(told)
        return heard

    def _exclusive(self, now_s: float) -> Iterator[Finding]:
        """Whether two of our own sides run for the same robot."""
        own = {self.node.resolve_topic_name(topic) for topic in (topics.OBSERVATION, topics.ACTION)}
        if told := [str(c) for c in self._watch.update(now_s) if c.topic in own]:
            yield red("ros.robot", "; ".join(told), "end one of the two: one robot-mbrl robot for each robot")

    def _limits(self, urdf: str) -> Iterable[Finding]:
        if not urdf:
            return [green("limits", "there is no robot_description to compare with (--urdf FILE names one)")]
        try:
            return list(judge_limits(self._robot, read_urdf(urdf)))
        except ConfigError as error:
            return [amber("limits", str(error), "publish the expanded URDF, or name one with --urdf FILE")]


def show(findings: Iterable[Finding], console: Console) -> None:
    """Print findings for people: a line each, with its remedy below where one is needed."""
    for finding in findings:
        level = f"[{COLOURS[finding.level]}]{finding.level:5}[/]"
        console.print(level, end=" ")
        console.print(f"{finding.name}: {finding.found}", markup=False, highlight=False, soft_wrap=True)
        if finding.remedy:
            console.print(f"      → {finding.remedy}", markup=False, highlight=False, soft_wrap=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Listen for a while and print what was found; returns 0 if all is well, 1 if not quite, 2 if not at all."""
    parser = argparse.ArgumentParser(prog="robot-mbrl check")
    parser.add_argument("task")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--folder", type=Path, default=Path())
    parser.add_argument("--urdf", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--namespace", default="")
    args = parser.parse_args(arguments)
    return with_output(lambda: _run(args))


def _run(args: argparse.Namespace) -> int:
    try:
        config = load_run(args.task)
        check_robot(config.robot)
        space = topics.namespace(args.namespace) if args.namespace else namespace(config)
        words = ["check", "--ros-args", "-r", f"__ns:={space}", *NO_LOG_FILE[1:]]
        rclpy.init(args=words, signal_handler_options=SignalHandlerOptions.NO)
    except (RobotMbrlError, RuntimeError) as error:
        print(f"robot-mbrl: {' '.join(str(error).split())}", file=sys.stderr)
        return USER_ERROR
    try:
        checker = Checker(config)
        checker.listen(args.seconds)
        urdf = args.urdf.read_text(encoding="utf-8") if args.urdf is not None else ""
        findings = checker.findings(args.folder, urdf)
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        rclpy.try_shutdown()
    if args.json:
        print(json.dumps(as_json(findings), indent=2))
    else:
        show(findings, Console())
    return exit_code(findings)


if __name__ == "__main__":
    sys.exit(main())
