"""Running a scenario over the ROS graph and following it until it is done."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.runs.journal import Act
from robot_mbrl.runs.metrics import MetricsTail
from robot_mbrl.runs.progress import Progress
from robot_mbrl.runs.record import RunRecord
from robot_mbrl.runs.scenario import NodeProcess, console_process
from robot_mbrl.runs.supervisor import StopRequest, Supervisor

UPDATE_S = 0.25
"""How often the display is brought up to date."""


@dataclass(frozen=True)
class Screen:
    """Where and how a run is shown."""

    console: Console
    quiet: bool = False
    """Show results only."""

    def say(self, text: str) -> None:
        """Print a line that is not a result."""
        if not self.quiet:
            # A node's words are no markup.
            self.console.print(text, highlight=False, markup=False, soft_wrap=True)


def follow(
    nodes: Sequence[NodeProcess],
    folder: RunFolder,
    environment: dict[str, str],
    metrics: Path,
    *,
    title: str,
    duration_s: float,
    screen: Screen,
    stop: StopRequest,
    on_update: Callable[[RunRecord, float], bool],
    act: Act | None = None,
) -> tuple[RunRecord, dict[str, int]]:
    """Run nodes until a condition holds or a stop is requested, and show how it goes.

    Args:
        nodes: the scenario.
        folder: the run's folder.
        environment: the nodes' variables.
        metrics: the file the monitor node writes.
        title: title of the display.
        duration_s: how long it is expected to take, for the display.
        screen: where to show it.
        stop: ends it when requested.
        on_update: called several times a second with what is known and the seconds since the start; returns whether
            it is done.
        act: is told what becomes of the run.

    Returns:
        What the metrics add up to after the last node has ended, and how often each node was restarted.

    Raises:
        NodeFailedError: if a node cannot be kept running.
    """
    record, tail = RunRecord(), MetricsTail(metrics)
    with (
        Supervisor([*nodes, console_process(nodes[0].namespace)], folder, environment) as supervisor,
        Progress(title, duration_s, supervisor, screen.console, quiet=screen.quiet) as progress,
    ):
        done = False
        while not done and not stop.requested:
            supervisor.watch(UPDATE_S)
            for line in supervisor.news():
                screen.say(line)
                if act is not None:
                    act.hear(line)
            record.take(tail.new())
            progress.update(record)
            if act is not None:
                act.follow(record, supervisor.failing)
            done = on_update(record, progress.elapsed_s)
        screen.say("stopping the nodes")
    record.take(tail.new())
    return record, supervisor.restarts
