"""`robot-mbrl compare`: runs that are missing are carried out, those that are there are not, and the rest is told."""

import json
from pathlib import Path

import cv2
import pytest

from robot_mbrl.cli import main
from robot_mbrl.config import load_run, save_run
from robot_mbrl.errors import USER_ERROR
from tests.commands.test_train_public import SMALL

PENDULUM = "gym:Pendulum-v1"
FIELDS = {"task", "agent", "seeds", "steps", "return_iqm", "low", "high", "steps_to_solved", "wall_s"}


def compare(out: Path, capsys: pytest.CaptureFixture[str], *words: str, steps: int = 400) -> list[dict[str, object]]:
    command = ["compare", "--tasks", PENDULUM, "--agents", "dreamer-cpu", "--seeds=2", f"--steps={steps}"]
    assert main([*command, f"--out={out}", "--json", *SMALL, *words]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.slow
def test_a_comparison_is_carried_out_once_added_to_and_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    peer = tmp_path / "peer.json"
    peer.write_text(json.dumps([{"task": "pendulum", "method": "theirs", "xs": [0, 400], "ys": [-1500, -200]}]))
    (row,) = compare(tmp_path / "out", capsys, f"--peer={peer}")
    assert row.keys() == FIELDS
    assert (row["task"], row["agent"], row["seeds"], row["steps"]) == (PENDULUM, "dreamer-cpu", 2, 400)
    assert -2000.0 < row["low"] <= row["return_iqm"] <= row["high"] < 0.0
    assert row["wall_s"] > 0.0
    folders = sorted((tmp_path / "out" / "gym-Pendulum-v1" / "dreamer-cpu").glob("seed*/summary.json"))
    seeds = [json.loads(path.read_text()) for path in folders]
    assert [summary["seed"] for summary in seeds] == [0, 1]
    assert [steps for steps, _ in seeds[0]["returns"]] == [200, 400]
    assert cv2.imread(str(tmp_path / "out" / "curves.png")) is not None

    before = [path.stat().st_mtime_ns for path in folders]
    assert compare(tmp_path / "out", capsys) == [row]
    assert [path.stat().st_mtime_ns for path in folders] == before

    (longer,) = compare(tmp_path / "out", capsys, steps=600)
    assert longer["steps"] == 600
    assert [steps for steps, _ in json.loads(folders[0].read_text())["returns"]] == [200, 400, 600]


def test_what_does_not_exist_is_named_before_anything_is_begun(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    words = ["--agents", "dreamer-cpu", "nobody", f"--out={tmp_path / 'out'}"]
    assert main(["compare", "--tasks", PENDULUM, *words]) == USER_ERROR
    assert "'nobody' is neither a packaged name nor a YAML file" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_run_that_began_with_other_settings_is_not_gone_on_with(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = tmp_path / "out" / "pendulum" / "dreamer-cpu" / "seed0"
    folder.mkdir(parents=True)
    save_run(load_run("pendulum", {"agent.units": 32}), folder / "config.yaml")
    command = ["compare", "--tasks", "pendulum", "--agents", "dreamer-cpu", "--seeds=1", f"--out={tmp_path / 'out'}"]
    assert main([*command, "--set=agent.units=16"]) == USER_ERROR
    assert "began with other settings: agent.units was 32, now it is 16. " in capsys.readouterr().err
    assert not folder.with_suffix(".log").exists()


def test_the_table_names_every_agent_in_full_also_in_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    for agent in ("daydreamer-cpu", "dreamer-v1-cpu"):
        folder = tmp_path / "out" / "pendulum" / agent / "seed0"
        folder.mkdir(parents=True)
        save_run(load_run("pendulum", {"task.agent": agent}), folder / "config.yaml")
        summary = {"environment_steps": 100, "wall_s": 2.0, "returns": [[50, 3.0], [100, 5.0]]}
        (folder / "summary.json").write_text(json.dumps(summary))
    agents = ["--agents", "daydreamer-cpu", "dreamer-v1-cpu"]
    command = ["compare", "--tasks", "pendulum", *agents, "--seeds=1", "--steps=100", f"--out={tmp_path / 'out'}"]
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    for agent in ("daydreamer-cpu", "dreamer-v1-cpu"):
        (line,) = (line for line in lines if agent in line)
        assert line.split()[:3] == ["pendulum", agent, "1"]
        assert "5.0 to 5.0" in line


@pytest.mark.slow
def test_a_run_that_fails_is_told_with_its_last_words_and_spoils_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "out"
    blocked = out / "gym-Pendulum-v1" / "dreamer-cpu" / "seed0"
    blocked.parent.mkdir(parents=True)
    blocked.write_text("a file where a folder should be")
    command = ["compare", "--tasks", PENDULUM, "--agents", "dreamer-cpu", "--seeds=2", "--steps=200", f"--out={out}"]
    assert main([*command, "--json", *SMALL]) == USER_ERROR
    told = capsys.readouterr()
    assert json.loads(told.out)[0]["seeds"] == 1
    assert "1 runs failed" in told.err
    assert "seed 0" in told.err
