"""The open-loop error by horizon: what predictions made one by one give, with the spread of what is held possible."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from robot_mbrl.agents.mpc import MPC
from robot_mbrl.cli import main
from robot_mbrl.config import load_run
from robot_mbrl.errors import ExperienceError
from robot_mbrl.learning.drift import CONTEXT, drift
from robot_mbrl.learning.learner import Learner
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.steps import Action, Observation, Step, StepKey

EPISODE, HORIZON = 60, 6
SMALL: dict[str, dict[str, Any]] = {
    "mpc-cpu": {"units": 16, "batch_size": 32, "held_out_size": 16, "horizon": 3, "prefill_steps": 600},
    "planet-cpu": {"deter": 8, "hidden": 8, "units": 8, "stoch": 2, "horizon": 3, "prefill_steps": 600},
}


def lived(folder: Path, preset: str, steps: int = 720, updates: int = 0, *, frozen: bool = False) -> Learner:
    """A learner of a pendulum-like world, whose three values turn and are pushed; or stand still."""
    overrides = {"task.agent": preset} | {f"agent.{name}": value for name, value in SMALL[preset].items()}
    learner = Learner(load_run("pendulum", overrides), RunFolder.create(load_run("pendulum", overrides), folder).path)
    rng, values = np.random.default_rng(0), np.zeros(3)
    for index in range(steps):
        first = index % EPISODE == 0
        values = rng.normal(size=3) if first else values
        key = StepKey("session", (index + 1) * learner.step_ns)
        action = rng.uniform(-1.0, 1.0, 1).astype(np.float32)
        seen = dict(zip(learner.config.observation_spec().element_names, values.tolist(), strict=True))
        learner.receive(Step(Observation(key, seen, {}, is_first=first), Action(key, action)))
        turned = 0.95 * values + 0.2 * np.roll(values, 1) * (-1.0, 1.0, 0.5) + 0.3 * action
        values = values if frozen else turned
    for _ in range(updates):
        learner.update()
    return learner


def test_errors_and_spread_are_those_of_predictions_made_one_by_one(tmp_path: Path) -> None:
    learner = lived(tmp_path, "mpc-cpu", steps=80, updates=0)  # fewer than 128 sequences: all of them are looked at
    assert isinstance(learner.agent, MPC)
    model, replay = learner.agent.model, learner.replay
    found = drift(learner, HORIZON)
    truths, guesses = [], []
    for start in range(80 - CONTEXT - HORIZON + 1):
        rows = replay.read(np.arange(start, start + CONTEXT + HORIZON))
        if rows["is_first"][1:].any():
            continue
        state = torch.from_numpy(rows["observation.state"][CONTEXT - 1]).expand(model.members, 1, -1)
        futures = []
        for time in range(CONTEXT, CONTEXT + HORIZON):
            action = torch.from_numpy(rows["action"][time - 1]).expand(model.members, 1, -1)
            with torch.no_grad():
                state = model.advance(state, action)
            futures.append(state[:, 0].numpy())
        truths.append(rows["observation.state"][CONTEXT:])
        guesses.append(np.stack(futures, 1))  # (E, H, V)
    assert found.sequences == len(truths)
    truth, guess = np.stack(truths), np.stack(guesses, 1)  # (B, H, V), (E, B, H, V)
    variance = truth.reshape(-1, 3).var(0)
    error = ((guess.mean(0) - truth) ** 2).mean(0) / variance  # (H, V)
    np.testing.assert_allclose(found.error, np.sqrt(error.mean(-1)), rtol=1e-4)
    np.testing.assert_allclose(found.spread, np.sqrt((guess.var(0).mean(0) / variance).mean(-1)), rtol=1e-4)
    np.testing.assert_allclose(found.by_name["angular_velocity"], np.sqrt(error[:, 2]), rtol=1e-4)


def test_what_is_learned_makes_the_error_and_the_spread_smaller_and_both_grow_with_the_horizon(tmp_path: Path) -> None:
    before = drift(lived(tmp_path / "new", "mpc-cpu"), HORIZON)
    after = drift(lived(tmp_path / "learned", "mpc-cpu", updates=400), HORIZON)
    assert (after.error < 0.3 * before.error).all()
    assert after.error[0] < after.error[-1] < 0.5
    assert after.spread[0] < after.spread[-1] < before.spread[-1]


def test_models_without_members_spread_by_what_they_draw(tmp_path: Path) -> None:
    learner = lived(tmp_path, "planet-cpu", updates=3)
    found = drift(learner, HORIZON, seed=1)
    assert found.error.shape == found.spread.shape == (HORIZON,)
    assert (found.spread > 0.0).all()
    again = drift(learner, HORIZON, seed=1)
    np.testing.assert_array_equal(again.error, found.error)


def test_a_horizon_beyond_every_episode_and_a_world_that_never_changes_are_named(tmp_path: Path) -> None:
    with pytest.raises(ExperienceError, match="a horizon of 60 needs an episode of 65 steps, and none is there yet"):
        drift(lived(tmp_path / "short", "mpc-cpu", steps=100), EPISODE)
    with pytest.raises(ExperienceError, match="nothing that was observed in these sequences ever changed"):
        drift(lived(tmp_path / "still", "mpc-cpu", steps=EPISODE, frozen=True), HORIZON)


def test_the_command_plots_it_and_gives_programs_the_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    learner = lived(tmp_path / "run", "mpc-cpu", updates=2)
    learner.save()
    assert main(["predict", str(tmp_path / "run"), f"--horizon={HORIZON}", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["horizon"], printed["context"], len(printed["values"])) == (HORIZON, CONTEXT, 3)
    np.testing.assert_allclose(printed["error"], drift(learner, HORIZON).error)
    with Image.open(printed["picture"]) as picture:
        assert picture.width == 840
    assert main(["predict", str(tmp_path / "run"), f"--horizon={HORIZON}"]) == 0
    assert "128 sequences" in capsys.readouterr().out
    assert main(["predict", str(tmp_path / "run"), "--json"]) == 2
    assert "--json prints what --horizon measures" in capsys.readouterr().err
