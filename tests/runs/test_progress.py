"""The display: a panel in a terminal, lines elsewhere, nothing when quiet."""

import io
from dataclasses import dataclass, field

import pytest
from rich.console import Console

from robot_mbrl.runs import progress
from robot_mbrl.runs.progress import Progress, clock, plain_line, sparkline
from robot_mbrl.runs.record import RunRecord


@dataclass
class Nodes:
    running: dict[str, int] = field(default_factory=lambda: {"policy": 1})
    restarts: dict[str, int] = field(default_factory=lambda: {"policy": 0, "learner": 2})
    failing: list[str] = field(default_factory=list)


def record() -> RunRecord:
    known = RunRecord()
    known.take(
        [
            {"kind": "episode", "return": 12.5, "robot_steps": 251, "mode": "explore"},
            {"kind": "learner", "updates": 40.0, "train_ratio": 255.0},
            {"kind": "guard", "missed_steps": 3, "latency_p99_ms": 2.25, "stopped": "e-stop"},
            {"kind": "bundle", "version": 4},
        ]
    )
    return known


def test_a_terminal_shows_everything_at_once() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    with Progress("cartpole", 1200.0, Nodes(), console) as display:
        display.update(record())
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    for figure in ("12.5", "updates 40", "ratio 255", "version 4", "p99 2.2", "late 3", "stopped: e-stop", "left"):
        assert figure in shown
    assert "○" in shown
    assert "learner (restarted 2x)" in shown


def test_elsewhere_a_line_is_printed_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PLAIN_PERIOD_S", 0.0)
    console = Console(file=io.StringIO(), width=40)
    with Progress("cartpole", 1200.0, Nodes(), console) as display:
        display.update(record())
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert lines == [plain_line(record(), 0.0)]


def test_a_line_tells_how_long_the_robot_was_stopped_and_why_it_is() -> None:
    stopped = record()
    latched = {"stopped": "emergency_stop", "state": "latched: emergency_stop", "detail": "robot-mbrl release"}
    stopped.take([{"kind": "guard", "stopped_steps": 499, **latched}])
    assert plain_line(stopped, 60.0).endswith("stopped 499  robot latched: emergency_stop: robot-mbrl release")
    stopped.take([{"kind": "guard", "stopped_steps": 499, "stopped": "", "state": "moving", "detail": ""}])
    assert plain_line(stopped, 60.0).endswith("late 3  stopped 499")


@pytest.mark.parametrize(("terminal", "shown"), [(True, "learner (restarted 2x) failing"), (False, "learner FAILING")])
def test_a_node_that_keeps_dying_is_named(terminal: bool, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PLAIN_PERIOD_S", 0.0)
    console = Console(file=io.StringIO(), force_terminal=terminal, width=120, color_system=None)
    with Progress("cartpole", 1200.0, Nodes(failing=["learner"]), console) as display:
        display.update(record())
    assert shown in console.file.getvalue()  # type: ignore[attr-defined]


def test_quiet_shows_nothing() -> None:
    console = Console(file=io.StringIO(), force_terminal=True)
    with Progress("cartpole", 1200.0, Nodes(), console, quiet=True) as display:
        display.update(record())
    assert console.file.getvalue() == ""  # type: ignore[attr-defined]


def test_figures_that_are_not_known_yet_are_dashes() -> None:
    assert "return –" in plain_line(RunRecord(), 0.0)


def test_a_sparkline_spans_smallest_to_largest() -> None:
    assert sparkline([0.0, 1.0, 2.0]) == "▁▅█"
    assert sparkline([3.0, 3.0]) == "▁▁"
    assert sparkline(list(range(100)), width=10)[-1] == "█"
    assert len(sparkline(list(range(100)), width=10)) == 10
    assert sparkline([]) == ""


def test_a_clock_shows_minutes_and_seconds() -> None:
    assert clock(725.4) == "12:05"
    assert clock(-3.0) == "0:00"
