"""Shows the live graph: who publishes what, how often, how old the newest is, which bundle drives, the guard."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from rich.console import Console
from rich.table import Table

from robot_mbrl import topics
from robot_mbrl.bundles import read_announcement
from robot_mbrl.errors import BundleError, ConfigError
from robot_mbrl.terminal import with_output
from ros_nodes.message_types import message_type
from ros_nodes.operate import INTERRUPTED, NO_LOG_FILE
from ros_nodes.robot_state import explained
from ros_nodes.runtime import make_executor

DISCOVERY_S = 0.25
"""How often new topics are looked for."""
DISCOVERY_LIMIT_S = 10.0
"""Who has not been discovered and heard for so long is not there."""
SPIN_S = 0.05
HIDDEN = ("/rosout", "/parameter_events")
GUARD_KEYS = ("enabled", "steps", "late", "stops", "latency_p50_ms", "latency_p99_ms", "latency_max_ms")
"""What is shown of the guard's figures."""
GOAL = "goal."
"""What the names of the goal's values begin with among the sensor node's figures."""
LEVELS = {DiagnosticStatus.OK: "", DiagnosticStatus.WARN: "warns", DiagnosticStatus.ERROR: "has a fault"}

ANY = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT, durability=DurabilityPolicy.VOLATILE)
"""Matches every writer, and makes none wait or send its history."""
LATCHED = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)


@dataclass
class Traffic:
    """What was heard on one topic."""

    type: str
    received: int = 0
    first_s: float = 0.0
    last_s: float = 0.0

    def note(self) -> None:
        """Count a message that has just arrived."""
        self.last_s = time.monotonic()
        if self.received == 0:
            self.first_s = self.last_s
        self.received += 1

    @property
    def rate_hz(self) -> float | None:
        """Messages per second between the first and the last; None for fewer than two."""
        span_s = self.last_s - self.first_s
        return round((self.received - 1) / span_s, 2) if self.received > 1 and span_s > 0 else None

    @property
    def age_s(self) -> float | None:
        """Seconds since the newest arrived; None if none did."""
        return round(time.monotonic() - self.last_s, 3) if self.received else None


class Listener:
    """Subscribes to whatever appears in the graph, without taking messages apart."""

    def __init__(self) -> None:
        """Join the graph."""
        self.node = Node("status")
        self.traffic: dict[str, Traffic] = {}
        self.bundles: dict[str, dict[str, Any]] = {}
        self.guards: dict[str, dict[str, str]] = {}
        self.states: dict[str, str] = {}
        self.diagnostics: dict[str, dict[str, Any]] = {}
        self._executor = make_executor()
        self._executor.add_node(self.node)

    def listen(self, seconds: float) -> None:
        """Hear what goes on for a while, counted from when somebody was discovered, which may take seconds itself."""
        self._spin(DISCOVERY_LIMIT_S, lambda: self._others() and any(t.received for t in self.traffic.values()))
        self._spin(seconds, lambda: False)

    def report(self) -> dict[str, Any]:
        """Everything heard, as it is printed for `--json`."""
        return {
            "domain": self.node.context.get_domain_id(),
            "nodes": sorted(self._others()),
            "topics": [self._describe(name, traffic) for name, traffic in sorted(self.traffic.items())],
            "bundles": self.bundles,
            "guards": self.guards,
            "states": self.states,
            "diagnostics": self.diagnostics,
        }

    def _spin(self, seconds: float, until: Callable[[], object]) -> None:
        end_s = time.monotonic() + seconds
        look_s = 0.0
        while (now_s := time.monotonic()) < end_s and not until():
            if now_s >= look_s:
                look_s = now_s + DISCOVERY_S
                self._subscribe_to_new()
            self._executor.spin_once(SPIN_S)

    def _others(self) -> set[str]:
        """Full names of the nodes that were discovered, but for this one."""
        nodes = {f"{space.rstrip('/')}/{name}" for name, space in self.node.get_node_names_and_namespaces()}
        return nodes - {self.node.get_fully_qualified_name()}

    def _describe(self, name: str, traffic: Traffic) -> dict[str, Any]:
        writers = self.node.get_publishers_info_by_topic(name)
        return {
            "name": name,
            "type": traffic.type,
            "publishers": sorted({f"{w.node_namespace.rstrip('/')}/{w.node_name}" for w in writers}),
            "rate_hz": traffic.rate_hz,
            "age_s": traffic.age_s,
        }

    def _subscribe_to_new(self) -> None:
        for name, types in self.node.get_topic_names_and_types():
            if name in self.traffic or name in HIDDEN:
                continue
            self.traffic[name] = Traffic(types[0])
            self._subscribe(name, types[0])

    def _subscribe(self, name: str, type_name: str) -> None:
        namespace, _, topic = name.rpartition("/")
        # A bundle is megabytes, and whoever takes it stalls.
        if topic == topics.POLICY:
            return
        known: dict[tuple[str, str], tuple[Callable[[str, str, Any], None], QoSProfile]] = {
            (topics.BUNDLE, topics.TYPES[topics.BUNDLE]): (self._on_bundle, LATCHED),
            (topics.STATE, topics.TYPES[topics.STATE]): (self._on_state, LATCHED),
            (topics.GUARD, topics.TYPES[topics.GUARD]): (self._on_guard, ANY),
            (topics.DIAGNOSTICS.strip("/"), topics.TYPES[topics.DIAGNOSTICS]): (self._on_diagnostics, ANY),
        }
        if (topic, type_name) in known:
            take, profile = known[topic, type_name]
            kind = message_type(type_name)
            self.node.create_subscription(kind, name, lambda m: take(name, namespace or "/", m), profile)
            return
        # What is not installed here cannot be counted.
        with suppress(ConfigError):
            kind = message_type(type_name)
            self.node.create_subscription(kind, name, lambda _: self.traffic[name].note(), ANY, raw=True)

    def _on_bundle(self, name: str, namespace: str, message: Any) -> None:
        self.traffic[name].note()
        try:
            announced = read_announcement(message.data)
        except BundleError as error:
            self.node.get_logger().warning(f"{name}: {error}")
            return
        if announced is not None:
            self.bundles[namespace] = announced.model_dump()

    def _on_state(self, name: str, namespace: str, message: Any) -> None:
        self.traffic[name].note()
        self.states[namespace] = message.data

    def _on_guard(self, name: str, namespace: str, message: Any) -> None:
        self.traffic[name].note()
        if message.status:
            self.guards[namespace] = {pair.key: pair.value for pair in message.status[0].values}

    def _on_diagnostics(self, name: str, namespace: str, message: Any) -> None:
        self.traffic[name].note()
        for status in message.status:
            self.diagnostics[status.name] = {
                "level": LEVELS.get(status.level, "is stale"),
                "message": status.message,
                "values": {pair.key: pair.value for pair in status.values},
            }


