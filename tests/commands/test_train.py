"""`robot-mbrl train`: it learns, films, foresees and tells; killed, it goes on from starts that it has not seen."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import pytest

from robot_mbrl.cli import main
from robot_mbrl.config import load_run
from robot_mbrl.errors import USER_ERROR
from robot_mbrl.experience.reading import StepReader
from robot_mbrl.runs.folder import RunFolder
from sim.experts import EXPERTS

ROOT = Path(__file__).parents[2]
PATIENCE_S = 150.0
EPISODE = 10
TINY = [
    f"--set={name}={value}"
    for name, value in {
        **{"task.episode_steps": EPISODE, "agent.prefill_steps": 20, "agent.train_ratio": 16, "agent.horizon": 3},
        **{f"agent.{size}": 8 for size in ("deter", "hidden", "units", "batch_length")},
        **{f"agent.{size}": 2 for size in ("stoch", "classes", "batch_size", "imagination_starts")},
    }.items()
]
MINUTE_STEPS = 1200


def train(folder: Path, *words: str) -> None:
    assert main(["train", "cartpole", "--quiet", f"--run={folder}", *words]) == 0


def starts(folder: RunFolder) -> list[float]:
    """Where each recorded episode began."""
    reader = StepReader(load_run(folder.path).action_spec())
    steps = list(reader.read(sorted(folder.bags.glob("*.mcap"))))
    return [step.observation.values["cart_position"] for step in steps if step.observation.is_first]


def test_a_run_is_filmed_and_judged_also_where_no_expert_says_what_is_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(EXPERTS, "cartpole_swingup")
    steps = 44
    train(tmp_path, f"--minutes={steps / MINUTE_STEPS}", "--video", *TINY)
    told = capsys.readouterr().out
    assert f"lived {steps} steps" in told
    assert "of 10 episodes from starts it never trained on" in told
    assert "the scripted expert's –" in told
    assert f"go on: robot-mbrl train --run {tmp_path} --resume" in told
    folder = RunFolder(tmp_path)
    assert folder.curve.exists()
    film = cv2.VideoCapture(str(folder.video))
    assert film.get(cv2.CAP_PROP_FRAME_COUNT) == steps + 1
    assert film.get(cv2.CAP_PROP_FPS) == 20.0


def test_a_window_is_asked_for_and_its_absence_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    assert main(["train", "cartpole", f"--run={tmp_path}", "--view", *TINY]) == 2
    assert "there is no display to show the robot on" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["cartpole", "--view"], "there is no display"),
        (["cartpole", "--change", "weight=2"], "change: 'weight' is none of friction, mass"),
        (["cartpole", "--change", "mass=1000"], "mass 1000 is not within 0.05 and 20"),
        (["cartpole", "--set", "task.world=moon"], "there is no world named 'moon'; there are a1, cartpole"),
        (["cartpole", "--set", "task.world=null"], "exists in hardware only"),
        (["gym:CartPole-v1", "--change", "mass=2"], "an environment of Gymnasium is as it is"),
        (["gym:CartPole-v1", "--view"], "a public task has none"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
@pytest.mark.parametrize("command", ["train", "demo"])
def test_what_cannot_begin_leaves_no_folder_in_the_way_of_the_next_try(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    words: list[str],
    says: str,
) -> None:
    if command == "demo" and words[0].startswith("gym:"):
        says = "a Gymnasium environment is no robot"
    monkeypatch.delenv("DISPLAY", raising=False)
    assert main([command, *words, f"--run={tmp_path / 'run'}"]) == USER_ERROR
    assert says in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_without_a_speed_it_is_as_fast_as_the_machine(capsys: pytest.CaptureFixture[str]) -> None:
    for command, default in (("train", "as fast as the machine"), ("demo", "1")):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        assert f"(default: {default})" in " ".join(capsys.readouterr().out.split())


def test_a_killed_run_keeps_its_time_and_goes_on_from_other_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(tmp_path)
    # The first summary is written after this many seconds.
    code = "import sys; from robot_mbrl.commands import results; results.SUMMARY_PERIOD_S = 0.1\n"
    code += "from robot_mbrl.cli import main; main(sys.argv[1:])"
    words = ["train", "cartpole", "--quiet", f"--run={tmp_path}", "--set=agent.prefill_steps=100000", *TINY]
    words = [word for word in words if "prefill_steps=20" not in word]
    with subprocess.Popen([sys.executable, "-c", code, *words], cwd=ROOT) as process:
        deadline_s = time.monotonic() + PATIENCE_S
        while folder.read_summary().get("episodes", 0) < 2:
            assert process.poll() is None
            assert time.monotonic() < deadline_s
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
    killed = folder.read_summary()
    assert killed["wall_s"] > 0.0
    seen = len(starts(folder))
    train(tmp_path, "--resume", f"--minutes={2 * EPISODE / MINUTE_STEPS}")
    concluded = folder.read_summary()
    assert concluded["wall_s"] > killed["wall_s"]
    assert concluded["robot_steps"] > killed["robot_steps"]
    began = starts(folder)
    assert len(began) > seen
    assert len(set(began)) == len(began)


def test_what_was_learned_is_drawn_and_a_folder_that_is_not_there_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(tmp_path, f"--minutes={100 / MINUTE_STEPS}", *TINY, "--set=task.episode_steps=100")
    assert main(["predict", str(tmp_path)]) == 0
    assert cv2.imread(str(tmp_path / "prediction.png")) is not None
    capsys.readouterr()
    missing = tmp_path / "missing" / "prediction.png"
    with pytest.raises(SystemExit) as refused:
        main(["predict", str(tmp_path), f"--out={missing}"])
    assert refused.value.code == USER_ERROR
    said = f"error: argument --out: {missing.parent} is not a folder: make it first, or name a file elsewhere\n"
    assert capsys.readouterr().err.endswith(said)


def test_a_robot_that_its_guard_has_stopped_for_good_is_not_learned_from_any_more(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "reacher", "--quiet", f"--run={tmp_path}", "--minutes=0.1", *TINY, "--set=task.episode_steps=60"]
    assert main([*words, "--change=strength=0.1", "--seed=3"]) == USER_ERROR
    assert "the guard has stopped the robot for good" in (told := capsys.readouterr().err)
    assert "following_error: joint" in told
    # What it has lived until then is written down.
    assert 0 < RunFolder(tmp_path).read_summary()["environment_steps"] < 0.1 * MINUTE_STEPS
