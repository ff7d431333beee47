"""`benchmarks.to_the_mark` is a comparison of one agent with itself: its runs, a table and a picture."""

import json
from pathlib import Path

import pytest

from benchmarks import report, to_the_mark
from robot_mbrl.runs.comparison import Cell, Outcome

CELL = Cell("pendulum", "dreamer-cpu", 3)
JUDGED = {"environment_steps": 500, "solved": 9, "episodes": 10, "mean_return": 80.0, "updates": 40, "learning_s": 7.0}


def test_a_seed_that_reached_the_mark_says_when() -> None:
    later = JUDGED | {"environment_steps": 1000, "solved": 3}
    row = to_the_mark.row(Outcome(CELL, {"environment_steps": 1000, "updates": 90, "verdicts": [JUDGED, later]}))
    assert (row["seed"], row["steps to the mark"], row["learning s to the mark"]) == ("3", "500", "7")
    assert (row["solved at the end"], row["steps"], row["updates"]) == ("3 of 10", 1000, 90)


def test_a_run_that_ended_before_there_was_a_policy_has_a_line_too() -> None:
    row = to_the_mark.row(Outcome(CELL, {"environment_steps": 600, "updates": 0, "verdicts": []}))
    assert (row["steps to the mark"], row["solved at the end"], row["steps"]) == ("-", "-", 600)


@pytest.mark.slow
def test_its_runs_are_told_and_drawn_and_not_made_twice(
    tmp_path: Path, tiny_agent: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for module in (to_the_mark, report):
        monkeypatch.setattr(module, "RESULTS", tmp_path / "results")
    words = ["pendulum", f"--agent={tiny_agent}", "--seeds", "0", "1", "--steps=200", "--judge-every=100"]
    assert to_the_mark.main(words) == 0
    assert "of 2 seeds reached the mark" in capsys.readouterr().out
    (folder,) = (tmp_path / "results" / "to_the_mark").glob("pendulum/tiny")
    summaries = [folder / f"seed{seed}" / "summary.json" for seed in (0, 1)]
    judged = [[v["environment_steps"] for v in json.loads(path.read_text())["verdicts"]] for path in summaries]
    assert judged == [[100, 200], [100, 200]]
    assert (tmp_path / "results" / "to_the_mark-pendulum.png").stat().st_size > 0
    before = [path.stat().st_mtime_ns for path in summaries]
    assert to_the_mark.main(words) == 0
    assert [path.stat().st_mtime_ns for path in summaries] == before
