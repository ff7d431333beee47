"""How a demo that ROS's launch ran ends: judged, and written down."""

import json
from pathlib import Path

import pytest

from robot_mbrl.commands import demo_end
from robot_mbrl.config import load_run
from robot_mbrl.errors import USER_ERROR
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.runs.metrics import MetricsLog
from tests.bundles import make_bundle, write_bundle

SHORT = load_run("cartpole", {"task.episode_steps": 20})


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run that has lived for a while."""
    folder = RunFolder.create(SHORT, tmp_path / "run")
    with MetricsLog(folder.metrics) as log:
        log.append("episode", {"robot_steps": 20, "return": 3.0, "mode": "explore", "solved": False}, 20)
        log.append("learner", {"robot_steps": 40, "updates": 8.0}, 40)
    return folder


def test_its_policy_is_judged_and_the_results_written_down(
    folder: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    write_bundle(folder.policy, make_bundle(SHORT))
    assert demo_end.main([str(folder.path), "90"]) == 0
    summary = json.loads(folder.summary.read_text())
    assert (summary["evaluation"]["episodes"], summary["robot_steps"], summary["wall_s"]) == (10, 40, 90.0)
    assert folder.curve.is_file()
    assert "of 10 episodes from starts it never trained on" in capsys.readouterr().out


def test_it_is_judged_in_the_world_in_which_it_was_lived(folder: RunFolder) -> None:
    write_bundle(folder.policy, make_bundle(SHORT))
    returns = []
    for words in ([], ["--change=mass=15"]):
        assert demo_end.main([str(folder.path), "90", *words]) == 0
        returns.append(json.loads(folder.summary.read_text())["evaluation"]["mean_return"])
    assert returns[0] != returns[1]


def test_one_that_somebody_has_ended_is_written_down_unjudged(
    folder: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    write_bundle(folder.policy, make_bundle(SHORT))
    assert demo_end.main([str(folder.path), "90", "--interrupted"]) == 0
    summary = json.loads(folder.summary.read_text())
    assert (summary["evaluation"]["episodes"], summary["robot_steps"], summary["wall_s"]) == (0, 40, 90.0)
    assert folder.curve.is_file()
    assert "lived 40 steps in 1.5 minutes" in capsys.readouterr().out


def test_a_second_life_is_added_to_the_first(folder: RunFolder) -> None:
    demo_end.main([str(folder.path), "90"])
    demo_end.main([str(folder.path), "30"])
    assert json.loads(folder.summary.read_text())["wall_s"] == 120.0


def test_a_run_without_a_policy_is_told_why(folder: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert demo_end.main([str(folder.path), "90"]) == 0
    assert "no policy was exported yet" in capsys.readouterr().out
    assert json.loads(folder.summary.read_text())["evaluation"]["episodes"] == 0


def test_what_is_no_run_is_refused_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert demo_end.main([str(tmp_path), "90"]) == USER_ERROR
    assert f"{tmp_path} is not a run folder" in capsys.readouterr().err