def show(report: dict[str, Any], console: Console) -> None:
    """Print a report for people."""
    nodes = ", ".join(report["nodes"]) or "no nodes: is robot-mbrl robot or demo running, in this domain?"
    _say(console, f"domain {report['domain']}: {nodes}")
    robots = sorted({*report["states"], *report["guards"], *report["bundles"]})
    for namespace in robots:
        _show_robot(namespace, report, console)
    # Without the names of robots, a line of a terminal holds all there is to say.
    for namespace in [*robots, ""]:
        below = [topic for topic in report["topics"] if _owner(topic["name"], robots) == namespace]
        if below:
            console.print(_table(namespace, below))


def _show_robot(namespace: str, report: dict[str, Any], console: Console) -> None:
    """What one robot does, or why it does nothing."""
    guard = report["guards"].get(namespace, {})
    word = guard.get("state") or report["states"].get(namespace) or "its guard is silent"
    _say(console, f"{namespace}: {explained(word, guard.get('detail', ''))}")
    figures = ", ".join(f"{key} {guard[key] or 'no'}" for key in GUARD_KEYS if key in guard)
    if figures:
        _say(console, f"  guard: {figures}")
    for name, node in sorted(report["diagnostics"].items()):
        space, _, short = name.rpartition("/")
        if space == namespace.rstrip("/") and short != "actuator":
            level = f" {node['level']}" if node["level"] else ""
            _say(console, f"  {short}{level}: {node['message']}{_refusals(node['values'])}")
            if goal := _goal(node["values"]):
                _say(console, f"  goal: {goal}")
    if (bundle := report["bundles"].get(namespace)) is not None:
        _say(console, f"  runs version {bundle['version']} of run {bundle['run_id']}, {bundle['path']}")


def _refusals(values: dict[str, str]) -> str:
    """What a node has refused until now, such as every message of a source."""
    counts = {key.removeprefix("refused."): value for key, value in values.items() if key.startswith("refused")}
    refused = [f"{key} {value}" for key, value in counts.items() if value not in ("", "0")]
    return f" (refused: {', '.join(refused)})" if refused else ""


def _goal(values: dict[str, str]) -> str:
    """What a robot is to bring about, and why it was not told otherwise the last time that it refused to be."""
    told = ", ".join(
        f"{key.removeprefix(GOAL)} {float(value):g}" for key, value in values.items() if key.startswith(GOAL)
    )
    if "waypoints" in values:
        told += f"; way-points to come: {values['waypoints']}"
    refusal = values.get("refusal.goal", "")
    return f"{told}; refused: {refusal}" if refusal else told


def _owner(topic: str, robots: Sequence[str]) -> str:
    """The robot in whose namespace a topic is; empty for none."""
    return next((robot for robot in robots if topic.startswith(f"{robot.rstrip('/')}/") and robot != "/"), "")


def _table(namespace: str, below: Sequence[dict[str, Any]]) -> Table:
    table = Table(box=None, header_style="bold", title=f"{namespace or 'other topics'}", title_justify="left")
    for heading in ("topic", "type", "Hz", "heard", "from"):
        # Whatever is long is broken, not left out.
        table.add_column(heading, overflow="fold", no_wrap=heading in ("Hz", "heard"))
    for topic in below:
        rate = "–" if topic["rate_hz"] is None else f"{topic['rate_hz']:.1f}"
        age = "–" if topic["age_s"] is None else f"{topic['age_s']:.1f} s ago"
        writers = " ".join(writer.removeprefix(f"{namespace}/") for writer in topic["publishers"]) or "nobody"
        name = topic["name"].removeprefix(f"{namespace}/")
        table.add_row(name, topic["type"].rpartition("/")[2], rate, age, writers)
    return table


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=not console.is_terminal)


def main(arguments: Sequence[str] | None = None) -> int:
    """Listen for a while and print what was heard; returns 1 if nobody is there."""
    parser = argparse.ArgumentParser(prog="robot-mbrl status", description="Shows the live graph.")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long to listen, once somebody is heard")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args(arguments)
    return with_output(lambda: _run(args))


def _run(args: argparse.Namespace) -> int:
    try:
        rclpy.init(args=list(NO_LOG_FILE), signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:
        print(f"robot-mbrl: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    try:
        listener = Listener()
        listener.listen(args.seconds)
        report = listener.report()
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        rclpy.try_shutdown()
    if args.json:
        print(json.dumps(report, indent=2))
    else:
        show(report, Console())
    return 0 if report["nodes"] else 1


if __name__ == "__main__":
    sys.exit(main())
