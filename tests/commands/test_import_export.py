"""`import`, `export` and `sessions` as programs use them: JSON on standard output, exit codes, nothing else changed."""

import json
from pathlib import Path

import pytest

from robot_mbrl.cli import main
from robot_mbrl.config import load_run
from robot_mbrl.experience.session import StepWriter
from robot_mbrl.runs.folder import RunFolder
from tests.imports.bags import COMMANDS, drive, renamed, write
from tests.imports.test_own_runs import EPISODE, lived, recorded

CONFIG = load_run("cartpole")


def output(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict:
    """What a command prints as JSON."""
    assert main([*words, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_a_bag_is_tried_imported_and_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    bag, run = write(tmp_path / "bag", drive()), tmp_path / "run"
    words = ["import", str(bag), "--run", str(run), "--task", "cartpole"]
    dry = output(capsys, *words, "--dry-run")
    assert (dry["steps"], dry["episodes"], dry["dropped"]) == (41, 1, {})
    assert not run.exists()
    done = output(capsys, *words)
    assert (done["steps"], done["episodes"]) == (41, 1)
    assert Path(done["bags"][0]["written"]).parent == run / "bags" / "imports"
    told = output(capsys, "sessions", str(run))
    (session,) = told["sessions"]
    assert session["imported"]
    assert (session["steps"], session["episodes"]) == (41, 1)
    assert session["sources"] == {"teleop": {"steps": 41, "minutes": 0.03}}
    assert [(act["what"], act["how"]) for act in told["acts"]] == [("import", "done")]
    assert told["acts"][0]["settings"]["task"] == "cartpole"


def test_a_refused_bag_is_told_with_its_reason_and_an_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    RunFolder.create(CONFIG, tmp_path / "run")
    good = write(tmp_path / "good", drive())
    bad = write(tmp_path / "bad", renamed(drive(), {COMMANDS: "/lamp"})[::2])
    done = output(capsys, "import", str(good), str(bad), "--run", str(tmp_path / "run"), code=1)
    assert [bool(bag["refused"]) for bag in done["bags"]] == [False, True]
    assert done["steps"] == 41


def test_people_are_told_in_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    run = str(tmp_path / "run")
    assert main(["import", str(write(tmp_path / "bag", drive())), "--run", run, "--task", "cartpole"]) == 0
    said = capsys.readouterr().out
    assert "time: the stamps of the messages" in said
    assert f"41 steps in 1 episodes imported into {run}" in said
    assert main(["sessions", run]) == 0
    said = capsys.readouterr().out
    assert "1 episodes; teleop 0.03 min" in said
    assert "1 recordings" in said


def test_recordings_go_only_when_nothing_needs_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = recorded(tmp_path / "run", lived())
    with StepWriter(folder.bags, CONFIG.action_spec(), "/cartpole") as writer:
        for step in lived()[EPISODE:]:
            writer.write(step)
    told = output(capsys, "sessions", str(folder.path), "--keep", "0.001MB")
    assert told["removed"] == []
    assert [file["needed"] for file in told["files"]] == [
        "there is no checkpoint: all that was learned can only be learned again from it",
        "it is the newest, or is being written",
    ]
    assert len(list(folder.bags.glob("*.mcap"))) == 2


def test_a_run_is_exported_and_a_folder_that_is_there_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    pytest.importorskip("pyarrow", reason="robot-mbrl[lerobot] is not installed")
    folder = recorded(tmp_path / "run", lived())
    words = ["export", str(folder.path), "--to", "lerobot", "--out", str(tmp_path / "set")]
    assert output(capsys, *words) == {
        "episodes": 3,
        "frames": 3 * (EPISODE - 1),
        "left_out": {},
        "out": str(tmp_path / "set"),
    }
    assert main(words) == 2
    assert "is there already" in capsys.readouterr().err
