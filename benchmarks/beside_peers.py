"""One update of DreamerV3 beside the same of another implementation, in turns, at one and at two threads.

Run it with `python -m benchmarks.beside_peers --peer-python PATH`, where PATH is the interpreter of an environment that
has TorchRL; docs/benchmarks.md says how to make one. Without it only this project's update is measured. Both have all
losses of the paper and the size of `benchmarks/peers/sizes.py`: 4.5 million parameters, batch 16 x 64, horizon 15.

Machines are noisy, so both are asked in turns, and the ratio is that of updates next to one another.
"""

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.report import Row, report

ROOT = Path(__file__).parent.parent
OURS = "benchmarks.peers.ours"
PEER = "benchmarks.peers.torchrl_dreamer"


class Implementation:
    """A process that makes updates on request; see `benchmarks.peers.stopwatch`."""

    def __init__(self, command: Sequence[str]) -> None:
        """Start it and wait until it can make updates.

        Args:
            command: that serves them, run in the repository's root.

        Raises:
            SystemExit: if it ends instead.
        """
        # As the command line of this project sets it: waiting threads leave the cores to whoever works.
        environment = {"OMP_WAIT_POLICY": "passive"} | os.environ
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._command = shlex.join(command)
        described = self._answer()
        self.name, self.parameters = described["name"], described["parameters"]

    def update(self, threads: int) -> dict[str, float]:
        """Durations of one update, s: of the clock, and of the processor."""
        assert self._process.stdin is not None
        print(threads, file=self._process.stdin, flush=True)
        durations: dict[str, float] = self._answer()
        return durations

    def _answer(self):  # noqa: ANN202 whatever it has to say
        assert self._process.stdout is not None
        if not (line := self._process.stdout.readline()):
            raise SystemExit(f"{self._command} ended with status {self._process.wait()}; it has said why above")
        return json.loads(line)

    def __enter__(self) -> Self:
        """Nothing is to be done: it runs already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let it end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def compare(implementations: Sequence[Implementation], threads: int, rounds: int) -> list[Row]:
    """Measure implementations in turns.

    Returns:
        A row each: durations, and how many times as long as the first one's it takes by the clock and by the processor.
    """
    for implementation in implementations:
        implementation.update(threads)
    measured = [[implementation.update(threads) for implementation in implementations] for _ in range(rounds)]
    return [
        {
            "implementation": implementation.name,
            "parameters": implementation.parameters,
            "threads": threads,
            "p50 s": statistics.median(turn[index]["wall_s"] for turn in measured),
            "fastest s": min(turn[index]["wall_s"] for turn in measured),
            "processor p50 s": statistics.median(turn[index]["processor_s"] for turn in measured),
            "times ours": statistics.median(turn[index]["wall_s"] / turn[0]["wall_s"] for turn in measured),
            "times ours, processor": statistics.median(
                turn[index]["processor_s"] / turn[0]["processor_s"] for turn in measured
            ),
            "rounds": rounds,
        }
        for index, implementation in enumerate(implementations)
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.beside_peers")
    parser.add_argument("--peer-python", metavar="PATH", help="interpreter of an environment with TorchRL")
    parser.add_argument("--rounds", type=int, default=7, help="updates of each, in turns (default: 7)")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="numbers of threads (default: 1 2)")
    chosen = parser.parse_args(arguments)
    rows: list[Row] = []
    with Implementation([sys.executable, "-m", OURS]) as ours:
        if chosen.peer_python is None:
            for threads in chosen.threads:
                rows += compare([ours], threads, chosen.rounds)
        else:
            with Implementation([chosen.peer_python, "-m", PEER]) as peer:
                for threads in chosen.threads:
                    rows += compare([ours, peer], threads, chosen.rounds)
    report("beside_peers", rows)


if __name__ == "__main__":
    main()
