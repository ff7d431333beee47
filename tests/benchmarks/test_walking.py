"""When a quadruped did what, from what it lived."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.walking import TERMS, first_minutes, main, milestones, rows
from robot_mbrl.config import load_run
from robot_mbrl.experience.session import StepWriter
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.steps import Step
from sim.in_process import InProcessRobot

STEP_S = 0.05


def life(**changes: tuple[int, float]) -> np.ndarray:
    """A life of two minutes, in which a term becomes another from a step on."""
    lived = np.zeros((2400, len(TERMS)))
    for name, (since, value) in changes.items():
        lived[since:, TERMS.index(name.replace("speed", "speed m/s"))] = value
    return lived


def test_what_lasts_five_seconds_counts_from_then() -> None:
    held = np.zeros(1000, bool)
    held[100:199] = True  # 4.95 s
    held[300:400] = True
    assert first_minutes(held, STEP_S) == pytest.approx(400 * STEP_S / 60.0)
    assert first_minutes(held[:350], STEP_S) is None


def test_each_milestone_has_its_own_term() -> None:
    lived = life(upright=(100, 0.9), knee=(800, 0.8), speed=(1500, 0.25))
    found = milestones(lived, STEP_S)
    assert found["rolled over"] == pytest.approx(200 * STEP_S / 60.0)
    assert found["stood"] == pytest.approx(900 * STEP_S / 60.0)
    # The mean over five seconds reaches 0.2 m/s once four fifths of them were walked.
    assert found["walked"] == pytest.approx(1580 * STEP_S / 60.0)
    assert set(milestones(life(), STEP_S).values()) == {None}


def test_the_table_has_the_means_of_all_that_was_lived() -> None:
    lived = np.concatenate([life(reward=(0, 5.0))] * 3)  # six minutes
    table = rows(lived, STEP_S)
    assert [row["until minute"] for row in table] == [5.0, 6.0]
    assert [row["reward"] for row in table] == [5.0, 5.0]


def test_a_recorded_life_is_read_and_another_task_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.report.RESULTS", tmp_path / "tables")
    config = load_run("a1-walk")
    folder = RunFolder.create(config, tmp_path / "run")
    assert main([str(folder.path)]) == 2
    assert "nothing was recorded yet" in capsys.readouterr().err
    robot = InProcessRobot(config)
    writer = StepWriter(folder.bags, config.action_spec(), config.robot.name)
    for _ in range(30):
        observation = robot.observe()
        writer.write(Step(observation, robot.apply(None)))
    writer.close()
    robot.close()
    assert main([str(folder.path)]) == 0
    assert "rolled over: not yet" in capsys.readouterr().out
    other = RunFolder.create(load_run("pendulum"), tmp_path / "other")
    assert main([str(other.path)]) == 2
    assert "not about walking" in capsys.readouterr().err
