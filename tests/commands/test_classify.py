"""`robot-mbrl classify`: from a run's labels to a file that a task is judged by."""

import json
from pathlib import Path

import pytest

from robot_mbrl.cli import main
from robot_mbrl.config import load_run
from robot_mbrl.errors import USER_ERROR
from robot_mbrl.experience.folder import find_sessions
from robot_mbrl.experience.judging import write_verdict
from robot_mbrl.experience.reading import StepReader
from robot_mbrl.labels import Labels
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.tasks.learned_success import SuccessClassifier
from tests.commands.test_train import TINY

HANGS = -0.95
"""Cosine of the angle below which the rod of these tests counts as hanging, which is what they call a success."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run of random actions, of which a person has said now and then that the rod hangs."""
    folder = RunFolder(tmp_path_factory.mktemp("classify") / "run")
    words = ["pendulum", "--quiet", f"--run={folder.path}", "--steps=600", *TINY, "--set=task.episode_steps=50"]
    assert main(["train", *words, "--set=agent.prefill_steps=900"]) == 0
    config = load_run(folder.path)
    steps = list(StepReader(config.action_spec()).read(find_sessions(folder.bags).paths))
    hanging = [step.observation.key for step in steps if step.observation.values["angle_cos"] < HANGS]
    assert 60 < len(hanging) < len(steps) - 60
    for key in hanging[::3]:
        write_verdict(folder.bags, key, Labels(success=True), config.action_spec(), "/pendulum")
    return folder


def test_it_learns_from_what_was_said_and_tells_how_surely(
    folder: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "upright.npz"
    words = ["classify", str(folder.path), "--json", "--clear=0.2", f"--out={out}"]
    assert main(words) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["values"] == ["angle_cos", "angle_sin", "angular_velocity"]
    assert told["precision"] > 0.8
    assert told["recall"] > 0.8
    classifier = SuccessClassifier.load(out)
    assert classifier.names == tuple(load_run(folder.path).observation_spec().element_names)
    assert main([*words, "--values", "angle_cos", "--threshold=0.9"]) == 0
    assert SuccessClassifier.load(out).names == ("angle_cos",)
    assert SuccessClassifier.load(out).threshold == 0.9


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--values", "hight"], "the robot measures no hight; it measures angle_cos, angle_sin, angular_velocity"),
        (["--threshold=1"], "--threshold 1 is not between 0 and 1"),
        (["--clear=-1"], "--clear -1 is below zero"),
        (["--clear=1e6"], "0 are known to be none, in"),
    ],
)
def test_what_cannot_be_is_refused_by_name(
    folder: RunFolder, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    assert main(["classify", str(folder.path), *words]) == USER_ERROR
    assert says in capsys.readouterr().err
