"""How long it takes from an accident until the robot is told to brake, and until it is told to stand still.

Run it with `python -m benchmarks.stopping_times`. A real robot's nodes drive a stand-in for its driver over DDS: an arm
that is commanded by position, and a base by velocity. Each accident happens several times, to a robot that moves.
"""

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import yaml
from std_msgs.msg import Bool

from benchmarks.campaign.graph import GraphError, RobotGraph
from benchmarks.campaign.kills import load_hardware

TIMES = 10
GOING_S = 1.0
"""How long a robot has moved before something happens to it."""
LET_GO_S = 2.3
WATCHED_S = 2.5
"""How long is looked for a stop."""
ATTEMPTS = 10


def stop_by_person(graph: RobotGraph) -> None:
    """The emergency stop."""
    graph.emergencies.publish(Bool(data=True))


def disable(graph: RobotGraph) -> None:
    """A person lets go."""
    graph.enables.publish(Bool(data=False))


def kill(name: str) -> Callable[[RobotGraph], None]:
    """A node dies."""
    return lambda graph: graph.kill(name)


def stall(graph: RobotGraph) -> None:
    """The driver hangs and says nothing more."""
    graph.running["driver"].send_signal(signal.SIGSTOP)


def repeat(graph: RobotGraph) -> None:
    """The driver goes on sending its last message."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump({"faults": [{"kind": "frozen", "stamp": "old", "duration_s": 60.0}]}, file)
        file.flush()
        graph.set_faults(file.name)


ACCIDENTS: dict[str, Callable[[RobotGraph], None]] = {
    "emergency stop": stop_by_person,
    "enable: false": disable,
    "policy killed": kill("policy"),
    "sensor node killed": kill("sensor"),
    "driver hangs, silent": stall,
    "driver hangs, repeating": repeat,
}


def measure(graph: RobotGraph, happen: Callable[[RobotGraph], None]) -> tuple[float, float]:
    """Seconds until the guard says that the robot is stopped, and until its newest command is the last that differs.

    Raises:
        GraphError: if it is not stopped.
    """
    get_going(graph)
    before = set(graph.running)
    at_s = time.time()
    happen(graph)
    graph.serve(WATCHED_S)
    stopped = [s for s, report in graph.heard.reports if s > at_s and report["state"] != "moving"]
    commands = [(s, tuple(values.values())) for s, values in graph.heard.commands if s > at_s - 0.1]
    if not stopped:
        raise GraphError(
            f"the robot was not stopped within {WATCHED_S} s; the guard says: {graph.heard.reports[-1][1]}"
        )
    changed = [s for (_, old), (s, new) in zip(commands, commands[1:], strict=False) if old != new and s > at_s]
    graph.running["driver"].send_signal(signal.SIGCONT)
    for name in before - set(graph.running):
        graph.start(name)
    return stopped[0] - at_s, max(changed, default=at_s) - at_s


def get_going(graph: RobotGraph) -> None:
    """Wait until it moves, as a person does."""
    graph.set_faults("")
    for _ in range(ATTEMPTS):
        graph.release()
        graph.serve(LET_GO_S)
        graph.enable()
        graph.serve(GOING_S)
        if graph.heard.reports[-1][1]["state"] == "moving":
            return
    graph.until(lambda: False, "the robot to move", 0.0)


def main() -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stopping_times", description=__doc__)
    parser.add_argument(
        "--times", type=int, default=TIMES, help="how often each accident happens (default %(default)s)"
    )
    parser.add_argument("--robots", nargs="+", default=["arm", "base"], choices=["arm", "base", "joint"])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args()
    rows = []
    for robot in args.robots:
        with tempfile.TemporaryDirectory() as folder, RobotGraph(load_hardware(robot), Path(folder)) as graph:
            for name, happen in ACCIDENTS.items():
                times = sorted(measure(graph, happen) for _ in range(args.times))
                rows.append(
                    {
                        "robot": robot,
                        "accident": name,
                        "stopped_ms": [round(1e3 * s) for s, _ in times],
                        "at_rest_ms": sorted(round(1e3 * s) for _, s in times),
                    }
                )
                print(rows[-1], file=sys.stderr, flush=True)
    if args.json:
        print(json.dumps(rows))
        return 0
    print("robot  accident                  stopped ms p50 / max   at rest ms p50 / max")
    for row in rows:
        stopped, rest, middle = row["stopped_ms"], row["at_rest_ms"], args.times // 2
        print(f"{row['robot']:6} {row['accident']:25}", end="")
        print(f"{stopped[middle]:8} / {stopped[-1]:<8} {rest[middle]:11} / {rest[-1]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
