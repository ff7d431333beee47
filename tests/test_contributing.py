"""The worked examples of CONTRIBUTING.md work."""

import re
from pathlib import Path
from typing import Any

import pytest

from robot_mbrl import tasks
from robot_mbrl.config import load_run

GUIDE = Path(__file__).parents[1] / "CONTRIBUTING.md"
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
    assert config.agent.actor_gradient == "reinforce"


def test_the_task_judges() -> None:
    task = drive_ahead()()
    task.reset()
    assert task.judge({"speed": 0.125}) == tasks.Judgement(reward=0.5)
    assert task.judge({"speed": 0.5}) == tasks.Judgement(reward=1.0, success=True)


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:robot_mbrl|sim|tests)/[\w/.]+)`", GUIDE.read_text()))))
def test_every_path_that_is_named_exists_or_is_the_examples_own(path: str) -> None:
    assert (GUIDE.parent / path).exists() or path == "robot_mbrl/tasks/drive_ahead.py"
