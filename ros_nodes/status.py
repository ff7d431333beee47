"""Shows the live graph: who publishes what, how often, how old the newest is, which bundle drives, the guard."""

import argparse
import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rich.console import Console
from rich.table import Table
from std_msgs.msg import String

from robot_mbrl import topics
from robot_mbrl.bundles import read_announcement
from robot_mbrl.errors import BundleError
from ros_nodes.runtime import make_executor

DISCOVERY_S = 0.25
"""How often new topics are looked for."""
DISCOVERY_LIMIT_S = 10.0
"""Who has not been discovered and heard for so long is not there."""
SPIN_S = 0.05
HIDDEN = ("/rosout", "/parameter_events")
GUARD_KEYS = ("enabled", "stopped", "steps", "late", "stops", "latency_p50_ms", "latency_p99_ms", "latency_max_ms")

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
        self._executor = make_executor()
        self._executor.add_node(self.node)

    def listen(self, seconds: float) -> None:
        """Hear what goes on for a while, counted from when somebody was discovered, which may take seconds itself."""
        self._spin(DISCOVERY_LIMIT_S, lambda: self._others() and any(t.received for t in self.traffic.values()))
        self._spin(seconds, lambda: False)

    def report(self) -> dict[str, Any]:
        """Everything heard, as it is printed for `--json`."""
        return {
            "domain": int(os.environ.get("ROS_DOMAIN_ID") or 0),
            "nodes": sorted(self._others()),
            "topics": [self._describe(name, traffic) for name, traffic in sorted(self.traffic.items())],
            "bundles": self.bundles,
            "guards": self.guards,
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
        if topic == topics.BUNDLE:
            self.node.create_subscription(String, name, lambda m: self._on_bundle(name, namespace, m), LATCHED)
        elif topic == topics.GUARD:
            self.node.create_subscription(DiagnosticArray, name, lambda m: self._on_guard(name, namespace, m), ANY)
        elif (message := message_class(type_name)) is not None:
            self.node.create_subscription(message, name, lambda _: self.traffic[name].note(), ANY, raw=True)

    def _on_bundle(self, name: str, namespace: str, message: Any) -> None:
        self.traffic[name].note()
        try:
            announced = read_announcement(message.data)
        except BundleError as error:
            self.node.get_logger().warning(f"{name}: {error}")
            return
        if announced is not None:
            self.bundles[namespace or "/"] = announced.model_dump()

    def _on_guard(self, name: str, namespace: str, message: Any) -> None:
        self.traffic[name].note()
        if message.status:
            self.guards[namespace or "/"] = {pair.key: pair.value for pair in message.status[0].values}


def message_class(name: str) -> Any | None:
    """The class of a message type such as `sensor_msgs/msg/Image`; None if its package is not installed."""
    package, _, cls = name.split("/")
    try:
        return getattr(importlib.import_module(f"{package}.msg"), cls)
    except (ImportError, AttributeError):
        return None


def show(report: dict[str, Any], console: Console) -> None:
    """Print a report for people."""
    console.print(f"domain {report['domain']}: {', '.join(report['nodes']) or 'no nodes'}", highlight=False)
    table = Table(box=None, header_style="bold")
    for heading in ("topic", "type", "from", "Hz", "last heard"):
        table.add_column(heading, no_wrap=heading != "from")
    for topic in report["topics"]:
        rate = "–" if topic["rate_hz"] is None else f"{topic['rate_hz']:.1f}"
        age = "–" if topic["age_s"] is None else f"{topic['age_s']:.2f} s ago"
        writers = " ".join(topic["publishers"]) or "nobody"
        table.add_row(topic["name"], topic["type"].rpartition("/")[2], writers, rate, age)
    console.print(table)
    for namespace, bundle in report["bundles"].items():
        console.print(
            f"{namespace} runs version {bundle['version']} of run {bundle['run_id']}, {bundle['path']}",
            highlight=False,
            soft_wrap=True,
        )
    for namespace, guard in report["guards"].items():
        figures = ", ".join(f"{key} {guard[key] or 'no'}" for key in GUARD_KEYS if key in guard)
        console.print(f"{namespace} guard: {figures}", highlight=False, soft_wrap=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Listen for a while and print what was heard; returns 1 if nobody is there."""
    parser = argparse.ArgumentParser(prog="robot-mbrl status", description="Shows the live graph.")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long to listen, once somebody is heard")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args(arguments)
    rclpy.init(args=[])
    try:
        listener = Listener()
        listener.listen(args.seconds)
        report = listener.report()
    finally:
        rclpy.try_shutdown()
    if args.json:
        print(json.dumps(report, indent=2))
    else:
        show(report, Console())
    return 0 if report["nodes"] else 1


if __name__ == "__main__":
    sys.exit(main())
