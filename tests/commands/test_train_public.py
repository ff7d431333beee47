"""`robot-mbrl train gym:…`: it learns, tells every episode, and goes on where it was."""

import json
from pathlib import Path

import pytest

from robot_mbrl.cli import main
from robot_mbrl.errors import USER_ERROR
from robot_mbrl.runs.folder import RunFolder
from tests.sim.public import counting

SMALL = [
    f"--set=agent.{name}={value}"
    for name, value in {
        **{"prefill_steps": 12, "train_ratio": 4, "pretrain_updates": 1, "horizon": 2, "batch_size": 2},
        **{"deter": 8, "hidden": 8, "units": 8, "batch_length": 4, "stoch": 2, "classes": 2, "imagination_starts": 2},
    }.items()
]


@pytest.fixture(autouse=True)
def registered() -> None:
    counting.register()


def train(folder: Path, *words: str) -> dict[str, object]:
    assert main(["train", *words, "--quiet", f"--run={folder}"]) == 0
    return json.loads((folder / "summary.json").read_text())


def test_every_return_is_told_with_the_environments_steps_also_after_a_resume(tmp_path: Path):
    # Episodes of 10 control steps, which earn 1 + 2 + … + 10.
    first = train(tmp_path, counting.NAME, "--steps=25", "--action-repeat=2", *SMALL)
    assert first["returns"] == [[10, 55.0], [20, 55.0]]
    assert first["environment_steps"] == 26  # the step in which 25 was reached lasts two
    assert first["evaluation"]["episodes"] == 10
    assert first["expert_return"] is None
    second = train(tmp_path, "--resume", "--steps=50")
    # What was begun when it was stopped is no episode; all control steps count all the same.
    assert second["returns"] == [[10, 55.0], [20, 55.0], [36, 55.0], [46, 55.0]]
    assert second["environment_steps"] == 50
    assert RunFolder(tmp_path).policy.exists()
    assert RunFolder(tmp_path).curve.exists()


def test_a_run_that_has_its_steps_lives_no_more(tmp_path: Path):
    first = train(tmp_path, counting.NAME, "--steps=20", *SMALL)
    again = train(tmp_path, "--resume", "--steps=20")
    assert again["environment_steps"] == first["environment_steps"] == 20


def test_frozen_policies_are_judged_on_the_way(tmp_path: Path):
    summary = train(tmp_path, counting.NAME, "--steps=40", "--judge-every=20", *SMALL)
    verdicts = summary["verdicts"]
    assert [verdict["environment_steps"] for verdict in verdicts] == [20, 40]
    assert {verdict["mean_return"] for verdict in verdicts} == {55.0}
    assert all(verdict["updates"] > 0 for verdict in verdicts)


def complaint(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(list(words)) == USER_ERROR
    return capsys.readouterr().err


def test_what_makes_no_sense_is_told_before_anything_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    assert "the nearest are gym:CartPole-v1" in complaint(capsys, "train", "gym:CartPol-v1")
    assert "--view shows simulated robots" in complaint(capsys, "train", counting.NAME, "--view", "--run=viewed")
    assert "it has no topics: use robot-mbrl train" in complaint(capsys, "demo", counting.NAME)
    assert "--pixels is for gym:… only" in complaint(capsys, "train", "cartpole", "--pixels")
    assert "--offline and --updates go together" in complaint(capsys, "train", "cartpole", "--offline", "x")
    assert "x is not there" in complaint(capsys, "train", "cartpole", "--offline", "x", "--updates", "5")
    words = ["train", "cartpole", f"--offline={tmp_path}", "--updates=5", f"--run={tmp_path / 'run'}"]
    assert "no MCAP files to learn from" in complaint(capsys, *words)
    assert not (tmp_path / "run").exists()
    assert not list(tmp_path.glob("runs/*"))


def test_it_learns_from_its_recordings_alone_with_other_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    train(tmp_path / "run", counting.NAME, "--steps=120", "--set=agent.prefill_steps=1000", *SMALL[1:])
    words = [counting.NAME, f"--offline={tmp_path / 'run'}", "--updates=30", *SMALL, "--set=agent.units=12"]
    summary = train(tmp_path / "offline", *words)
    assert (summary["updates"], summary["replay_steps"]) == (30, 11 * 11)
    assert summary["evaluation"]["episodes"] == 10
    assert "30 updates on" in capsys.readouterr().out
    resumed = train(tmp_path / "offline", "--resume", f"--offline={tmp_path / 'run'}", "--updates=40")
    assert resumed["updates"] == 40
