"""The display of a running scenario: a live panel in a terminal, plain lines elsewhere."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, Self

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from robot_mbrl.runs.record import RunRecord

BLOCKS = "▁▂▃▄▅▆▇█"
SPARKLINE_WIDTH = 60
PLAIN_PERIOD_S = 10.0
"""How often the plain display says something."""


class Nodes(Protocol):
    """What the display asks of the supervisor."""

    @property
    def running(self) -> Mapping[str, int]:
        """Process id of every node that runs."""

    @property
    def restarts(self) -> Mapping[str, int]:
        """How often each node has been restarted."""

    @property
    def failing(self) -> Sequence[str]:
        """Nodes that die again and again."""


class Progress:
    """Shows how a run goes; a context manager."""

    def __init__(self, title: str, duration_s: float, nodes: Nodes, console: Console, *, quiet: bool = False) -> None:
        """Prepare the display.

        Args:
            title: what is running.
            duration_s: how long it will.
            nodes: the processes.
            console: where to show it; a live panel if that is a terminal.
            quiet: show nothing.
        """
        self._title = title
        self._duration_s = duration_s
        self._nodes = nodes
        self._console = console
        self._quiet = quiet
        self._started_s = time.monotonic()
        self._said_s = 0.0
        # Refreshed by `update` only: a thread of its own would be there when the supervisor forks.
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal and not quiet else None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live is not None:
            self._live.stop()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the display was made."""
        return time.monotonic() - self._started_s

    def update(self, record: RunRecord) -> None:
        """Show the newest figures."""
        elapsed_s = self.elapsed_s
        if self._live is not None:
            self._live.update(self._panel(record, elapsed_s), refresh=True)
        elif not self._quiet and elapsed_s - self._said_s >= PLAIN_PERIOD_S:
            self._said_s = elapsed_s
            failing = "".join(f"  {name} FAILING" for name in self._nodes.failing)
            self._console.print(plain_line(record, elapsed_s) + failing, highlight=False, soft_wrap=True)

    def _panel(self, record: RunRecord, elapsed_s: float) -> Panel:
        table = Table.grid(padding=(0, 2))
        table.add_column(style="bold")
        table.add_column()
        for name, value in _rows(record, elapsed_s, self._duration_s):
            table.add_row(name, value)
        return Panel(Group(table, self._health()), title=self._title, title_align="left")

    def _health(self) -> Text:
        text = Text()
        for name, restarts in self._nodes.restarts.items():
            alive = name in self._nodes.running
            text.append("● " if alive else "○ ", style="green" if alive else "red")
            text.append(f"{name}{f' (restarted {restarts}x)' if restarts else ''}")
            text.append(" failing" if name in self._nodes.failing else "", style="red")
            text.append("  ")
        return text


def plain_line(record: RunRecord, elapsed_s: float) -> str:
    """The run in one line, for logs."""
    latency = record.latency_ms
    parts = [
        f"[{clock(elapsed_s)}]",
        f"steps {record.robot_steps}",
        f"episodes {len(record.episodes)}",
        f"return {_last(record.returns())}",
        learning(record),
        f"policy {record.policy_version}",
        f"latency p99 {number(latency['p99'])} ms",
        f"late {record.missed_steps}",
        f"stopped {record.stopped_steps}",
    ]
    return "  ".join([*parts, *_standing(record.guard)])


def learning(record: RunRecord, between: str = "  ") -> str:
    """How far learning has come by its schedule: updates, those that will be in all if that is known, and due ones."""
    learner = record.learner
    made, total = number(learner.get("updates"), 0), learner.get("updates_in_all")
    parts = [f"updates {made}" + (f" of {total:.0f}" if total else "")]
    parts += [f"{owed:.0f} due"] if (owed := learner.get("owed_updates")) else []
    return between.join([*parts, f"train ratio {number(record.train_ratio, 0)}"])


def sparkline(values: Sequence[float], width: int = SPARKLINE_WIDTH) -> str:
    """The newest values as little bars between the smallest and the largest of them."""
    values = values[-width:]
    if not values:
        return ""
    low, high = min(values), max(values)
    scale = (len(BLOCKS) - 1) / (high - low) if high > low else 0.0
    return "".join(BLOCKS[round((value - low) * scale)] for value in values)


def clock(seconds: float) -> str:
    """Minutes and seconds, as 12:05."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    return f"{minutes}:{rest:02d}"


def number(value: Any, decimals: int = 1) -> str:
    """A figure, or a dash where there is none yet."""
    return f"{value:.{decimals}f}" if isinstance(value, int | float) else "–"


def _rows(record: RunRecord, elapsed_s: float, duration_s: float) -> list[tuple[str, str]]:
    guard, latency = record.guard, record.latency_ms
    judged = [float(e["return"]) for e in record.episodes if e["mode"] == "evaluate"]
    state = f"stopped: {guard['stopped']}" if guard.get("stopped") else ""
    reasons = ", ".join(f"{name} {count}" for name, count in record.interventions.items())
    return [
        ("time", f"{clock(elapsed_s)} of {clock(duration_s)}, {clock(duration_s - elapsed_s)} left"),
        ("robot", f"steps {record.robot_steps}, episodes {len(record.episodes)} {state}"),
        ("returns", f"{sparkline(record.returns())}  last {_last(record.returns())}, evaluated {_last(judged)}"),
        ("learner", learning(record, ", ")),
        ("policy", f"version {record.policy_version}" if record.policy_version else "random actions or none yet"),
        ("latency", f"p50 {number(latency['p50'])}  p99 {number(latency['p99'])}  max {number(latency['max'])} ms"),
        ("steps", f"late {record.missed_steps}, stopped {record.stopped_steps}"),
        ("guard", f"interventions: {reasons}" if reasons else "no interventions"),
    ]


def _standing(guard: Mapping[str, Any]) -> list[str]:
    """Why the robot stands still, if it does."""
    if not guard.get("stopped"):
        return []
    state, detail = guard.get("state") or f"stopped: {guard['stopped']}", guard.get("detail")
    return [f"robot {state}: {detail}" if detail else f"robot {state}"]


def _last(values: Sequence[float]) -> str:
    return number(values[-1] if values else None)
