"""Metrics survive crashes of who writes them, and can be read while they are written."""

import json
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from robot_mbrl.runs.metrics import MetricsLog, MetricsTail, read_metrics


def test_every_line_is_on_disk_as_soon_as_it_is_appended(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    with MetricsLog(path) as log:
        log.append("episode", {"return": 1.5}, step=10)
        assert [line["return"] for line in read_metrics(path)] == [1.5]


def test_numbers_that_are_not_finite_become_null(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    with MetricsLog(path) as log:
        log.append("learner", {"loss": float("nan"), "scale": float("inf")}, step=0)
    line = json.loads(path.read_text(), parse_constant=lambda name: 1 / 0)
    assert line["loss"] is None
    assert line["scale"] is None


def test_a_line_torn_by_a_crash_costs_that_line_only(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"kind": "episode", "return": 1}\n{"kind": "episo')
    with MetricsLog(path) as log:
        log.append("episode", {"return": 2}, step=0)
    assert [line["return"] for line in read_metrics(path)] == [1, 2]


def test_a_tail_yields_each_completed_line_once(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    tail = MetricsTail(path)
    assert list(tail.new()) == []
    path.write_text('{"kind": "episode", "return": 1}\n{"kind": "epi')
    assert [line["return"] for line in tail.new()] == [1]
    with path.open("a") as file:
        file.write('sode", "return": 2}\n')
    assert [line["return"] for line in tail.new()] == [2]
    assert list(tail.new()) == []


def test_tensorboard_is_given_the_same_numbers(tmp_path: Path) -> None:
    with MetricsLog(tmp_path / "metrics.jsonl", tmp_path / "tensorboard") as log:
        log.append("episode", {"return": 1.5, "mode": "explore", "solved": True}, step=251)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert sorted(events.Tags()["scalars"]) == ["episode/return", "episode/solved"]
    (scalar,) = events.Scalars("episode/return")
    assert (scalar.step, scalar.value) == (251, 1.5)
