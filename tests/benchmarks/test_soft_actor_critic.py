"""SAC lives the lives that other agents live, and its curves are drawn beside theirs."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import soft_actor_critic
from benchmarks.soft_actor_critic import Life, main
from robot_mbrl.config import load_run
from robot_mbrl.runs.peers import read_peers

SHORT = {"task.episode_steps": 5}


def live(life: Life, steps: int) -> list[bool]:
    """Which steps ended an episode."""
    life.reset()
    ended = []
    for _ in range(steps):
        _, _, terminated, truncated, _ = life.step(np.zeros(life.action_space.shape or (), np.float32))
        ended.append(terminated or truncated)
        if ended[-1]:
            life.reset()
    return ended


@pytest.mark.parametrize("task", ["pendulum", "a1-walk"])
def test_episodes_are_as_long_as_the_task_says_and_one_life(task: str) -> None:
    life = Life(load_run(task, SHORT))
    assert live(life, 10) == 2 * [False, False, False, False, True]
    assert life.robot.control_steps == 10, "it was put back to a start that no other agent is put back to"
    assert life.robot.observe().is_first
    life.close()


def test_an_episode_that_has_begun_goes_on_where_learning_takes_over_from_exploring() -> None:
    life = Life(load_run("pendulum", SHORT))
    assert live(life, 2) == [False, False]
    life.reset()
    assert life.robot.control_steps == 2
    assert live(life, 3) == [False, False, True]
    life.close()


def test_values_are_seen_in_units_of_their_scales() -> None:
    config = load_run("pendulum")
    life = Life(config)
    values, _ = life.reset()
    measured = life.robot.observe().values
    elements = [element for vector in config.observation_spec().vectors.values() for element in vector.elements]
    expected = [measured[element.name] / float(element.scale) for element in elements]
    assert any(element.scale != 1.0 for element in elements)
    np.testing.assert_allclose(values, expected, rtol=1e-6)
    life.close()


def test_curves_are_written_for_comparisons_and_finished_seeds_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.report.RESULTS", tmp_path / "tables")
    words = ["pendulum", "--steps=1060", "--judge-every=1040", "--seeds", "3", f"--out={tmp_path}"]
    assert main(words) == 0
    (curve,) = read_peers(tmp_path / "sac.json", ["pendulum"])
    assert (curve.method, curve.steps.tolist()) == ("SAC", [1040.0])
    assert np.isfinite(curve.returns).all()
    monkeypatch.setattr(soft_actor_critic, "learn", None)  # what is done is not done again
    assert main(words) == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["cartpole-image"], "cartpole-image: SAC learns here from values"),
        (["pendulum", "--steps=900", "--judge-every=100"], "no more than the 1000 random ones"),
        (["nowhere"], "nowhere"),
    ],
)
def test_what_it_cannot_learn_is_named(
    tmp_path: Path, words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, f"--out={tmp_path}"]) == 2
    assert says in capsys.readouterr().err
