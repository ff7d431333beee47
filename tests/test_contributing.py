"""The worked examples of CONTRIBUTING.md work, and the files that a newcomer is told to write are read."""

import re
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from robot_mbrl import tasks
from robot_mbrl.config import RobotConfig, load_run
from sim.faults import load_faults

ROOT = Path(__file__).parents[1]
GUIDE = ROOT / "CONTRIBUTING.md"
WALKS = ("README.md", "docs/first-robot.md")
HEREDOC = re.compile(r"^cat > ([\w.-]+) <<'END'\n(.*?)^END$", re.DOTALL | re.MULTILINE)
ECHO = re.compile(r"^echo '(.*)' > ([\w.-]+)$", re.MULTILINE)
BLOCKS = re.findall(r"^ *```(\w+)\n(.*?)^ *```", GUIDE.read_text(), re.DOTALL | re.MULTILINE)


def block(language: str, beginning: str) -> str:
    (text,) = (text for kind, text in BLOCKS if kind == language and text.strip().startswith(beginning))
    return text


def drive_ahead() -> type[tasks.Task]:
    namespace: dict[str, Any] = {}
    exec(block("python", '"""Drive straight'), namespace)
    written: type[tasks.Task] = namespace["DriveAhead"]
    return written


def test_the_robot_the_task_and_the_preset_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tasks.TASKS, "drive_ahead", drive_ahead())
    (tmp_path / "wheelie.yaml").write_text(block("yaml", "name: wheelie"))
    (tmp_path / "drive-ahead.yaml").write_text(
        block("yaml", "name: drive-ahead").replace("dreamer-cpu", "reinforce.yaml")
    )
    (tmp_path / "reinforce.yaml").write_text(block("yaml", "# Dreamer with Reinforce"))
    config = load_run(tmp_path / "drive-ahead.yaml")
    assert config.robot.joint_names == ("linear.x", "angular.z")
    assert [joint.stop_rate for joint in config.robot.joints] == [1.0, 4.0]
    assert [condition.name for condition in config.robot.guard.conditions] == ["battery.percentage"]
    assert not any(source.reliable for source in config.robot.sources.values())
    assert config.agent.actor_gradient == "reinforce"


def test_the_goal_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tasks.TASKS, "drive_ahead", drive_ahead())
    (tmp_path / "wheelie.yaml").write_text(block("yaml", "name: wheelie"))
    (tmp_path / "drive-ahead.yaml").write_text(block("yaml", "name: drive-ahead") + block("yaml", "goal:"))
    assert load_run(tmp_path / "drive-ahead.yaml").goal_spec()["speed"].names == ("wanted_speed",)


def test_the_task_judges() -> None:
    task = drive_ahead()()
    task.reset()
    assert task.judge({"speed": 0.125}) == tasks.Judgement(reward=0.5)
    assert task.judge({"speed": 0.5}) == tasks.Judgement(reward=1.0, success=True)


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:robot_mbrl|sim|tests)/[\w/.]+)`", GUIDE.read_text()))))
def test_every_path_that_is_named_exists_or_is_the_examples_own(path: str) -> None:
    assert (GUIDE.parent / path).exists() or path == "robot_mbrl/tasks/drive_ahead.py"


def test_the_choices_that_are_shown_suit_the_robot() -> None:
    (shown,) = re.findall(r"`(choices: \[.*?\])`", GUIDE.read_text())
    robot = yaml.safe_load(block("yaml", "name: wheelie")) | yaml.safe_load(shown)
    spec = RobotConfig.model_validate(robot).action_spec()
    assert (spec.kind, spec.names) == ("discrete", ("stop", "left"))


def test_the_legs_and_values_that_are_shown_make_a_robot() -> None:
    commands, vectors = (yaml.safe_load(textwrap.dedent(block("yaml", key))) for key in ("commands:", "vectors:"))
    types = {"joints": "sensor_msgs/msg/JointState", "imu": "sensor_msgs/msg/Imu"}
    types["tracker"] = "geometry_msgs/msg/PoseStamped"
    sources = {name: {"topic": name, "type": kind, "max_age_s": 0.2} for name, kind in types.items()}
    guard = {"command_rate_hz": 100.0, "action_deadline_s": 0.03, "command_timeout_s": 0.13, "driver_timeout_s": None}
    raw = {"name": "legs", "control_rate_hz": 20.0, "sources": sources, "guard": guard | {"safe_stop": "damping"}}
    robot = RobotConfig.model_validate(raw | commands | vectors)
    (command,) = robot.commands
    assert command.constant(command.joints[0], "kd", stopping=False) == 1.0
    assert [value.name for _, _, value in robot.values()] == ["roll", "roll_rate", "hip", "speed"]


@pytest.mark.parametrize("walk", WALKS)
def test_the_task_and_the_faults_of_a_newcomers_walk_are_read(walk: str, tmp_path: Path) -> None:
    text = (ROOT / walk).read_text()
    written = dict(HEREDOC.findall(text)) | {name: line for line, name in ECHO.findall(text)}
    for name, content in written.items():
        (tmp_path / name).write_text(content)
    config = load_run(tmp_path / "reach-by-hand.yaml")
    assert config.task.reset == "human"
    faults = {name: load_faults(tmp_path / name, config.robot) for name in written if name != "reach-by-hand.yaml"}
    assert [fault.kind for fault in faults["dies.yaml"].faults] == ["driver_death"]
