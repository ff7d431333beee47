"""Pictures of what the world model expects."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from robot_mbrl.config import load_run
from robot_mbrl.errors import ExperienceError
from robot_mbrl.learning.learner import Learner
from robot_mbrl.learning.pictures import draw, film
from robot_mbrl.learning.prediction import LENGTH, predict
from robot_mbrl.steps import Action, Observation, Step, StepKey

SMALL = {"deter": 8, "hidden": 8, "units": 8, "stoch": 2, "classes": 4, "layers": 1, "head_layers": 1, "cnn_depth": 2}


def live(task: str, folder: Path, steps: int, episode: int) -> Learner:
    learner = Learner(load_run(task, {f"agent.{name}": value for name, value in SMALL.items()}), folder)
    spec, rng = learner.config.observation_spec(), np.random.default_rng(0)
    for index in range(steps):
        key = StepKey("session", (index + 1) * learner.step_ns)
        values = {name: float(rng.normal()) for name in spec.element_names}
        images = {name: rng.integers(0, 256, image.shape).astype(np.uint8) for name, image in spec.images.items()}
        observation = Observation(key, values, images, is_first=index % episode == 0)
        learner.receive(Step(observation, Action(key, np.zeros(1, np.float32))))
    return learner


def test_observed_values_are_those_that_were_lived_in_their_units(tmp_path: Path) -> None:
    learner = live("cartpole", tmp_path, 2 * LENGTH, 2 * LENGTH)
    prediction = predict(learner, seed=3)
    lived = np.concatenate([learner.replay.read(np.arange(2 * LENGTH))[f"observation.{name}"]
                            for name in learner.config.observation_spec().vectors], -1)  # fmt: skip
    observed, expected = prediction.values
    assert observed.shape == expected.shape == (LENGTH, 5)
    starts = [start for start in range(LENGTH + 1) if np.allclose(lived[start : start + LENGTH], observed, atol=1e-5)]
    assert len(starts) == 1
    assert np.isfinite(expected).all()
    assert draw(prediction).ndim == 3


def test_camera_pictures_become_a_film(tmp_path: Path) -> None:
    prediction = predict(live("cartpole-image", tmp_path, LENGTH, LENGTH), seed=0)
    film(prediction, tmp_path / "film.gif")
    with Image.open(tmp_path / "film.gif") as opened:
        assert opened.n_frames == LENGTH  # type: ignore[attr-defined]
        assert opened.height == 2 * opened.width
    assert draw(prediction).dtype == np.uint8


def test_pictures_of_several_sizes_share_a_film(tmp_path: Path) -> None:
    prediction = predict(live("cartpole-image", tmp_path, LENGTH, LENGTH), seed=0)
    small = tuple(pictures[:, ::2, ::2, :1] for pictures in prediction.images["camera"])
    film(replace(prediction, images=prediction.images | {"depth": small}), tmp_path / "film.gif")
    with Image.open(tmp_path / "film.gif") as opened:
        assert opened.width == opened.height * 3 // 4


def test_without_a_long_episode_there_is_nothing_to_foresee(tmp_path: Path) -> None:
    with pytest.raises(ExperienceError, match="only 10 steps"):
        predict(live("cartpole", tmp_path / "short", 10, 10), seed=0)
    with pytest.raises(ExperienceError, match="no episode of 50 steps"):
        predict(live("cartpole", tmp_path / "cut", 2 * LENGTH, 20), seed=0)
