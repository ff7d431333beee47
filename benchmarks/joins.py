"""What processes that join the graph and leave it cost the robot, beside others that want all the time.

Run it with `python -m benchmarks.joins`. Robot and nodes are those of `robot-mbrl demo`, with random actions; two
processes of the learner's priority that only count, or a learner, keep the cores busy. First the graph is left alone
for a while. Then processes with ROS's own settings join it, listen a second and leave, one after another, by turns bare
and subscribed as `ros2 topic echo` is. A listener that stays counts what the guard says and does meanwhile.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray

from benchmarks.control_latency import Listener
from benchmarks.report import report
from robot_mbrl import topics
from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.runs.environment import node_environment
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.runs.scenario import LEARNER_NICENESS, NodeProcess, namespace, scenario
from robot_mbrl.runs.supervisor import Supervisor
from robot_mbrl.specs import Source
from ros_nodes import qos

JOINS = 200
QUIET_S = 60.0
STAY_S = 1.0
SETTLING_STEPS = 100
PATIENCE_S = 600.0
SLICE_S = 0.05
COUNTING = "while True: pass"
ONLOOKER = """
import sys, time
import rclpy
from rclpy.node import Node
from sensor_msgs.msg import JointState
topic, stay_s = sys.argv[1], float(sys.argv[2])
rclpy.init()
node = Node("onlooker")
if topic:
    node.create_subscription(JointState, topic, lambda message: None, 10)
end_s = time.monotonic() + stay_s
while (left_s := end_s - time.monotonic()) > 0:
    rclpy.spin_once(node, timeout_sec=left_s)
node.destroy_node()
rclpy.shutdown()
"""
"""A process as a person starts it: it knows nothing of this project."""
DDS_VARIABLES = ("FASTDDS_BUILTIN_TRANSPORTS", "FASTRTPS_DEFAULT_PROFILES_FILE", "RMW_FASTRTPS_PUBLICATION_MODE")


@dataclass(frozen=True)
class Figures:
    """What happened during one part of a measurement."""

    steps: int
    stopped: int
    """Steps at which the guard had stopped the robot."""
    late: int
    """Steps at which the action came too late, or not at all."""
    reasons: dict[str, int]
    """Interventions of the guard by reason, those that refuse, stop or miss."""
    p50_ms: float
    p99_ms: float
    """From the sending of an observation to the sending of the command that answers it."""
    longest_gap_ms: float
    """Between the sendings of two observations of an episode."""


CHANGED = ("clipped", "position_bound", "braking", "rate", "acceleration")
"""Interventions that belong to random actions: the guard shapes them."""


class Witness(Listener):
    """Also hears the guard's own count of its interventions."""

    def __init__(self, config: RunConfig, domain: int) -> None:
        super().__init__(config, domain)
        self.interventions: Counter[str] = Counter()
        self._node.create_subscription(DiagnosticArray, topics.GUARD, self._on_guard, qos.EVENTS)

    def _on_guard(self, message: Any) -> None:
        pairs = {pair.key: pair.value for pair in message.status[0].values}
        counts = {key.partition(".")[2]: int(value) for key, value in pairs.items() if key.startswith("intervention.")}
        self.interventions = Counter({reason: count for reason, count in counts.items() if reason not in CHANGED})

    @property
    def nodes(self) -> set[str]:
        """Names of the nodes in the graph."""
        return set(self._node.get_node_names())

    def figures(self, begin_ns: int, before: Counter[str]) -> Figures:
        """What happened since a step, and since so many interventions."""
        steps = self.steps_since(begin_ns)
        sources = Counter(self.sources[step] for step in steps)
        p50, p99 = np.percentile(self.latencies_ms(steps), (50, 99))
        sent_ms = np.array([self._observed_ns[step] * 1e-6 for step in steps])
        return Figures(
            steps=len(steps),
            stopped=sources[Source.STOP],
            late=sources[Source.LATE],
            reasons=dict(self.interventions - before),
            p50_ms=float(p50),
            p99_ms=float(p99),
            longest_gap_ms=float(np.diff(sent_ms).max()),
        )


@contextmanager
def busy() -> Iterator[None]:
    """Two processes of the learner's priority that take all the time they are left."""
    command = ["nice", "-n", str(LEARNER_NICENESS), sys.executable, "-c", COUNTING]
    counting = [subprocess.Popen(command) for _ in range(2)]
    try:
        yield
    finally:
        for process in counting:
            process.kill()
            process.wait()


