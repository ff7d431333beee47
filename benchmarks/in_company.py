"""What console, joystick and recorder cost the robot, all connected: its latency and its processor time.

Run it with `python -m benchmarks.in_company`. Robot and nodes are those of `robot-mbrl demo`, with random actions,
beside two processes that keep the cores busy. By turns only what drives the robot is there, and with it the recorder,
the node of a joystick that is heard 20 times a second with nothing held, and `robot-mbrl console` in a terminal of its
own. All is of one run, so that the ratios are theirs, whatever else this machine does.
"""

import argparse
import json
import os
import pty
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.joins import PATIENCE_S, BusyGraph, busy_graph
from benchmarks.report import Row, report
from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.runs.scenario import NodeProcess, namespace, scenario
from robot_mbrl.specs import Source

TURNS, SECONDS = 6, 20.0
SETTLING_S = 3.0
"""After company has come or gone, before anything counts."""
LOOK_S = 0.25
LEAVE_S = 10.0
DRIVING = ("sensor", "actuator", "policy")
"""Nodes whose processor time counts: those that drive the robot, without the simulator."""
COMPANY = ("recorder", "teleop", "console")
NODE_NAMES = {"recorder", "teleop", "operator_console", "stick"}
AXIS, DEAD_MAN = 1, 4
STICK = """
import sys
from contextlib import suppress
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from sensor_msgs.msg import Joy
rclpy.init()
node = Node("stick", namespace=sys.argv[1])
stick = node.create_publisher(Joy, "joy", 10)
node.create_timer(0.05, lambda: stick.publish(Joy(axes=[0.0] * 6, buttons=[0] * 8)))
with suppress(ExternalShutdownException):
    rclpy.spin(node)
"""
"""A joystick's driver as ROS's own, autorepeat and all."""


@dataclass
class Turns:
    """What was measured over all turns of one kind."""

    steps: list[int] = field(default_factory=list)
    seconds: float = 0.0
    busy_s: dict[str, float] = field(default_factory=dict)
    """Processor time of each process, by what it is."""

    def share(self, names: Sequence[str]) -> float:
        """Processor time of some, as a share of one core."""
        return sum(self.busy_s.get(name, 0.0) for name in names) / self.seconds


@dataclass(frozen=True)
class Comparison:
    """The robot alone and in company."""

    rows: tuple[Row, Row]

    def ratio(self, column: str) -> float:
        """In company over alone."""
        alone, company = (float(row[column]) for row in self.rows)
        return company / alone


def processor_s(pid: int) -> float:
    """Processor time that a process has used, with all of its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def company(graph: BusyGraph, config: RunConfig) -> Iterator[Mapping[str, int]]:
    """Recorder, joystick and console beside a robot that moves; gives their process ids once they are in the graph."""
    nodes = {node.name: node for node in scenario("demo", config, graph.folder.path)}
    environment = dict(graph.environment)
    with ExitStack() as closing:
        started = {name: _start(nodes[name], environment) for name in ("recorder", "teleop")}
        stick = subprocess.Popen([sys.executable, "-c", STICK, namespace(config)], env=environment)
        keyboard, screen = pty.openpty()
        command = [sys.executable, "-m", "robot_mbrl.cli", "console", f"--run={graph.folder.path}"]
        terminal = {**environment, "TERM": "xterm-256color"}
        started["console"] = subprocess.Popen(command, env=terminal, stdin=screen, stdout=screen, stderr=screen)
        os.close(screen)
        closing.callback(os.close, keyboard)
        for process in (*started.values(), stick):
            closing.callback(_end, process)
        threading.Thread(target=_watch_screen, args=(keyboard,), daemon=True).start()
        deadline_s = time.monotonic() + PATIENCE_S
        while not graph.witness.nodes >= NODE_NAMES:
            if time.monotonic() > deadline_s:
                missing = sorted(NODE_NAMES - graph.witness.nodes)
                raise RuntimeError(f"{', '.join(missing)} did not come within {PATIENCE_S:g} s")
            graph.witness.serve(LOOK_S)
        yield {name: process.pid for name, process in started.items()}


def measure(task: str, *, turns: int, seconds: float) -> Comparison:
    """The robot alone and in company, by turns in one run.

    Args:
        task: whose robot; its first joint is the joystick's.
        turns: of each kind.
        seconds: of each turn.

    Raises:
        RuntimeError: if somebody does not come.
    """
    joint = load_run(task).robot.joint_names[0]
    stick = {"dead_man": DEAD_MAN, "axes": {joint: {"axis": AXIS}}}
    config = load_run(task, {"agent.prefill_steps": 100_000, "robot.teleop": stick})
    alone, beside = Turns(), Turns()
    with busy_graph(config) as graph:
        for _ in range(turns):
            _measure(alone, graph, {}, seconds)
            with company(graph, config) as others:
                _measure(beside, graph, others, seconds)
        rows = _row("alone", alone, graph), _row("in company", beside, graph)
    return Comparison(rows)


def _measure(turns: Turns, graph: BusyGraph, others: Mapping[str, int], seconds: float) -> None:
    """One turn, once all has settled."""
    witness = graph.witness
    pids = {name: graph.processes[name] for name in DRIVING} | dict(others)
    witness.serve(SETTLING_S)
    begin, begin_s = max(witness.sources), time.monotonic()
    before = {name: processor_s(pid) for name, pid in pids.items()}
    witness.serve(seconds)
    for name, pid in pids.items():
        turns.busy_s[name] = turns.busy_s.get(name, 0.0) + processor_s(pid) - before[name]
    turns.seconds += time.monotonic() - begin_s
    turns.steps += witness.steps_since(begin)


def _row(name: str, turns: Turns, graph: BusyGraph) -> Row:
    witness = graph.witness
    p50, p99 = np.percentile(witness.latencies_ms(turns.steps), (50, 99))
    stopped = sum(witness.sources[step] is Source.STOP for step in turns.steps)
    row: Row = {
        "graph": name,
        "steps": len(turns.steps),
        "stopped": stopped,
        "p50 ms": float(p50),
        "p99 ms": float(p99),
    }
    shares = {f"{node} % of a core": 100.0 * turns.share([node]) for node in (*DRIVING, *COMPANY)}
    return {**row, "driving % of a core": 100.0 * turns.share(DRIVING), **shares}


def _start(node: NodeProcess, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    command = ["nice", "-n", str(node.niceness), *node.command()]
    return subprocess.Popen(command, env=dict(environment), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(LEAVE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _watch_screen(keyboard: int) -> None:
    """Read what a terminal shows, for which the console would wait else."""
    with suppress(OSError):
        while os.read(keyboard, 1 << 16):
            pass


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.in_company", description=__doc__)
    parser.add_argument("--task", default="cartpole", help="task whose robot it is (default %(default)s)")
    parser.add_argument("--turns", type=int, default=TURNS, help="of each kind (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each turn (default %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    found = measure(args.task, turns=args.turns, seconds=args.seconds)
    ratios = {column: found.ratio(column) for column in ("p50 ms", "p99 ms", "driving % of a core")}
    if args.json:
        print(json.dumps({"rows": [dict(row) for row in found.rows], "ratios": ratios}))
        return
    report("in_company", found.rows)
    print("in company over alone: " + ", ".join(f"{column} {ratio:.2f}" for column, ratio in ratios.items()))


if __name__ == "__main__":
    main()
