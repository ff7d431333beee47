"""`benchmarks.help_is_worth`: a person helps in the first episodes alone, and what came of it is told."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import help_is_worth, report
from benchmarks.help_is_worth import PersonBeside, Plan, expert_of, row
from robot_mbrl.config import load_run
from robot_mbrl.errors import ConfigError
from robot_mbrl.experience.filling import fill_replay
from robot_mbrl.experience.replay import Replay
from robot_mbrl.runs.record import RunRecord
from robot_mbrl.specs import Source
from robot_mbrl.steps import Action, Step
from sim.in_process import InProcessRobot

EPISODE, LATEST, HELPED = 60, 30, 3
JUDGED = {"kind": "verdict", "robot_steps": 500, "updates": 40, "driven": 300, "episodes": 10, "mean_return": 80.4}


def _live(seed: int, episodes: int) -> list[list[Step]]:
    """Episodes of a person beside a robot whose policy always does the same."""
    config = load_run("pendulum", {"task.episode_steps": EPISODE}, seed)
    robot = InProcessRobot(config, seed=seed)
    person = PersonBeside(robot, expert_of(config), HELPED * (EPISODE + 1), LATEST, seed)
    lived: list[list[Step]] = []
    for _ in range(episodes * (EPISODE + 1)):
        observation = person.observe()
        if observation.is_first:
            lived.append([])
        requested = None if observation.is_last else Action(observation.key, np.array([0.25], np.float32))
        lived[-1].append(Step(observation, person.apply(requested)))
    robot.close()
    return lived


def test_a_person_takes_over_once_in_each_of_the_first_episodes_and_drives_to_its_end() -> None:
    episodes = _live(seed=0, episodes=HELPED + 2)
    begun = []
    for steps in episodes[:HELPED]:
        drove = [step.action.source is Source.TELEOP for step in steps[:-1]]
        begun.append(drove.index(True))
        assert all(drove[begun[-1] :])
        assert begun[-1] < LATEST
    assert len(set(begun)) > 1
    for steps in episodes[HELPED:]:
        assert {step.action.source for step in steps} == {Source.POLICY}


def test_they_drive_as_the_expert_does_a_step_later() -> None:
    expert = expert_of(load_run("pendulum"))
    steps = _live(seed=1, episodes=1)[0]
    drove = [index for index, step in enumerate(steps) if step.action.source is Source.TELEOP]
    # Within the first second of a takeover, the guard lets no action jump.
    for index in drove[20:]:
        np.testing.assert_allclose(steps[index].action.values, expert.act(steps[index - 1].observation.values))


def test_what_is_shown_is_recorded_as_the_persons_for_a_learner_to_catch_up_on(tmp_path: Path) -> None:
    config = load_run("pendulum", {"task.episode_steps": EPISODE})
    help_is_worth.show(config, tmp_path, episodes=2, seed=0)
    replay = Replay(config.observation_spec(), config.action_spec(), 1000, step_ns=round(config.step_s * 1e9))
    assert fill_replay(replay, tmp_path).steps == len(replay) == 2 * (EPISODE + 1)
    rows = replay.read(np.arange(len(replay)))
    shown = rows["source"] == Source.TELEOP
    # On the last observation of an episode nothing is done.
    assert (shown == (rows["is_last"] == 0)).all()


def test_a_run_says_when_it_came_to_the_mark() -> None:
    record = RunRecord()
    record.take([JUDGED | {"solved": 3}, JUDGED | {"robot_steps": 1003, "solved": 8}])
    told = row("helped", 2, record)
    assert (told["seed"], told["steps to the mark"], told["returns"], told["solved"]) == ("2", "1003", "80 80", "3 8")
    assert (told["steps"], told["driven by the person"]) == (1003, 300)


def test_the_next_verdict_is_due_whole_periods_after_the_birth() -> None:
    plan, record = Plan("pendulum", None, 4000, 500, 10, 0.3), RunRecord()
    assert plan.next_verdict(record) == 500
    record.take([JUDGED | {"robot_steps": 1003, "solved": 0}])
    assert plan.next_verdict(record) == 1500


def test_only_who_imitates_has_the_cloning_term_and_each_way_has_a_folder_of_its_own() -> None:
    plan = Plan("pendulum", None, 4000, 500, 10, 0.3)
    scales = {way: plan.config(way, 0).agent.cloning_scale for way in help_is_worth.WAYS}
    assert scales == {"alone": 0.0, "shown": 0.0, "helped": 0.0, "imitating": 0.3}
    assert len({plan.folder(way, seed) for way in help_is_worth.WAYS for seed in (0, 1)}) == 8


def test_a_task_that_nobody_knows_how_to_solve_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    config = load_run("pendulum")
    unknown = config.model_copy(update={"task": config.task.model_copy(update={"task": "tests.tasks.balance:Balance"})})
    with pytest.raises(ConfigError, match="pendulum has no scripted expert"):
        expert_of(unknown)
    assert help_is_worth.main(["pendulums", "--seeds", "0"]) == 1
    assert "packaged tasks are" in capsys.readouterr().err


@pytest.mark.slow
def test_its_runs_are_told_and_not_made_twice(
    tmp_path: Path, tiny_agent: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for module in (help_is_worth, report):
        monkeypatch.setattr(module, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(help_is_worth, "EPISODES", 1)
    words = ["pendulum", f"--agent={tiny_agent}", "--ways", "shown", "imitating"]
    words += ["--seeds", "0", "--judge-every", "100", "--episodes", "1"]
    assert help_is_worth.main([*words, "--steps=200"]) == 0
    first = capsys.readouterr().out
    assert "imitating, seed 0: 100 steps" in first
    # What was shown are steps of the robot, too.
    assert "shown, seed 0: 202 steps" in first
    assert help_is_worth.main([*words, "--steps=300"]) == 0
    again = capsys.readouterr().out
    assert "resumed run" in again
    for way in ("shown", "imitating"):
        assert f"{way}, seed 0: 300 steps" in again
        assert f"{way}, seed 0: 200 steps" not in again