def onlooker_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables of another terminal that joins the run, with nothing set for DDS."""
    return {name: value for name, value in environment.items() if name not in DDS_VARIABLES}


def join_and_leave(witness: Witness, environment: Mapping[str, str], topic: str) -> None:
    """One process joins, stays a while and leaves."""
    process = subprocess.Popen([sys.executable, "-c", ONLOOKER, topic, str(STAY_S)], env=dict(environment))
    while process.poll() is None:
        witness.serve(SLICE_S)
    if process.returncode:
        raise RuntimeError(f"an onlooker ended with code {process.returncode}")


DRIVING = ("simulator", "sensor", "actuator", "policy", "bundle")
"""Without the bundle node, which tells that there is no bundle yet, nothing would act at random."""


def chosen_nodes(config: RunConfig, folder: Path, *, learner: bool) -> Sequence[NodeProcess]:
    """The demo's nodes; without a learner, only those that drive."""
    nodes = scenario("demo", config, folder)
    return nodes if learner else [node for node in nodes if node.name in DRIVING]


@dataclass(frozen=True)
class BusyGraph:
    """The nodes of a robot that moves, on cores that others want."""

    witness: Witness
    environment: Mapping[str, str]
    """Variables of whoever joins."""
    folder: RunFolder
    processes: Mapping[str, int]
    """Process id of each node, by name."""


@contextmanager
def busy_graph(
    config: RunConfig, *, learner: bool = False, dds: Mapping[str, str] | None = None
) -> Iterator[BusyGraph]:
    """Start the nodes of a robot, and wait until it has moved for a while.

    Args:
        config: the run.
        learner: whether a learner keeps the cores busy, instead of processes that only count.
        dds: variables for the nodes, but not for those who join.
    """
    with tempfile.TemporaryDirectory() as path, ExitStack() as stack:
        folder = RunFolder.create(config, Path(path) / "run")
        environment = node_environment(onlooker_environment(os.environ))
        os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = environment["ROS_AUTOMATIC_DISCOVERY_RANGE"]
        witness = Witness(config, int(environment["ROS_DOMAIN_ID"]))
        stack.callback(witness.close)
        if not learner:
            stack.enter_context(busy())
        nodes = chosen_nodes(config, folder.path, learner=learner)
        supervisor = stack.enter_context(Supervisor(nodes, folder, {**environment, **(dds or {})}))
        settle(witness, supervisor)
        yield BusyGraph(witness, environment, folder, supervisor.running)


def measure(
    task: str, *, joins: int, quiet_s: float, learner: bool = False, dds: Mapping[str, str] | None = None
) -> tuple[Figures, Figures]:
    """Figures of a graph that is left alone, and of the same while others join and leave.

    Args:
        task: whose robot.
        joins: how many processes join and leave.
        quiet_s: how long it is left alone before.
        learner: whether a learner keeps the cores busy, instead of processes that only count.
        dds: variables for the nodes, but not for those who join.
    """
    # Random for as long as this takes.
    overrides = {"agent.train_ratio": 1e6, "agent.prefill_steps": 100} if learner else {"agent.prefill_steps": 100_000}
    config = load_run(task, overrides)
    with busy_graph(config, learner=learner, dds=dds) as graph:
        witness, environment = graph.witness, graph.environment
        begin, before = max(witness.sources), witness.interventions
        witness.serve(quiet_s)
        quiet = witness.figures(begin, before)
        begin, before = max(witness.sources), witness.interventions
        subject = f"{namespace(config)}/{topics.OBSERVATION}"
        for number in range(joins):
            join_and_leave(witness, environment, subject if number % 2 else "")
        # The last to leave is noticed a little later, and counted by the guard once a second.
        witness.serve(2 * STAY_S)
        return quiet, witness.figures(begin, before)


def settle(witness: Witness, supervisor: Supervisor) -> None:
    """Wait until the robot has moved for a while."""
    deadline_s = time.monotonic() + PATIENCE_S
    moving = (Source.POLICY, Source.RANDOM)
    while sum(source in moving for source in witness.sources.values()) < SETTLING_STEPS:
        if time.monotonic() > deadline_s:
            raise RuntimeError(f"the robot did not move within {PATIENCE_S:g} s")
        supervisor.watch(0.0)
        witness.serve(SLICE_S)


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.joins", description=__doc__)
    parser.add_argument("--joins", type=int, default=JOINS, help="how many processes join and leave")
    parser.add_argument("--quiet", type=float, default=QUIET_S, help="how long the graph is left alone before, s")
    parser.add_argument("--task", default="cartpole", help="task whose robot is stopped or not")
    parser.add_argument("--learner", action="store_true", help="a learner, instead of two processes that only count")
    parser.add_argument("--transport", help="FASTDDS_BUILTIN_TRANSPORTS of the nodes: DEFAULT is what ROS itself has")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    dds = {"FASTDDS_BUILTIN_TRANSPORTS": args.transport} if args.transport else {}
    quiet, joined = measure(args.task, joins=args.joins, quiet_s=args.quiet, learner=args.learner, dds=dds)
    if args.json:
        print(json.dumps({"joins": args.joins, "quiet": asdict(quiet), "joined": asdict(joined)}))
        return
    rows = [{"graph": name, **asdict(figures)} for name, figures in (("alone", quiet), ("joined", joined))]
    report("joins", [row | {"reasons": ", ".join(f"{k} {v}" for k, v in row["reasons"].items())} for row in rows])


if __name__ == "__main__":
    main()
