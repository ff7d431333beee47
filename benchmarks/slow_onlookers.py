"""What those who look on and cannot keep up cost the robot: how much later its commands come.

Run it with `python -m benchmarks.slow_onlookers`. Robot and nodes are those of `robot-mbrl demo`, with random actions,
beside two processes that keep the cores busy. By turns the graph is left alone and listened to by three processes with
ROS's own settings, which subscribe to every topic there is and take a tenth of a second over each message; one of them
is stopped (SIGSTOP) all the while, as a terminal is by Ctrl-S. All is of one run, so that the ratio is the onlookers'.
"""

import argparse
import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from benchmarks.joins import Witness, busy_graph
from benchmarks.report import Row, report
from robot_mbrl.config import load_run
from robot_mbrl.specs import Source

ONLOOKERS, TURNS, SECONDS = 3, 4, 30.0
SETTLING_S = 3.0
"""After onlookers have come or gone, before anything counts."""
SLOW = """
import sys, time
import rclpy
from rclpy.node import Node
from ros_nodes.message_types import message_type
rclpy.init()
node = Node("slow_onlooker" + sys.argv[1])
time.sleep(2.0)
topics = [(name, kinds[0]) for name, kinds in node.get_topic_names_and_types()]
for name, kind in topics:
    node.create_subscription(message_type(kind), name, lambda message: time.sleep(0.1), 10)
print(len(topics), flush=True)
rclpy.spin(node)
"""


@dataclass(frozen=True)
class Turns:
    """What was measured over all turns of one kind."""

    latencies_ms: np.ndarray
    stopped: int
    """Steps at which the guard had stopped the robot."""

    def row(self, name: str) -> Row:
        """Its line of the table."""
        p50, p99 = np.percentile(self.latencies_ms, (50, 99))
        row: Row = {"graph": name, "steps": len(self.latencies_ms), "stopped": self.stopped}
        return {**row, "p50 ms": float(p50), "p99 ms": float(p99)}


@contextmanager
def onlookers(count: int, environment: Mapping[str, str]) -> Iterator[Sequence[int]]:
    """So many processes that cannot keep up, the last of them stopped; gives how many topics each listens to."""
    command = [sys.executable, "-c", SLOW]
    processes = [
        subprocess.Popen([*command, str(number)], env=dict(environment), stdout=subprocess.PIPE, text=True)
        for number in range(count)
    ]
    try:
        heard = [int(process.stdout.readline() or 0) for process in processes if process.stdout is not None]
        processes[-1].send_signal(signal.SIGSTOP)
        yield heard
    finally:
        for process in processes:
            process.kill()
            process.wait()


def measure(task: str, *, turns: int, seconds: float, count: int = ONLOOKERS) -> tuple[Turns, Turns, int]:
    """The graph alone, and with onlookers, by turns in one run; and how many topics they listen to.

    Args:
        task: whose robot.
        turns: of each kind.
        seconds: of each turn.
        count: of the onlookers.
    """
    config = load_run(task, {"agent.prefill_steps": 100_000})
    with busy_graph(config) as graph:
        witness, environment = graph.witness, graph.environment
        alone: list[int] = []
        watched: list[int] = []
        topics = 0
        for _ in range(turns):
            alone += _steps(witness, seconds)
            with onlookers(count, environment) as heard:
                topics = min(heard)
                watched += _steps(witness, seconds)
        return _turns(witness, alone), _turns(witness, watched), topics


def _steps(witness: Witness, seconds: float) -> list[int]:
    """The steps of a while, once all has settled."""
    witness.serve(SETTLING_S)
    begin = max(witness.sources)
    witness.serve(seconds)
    return witness.steps_since(begin)


def _turns(witness: Witness, steps: list[int]) -> Turns:
    return Turns(witness.latencies_ms(steps), sum(witness.sources[step] is Source.STOP for step in steps))


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.slow_onlookers", description=__doc__)
    parser.add_argument("--task", default="cartpole", help="task whose robot is looked at (default %(default)s)")
    parser.add_argument("--turns", type=int, default=TURNS, help="of each kind (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each turn (default %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    alone, watched, topics = measure(args.task, turns=args.turns, seconds=args.seconds)
    rows = [alone.row("alone"), watched.row(f"{ONLOOKERS} onlookers of {topics} topics")]
    ratio = float(np.percentile(watched.latencies_ms, 99) / np.percentile(alone.latencies_ms, 99))
    if args.json:
        print(json.dumps({"rows": [dict(row) for row in rows], "ratio_p99": ratio}))
        return
    report("slow_onlookers", rows)
    print(f"p99 with them is {ratio:.2f} times that without")


if __name__ == "__main__":
    main()
