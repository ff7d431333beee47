"""`robot-mbrl goal`: what is wrong is refused where a person sees it, before anything is told."""

import os
from pathlib import Path

import pytest

from robot_mbrl.cli import main
from robot_mbrl.config import load_run
from robot_mbrl.runs.folder import RunFolder


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that the process would have become."""
    commands: list[list[str]] = []

    def note(_: str, command: list[str], __: dict[str, str]) -> int:
        commands.append(command)
        return 0

    monkeypatch.setattr(os, "execve", note)
    return commands


def test_a_goal_is_told_in_the_robots_namespace(started: list[list[str]]) -> None:
    assert main(["goal", "pendulum-goal", "goal_angle=0.3", "weight_effort=0.1"]) == 0
    (command,) = started
    assert command[2:5] == ["ros_nodes.goal_node", "--goals", '[{"goal_angle": 0.3, "weight_effort": 0.1}]']
    assert command[-1] == "__ns:=/pendulum"


def test_a_goal_is_told_to_the_robot_of_the_run_where_two_of_a_kind_share_a_graph(
    started: list[list[str]], tmp_path: Path
) -> None:
    RunFolder.create(load_run("pendulum-goal", {"namespace": "left"}), tmp_path / "run")
    assert main(["goal", "--run", str(tmp_path / "run"), "goal_angle=0.3"]) == 0
    (command,) = started
    assert command[-1] == "__ns:=/left"


def test_a_path_is_waited_for_until_its_end(started: list[list[str]], tmp_path: Path) -> None:
    path = tmp_path / "path.yaml"
    path.write_text("goals:\n  - {goal_x: 0.5, goal_y: 0.1}\n  - {goal_x: 0.3}\n")
    assert main(["goal", "reacher-goal", "goal_y=0.2", "--path", str(path)]) == 0
    (command,) = started
    assert command[4] == '[{"goal_y": 0.2}, {"goal_x": 0.5, "goal_y": 0.1}, {"goal_x": 0.3}]'
    assert "--await-last" in command


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["pendulum-goal"], "nothing to tell; give NAME=VALUE"),
        (["goal_angle=0.3"], "name the robot's task, or its run's folder with --run"),
        (["pendulum-goal", "goal_angle=9"], "goal_angle of 9 rad is not from -3.1416 to 3.1416"),
        (["pendulum-goal", "goal_angle=.nan"], "goal_angle of nan rad is not from"),
        (["pendulum-goal", "speed=1"], "'speed' is no goal of this task; its goals are goal_angle, weight_effort"),
        (["pendulum-goal", "goal_angle=0.3", "goal_angle=0.5"], "goal: a name is there twice"),
        (["pendulum", "goal_angle=0.3"], "its YAML declares no goal"),
        (["pendulum-goal", "goal_angle=up"], "goal_angle: 'up' is no number"),
        (["pendulum-goal", "reacher-goal", "goal_angle=0"], "name the robot's task"),
    ],
)
def test_what_no_robot_would_take_is_not_told(
    started: list[list[str]], capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    assert main(["goal", *words]) == 2
    assert sentence in capsys.readouterr().err
    assert started == []


def test_a_path_without_goals_is_named(
    started: list[list[str]], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "path.yaml"
    path.write_text("goals: {goal_x: 0.5}\n")
    assert main(["goal", "reacher-goal", "--path", str(path)]) == 2
    assert "path.yaml: goals: must be a list" in capsys.readouterr().err
    assert started == []
