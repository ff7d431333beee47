"""Tasks that a classifier judges: what they pay, and files that are none."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest

from robot_mbrl.config import load_run
from robot_mbrl.errors import ConfigError
from robot_mbrl.tasks import computed_by, find_task, make_task
from robot_mbrl.tasks.learned_success import PROBABILITY, SuccessClassifier

UPRIGHT = SuccessClassifier(
    names=("angle_cos",),
    mean=np.array([0.5]),
    deviation=np.array([0.1]),
    layers=[(np.array([[2.0]]), np.array([0.0])), (np.array([[3.0]]), np.array([-1.0]))],
    threshold=0.7,
)
MODULE = """
from robot_mbrl.tasks.learned_success import LearnedSuccess

class Upright(LearnedSuccess):
    file = "upright.npz"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of a user's package with a task that is judged by a file beside it."""
    (tmp_path / "uprights.py").write_text(MODULE)
    UPRIGHT.save(tmp_path / "upright.npz")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "uprights", raising=False)
    return tmp_path


def by_hand(angle_cos: float) -> float:
    return 1.0 / (1.0 + math.exp(-(3.0 * math.tanh(2.0 * (angle_cos - 0.5) / 0.1) - 1.0)))


def test_it_pays_for_what_is_more_probable_than_its_threshold(folder: Path) -> None:
    task = make_task("uprights:Upright")
    assert task.reads == ("angle_cos",)
    for angle_cos in (0.3, 0.5, 0.52, 0.9):
        judged = task.judge({"angle_cos": angle_cos, "angle_sin": 0.0})
        assert judged.values == {PROBABILITY: pytest.approx(by_hand(angle_cos))}
        assert judged.success is (by_hand(angle_cos) >= 0.7)
        assert (judged.reward, judged.is_terminal) == (float(judged.success), False)


def test_a_robot_is_judged_by_it_and_its_probability_is_observed(folder: Path) -> None:
    config = load_run("pendulum", {"task.task": "uprights:Upright", "task.observe": ["state", "judged"]})
    assert PROBABILITY in config.observation_spec().element_names
    assert set(computed_by(find_task("uprights:Upright"))) == {"judged"}
    with pytest.raises(ConfigError, match="angle_cos"):
        load_run("reacher", {"task.task": "uprights:Upright"})


def test_many_are_judged_at_once_as_one_is() -> None:
    cosines = np.linspace(-1.0, 1.0, 12).reshape(3, 4)
    assert np.allclose(UPRIGHT.probability({"angle_cos": cosines}), np.vectorize(by_hand)(cosines))


def test_far_from_all_that_was_seen_it_is_still_a_probability() -> None:
    for angle_cos in (1e30, -1e30):
        assert 0.0 <= UPRIGHT.probability({"angle_cos": angle_cos}) <= 1.0


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "is not there: robot-mbrl classify RUN writes such a file"),
        (b"", "is no success classifier"),
        (b"no archive", "is no success classifier"),
        ("truncated", "is no success classifier"),
        ({"mean": np.array([np.nan])}, "not finite"),
        ({"deviation": np.array([0.0])}, "a deviation of 0"),
        ({"w0": np.ones((2, 1))}, "do not fit"),
        ({"w0": np.array([["a"]])}, "do not fit"),
        ({"names": np.array(["a", "b"])}, "do not fit"),
    ],
)
def test_a_file_that_is_none_is_named_when_the_task_is_loaded(folder: Path, content: object, says: str) -> None:
    path = folder / "upright.npz"
    whole = path.read_bytes()
    if content is None:
        path.unlink()
    elif content == "truncated":
        path.write_bytes(whole[: len(whole) // 2])
    elif isinstance(content, bytes):
        path.write_bytes(content)
    else:
        with np.load(path) as arrays:
            changed = {**arrays, **content}
        np.savez(path, **changed)
    with pytest.raises(ConfigError, match=says) as error:
        find_task("uprights:Upright")
    assert str(path) in str(error.value)
