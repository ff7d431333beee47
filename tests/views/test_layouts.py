"""Layouts are what their tools load, for every task, and show what the run's description has."""

import importlib.util
from pathlib import Path

import pytest

from robot_mbrl.cli import main
from robot_mbrl.config import load_run, packaged
from robot_mbrl.views.layouts import LAYOUTS
from robot_mbrl.views.panels import overview
from tests.views.formats import READERS
from tests.views.runs import learner, make_run

TASKS = packaged("tasks")


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("kind", READERS)
def test_a_layout_of_every_task_is_what_its_tool_loads(kind: str, task: str) -> None:
    seen = overview(load_run(task))
    named = READERS[kind](LAYOUTS[kind].write(seen))
    if kind != "plotjuggler":
        assert named.pictures == [*seen.pictures, seen.prediction]
    if kind != "rviz":
        assert named.figures


@pytest.mark.parametrize("kind", ["foxglove", "plotjuggler"])
def test_what_the_issue_of_watching_names_is_shown(kind: str) -> None:
    figures = " ".join(READERS[kind](LAYOUTS[kind].write(overview(load_run("cartpole")))).figures)
    for shown in ("episode", "model_loss", "version_age_s", "latency_p99_ms", "intervention.rate", "actuator/command"):
        assert shown in figures


@pytest.mark.parametrize("kind", ["foxglove", "lichtblick", "rviz"])
def test_the_body_of_a_simulated_robot_is_shown_and_a_driver_is_not_asked_for_one(kind: str) -> None:
    simulated = overview(load_run("reacher"))
    assert "/reacher/robot_description" in READERS[kind](LAYOUTS[kind].write(simulated)).others
    assert READERS[kind](LAYOUTS[kind].write(simulated)).markers == ["/reacher/markers"]
    assert READERS[kind](LAYOUTS[kind].write(overview(load_run("husky-goal")))).markers == [
        "/husky/markers",
        "/husky/scene",
    ]
    real = overview(load_run("reacher", {"task.world": None}))
    named = READERS[kind](LAYOUTS[kind].write(real))
    assert not any("robot_description" in topic for topic in (*named.others, *real.topics))


def test_rviz_is_told_where_to_hear_of_the_links(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "robot.rviz"
    assert main(["layout", "rviz", "pendulum", "--out", str(out)]) == 0
    assert f"rviz2 -d {out} --ros-args -r /tf:=/pendulum/tf" in capsys.readouterr().out


def test_limits_of_a_joint_are_lines_beside_what_was_sent_and_measured() -> None:
    sent, position = overview(load_run("cartpole")).joints
    assert [signal.topic for signal in sent.signals] == ["/cartpole/actuator/command"]
    assert sent.levels == (("low", -10.0), ("high", 10.0))
    assert [(signal.topic, signal.name) for signal in position.signals] == [("/cartpole/observation", "cart_position")]
    assert position.levels == (("lowest", -2.6), ("highest", 2.6))


def test_a_run_that_has_begun_shows_what_its_agent_has_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_run(tmp_path / "run", [learner(100, 2, novelty=1.0, model_loss=2.0)])
    out = tmp_path / "layout.xml"
    assert main(["layout", "plotjuggler", "--run", str(folder.path), "--out", str(out)]) == 0
    assert f"--layout {out}" in capsys.readouterr().out
    figures = READERS["plotjuggler"](out.read_bytes()).figures
    assert "/diagnostics/cartpole//cartpole/learner/novelty" in figures
    assert not any(figure.endswith("critic_loss") for figure in figures)


@pytest.mark.parametrize("words", [("foxglove",), ("rviz", "cartpole", "--run", "somewhere")])
def test_a_layout_is_of_a_task_or_of_a_run(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["layout", *words]) == 2
    assert "either a TASK or a run's folder" in capsys.readouterr().err


def test_a_public_task_has_no_topics_to_look_at(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("gymnasium", reason="robot-mbrl[gym] is not installed")
    assert main(["layout", "rviz", "gym:CartPole-v1"]) == 2
    assert "has no topics to look at: robot-mbrl report shows what it has learned" in capsys.readouterr().err


@pytest.mark.skipif(importlib.util.find_spec("rerun") is not None, reason="Rerun's library is there")
def test_a_blueprint_without_reruns_library_says_what_to_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["layout", "rerun", "cartpole", "--out", str(tmp_path / "x.rbl")]) == 2
    assert "pip install rerun-sdk" in capsys.readouterr().err
    assert not (tmp_path / "x.rbl").exists()


@pytest.mark.skipif(importlib.util.find_spec("rerun") is None, reason="needs Rerun's library")
def test_a_blueprint_is_one_of_reruns(tmp_path: Path) -> None:
    assert main(["layout", "rerun", "cartpole", "--out", str(tmp_path / "x.rbl")]) == 0
    assert (tmp_path / "x.rbl").read_bytes().startswith(b"RRF2")
