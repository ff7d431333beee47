"""Schedules: updates in proportion to steps, after episodes, or a given number; and learners that keep them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.learning.learner import Learner
from robot_mbrl.learning.schedule import Budget, PerEpisode, Schedule, TrainRatio
from robot_mbrl.learning.synchronous import SynchronousTraining
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.runs.progress import plain_line
from robot_mbrl.runs.record import RunRecord
from robot_mbrl.specs import Source
from sim.in_process import InProcessRobot
from tests.learning.test_live import PREFILL, SMALL, make_step

EPISODE = 8


def test_updates_are_due_at_the_ratio_of_replayed_to_lived_steps() -> None:
    schedule = TrainRatio(ratio=16.0, first_updates=0, most_due=100)
    for _ in range(7):
        schedule.lived(32)
    schedule.ended()
    assert schedule.due == 3
    schedule.updated()
    assert schedule.due == 2


def test_the_first_updates_are_due_once_however_often_it_begins() -> None:
    for schedule in (
        TrainRatio(ratio=1.0, first_updates=5, most_due=100),
        PerEpisode(updates=7, first_updates=5, most_due=100),
        Budget(updates=5),
    ):
        assert schedule.due == 0
        schedule.begin()
        schedule.begin()
        assert schedule.due == 5


def test_what_is_due_is_bounded_but_for_the_first_updates() -> None:
    schedule = TrainRatio(ratio=1000.0, first_updates=20, most_due=7)
    schedule.begin()
    schedule.lived(1)
    assert schedule.due == 20


def test_an_agent_that_replays_nothing_is_due_an_update_for_each_step_of_the_ratio() -> None:
    schedule = TrainRatio(ratio=2.0, first_updates=0, most_due=100)
    schedule.lived(0)
    assert schedule.due == 2


def test_an_episode_is_worth_its_updates_at_its_end_and_at_most_so_many_are_due() -> None:
    schedule = PerEpisode(updates=10, first_updates=0, most_due=4)
    schedule.lived(32)
    assert schedule.due == 0
    schedule.ended()
    assert schedule.due == 10
    schedule.lived(32)
    schedule.ended()
    assert schedule.due == 10


def test_an_episode_in_which_the_robot_only_rested_is_worth_nothing() -> None:
    schedule = PerEpisode(updates=10, first_updates=0, most_due=100)
    schedule.ended()
    assert schedule.due == 0
    schedule.lived(32)
    schedule.ended()
    schedule.ended()
    assert schedule.due == 10


def test_a_budget_is_spent_once_whatever_is_lived() -> None:
    schedule = Budget(updates=3)
    schedule.begin()
    for expected in (2, 1, 0, 0):
        schedule.updated()
        schedule.lived(32)
        schedule.ended()
        assert schedule.due == expected


@pytest.mark.parametrize("make", [lambda: TrainRatio(0.4, 0, 9), lambda: PerEpisode(3, 1, 9), lambda: Budget(4)])
def test_it_goes_on_where_it_was_saved(make: Any) -> None:
    schedule, resumed = make(), make()
    schedule.begin()
    for _ in range(4):
        schedule.lived(1)
    schedule.updated()
    resumed.load_state_dict(schedule.state_dict())
    for one in (schedule, resumed):
        one.lived(1)
        one.ended()
    assert schedule.due == resumed.due > 0


@pytest.mark.parametrize("make", [lambda: TrainRatio(1, 0, 9), lambda: PerEpisode(3, 0, 9), lambda: Budget(3)])
def test_a_run_may_go_on_by_another_schedule(make: Any) -> None:
    for former in (TrainRatio(1.0, 2, 9), PerEpisode(1, 2, 9), Budget(2)):
        schedule: Schedule = make()
        schedule.load_state_dict(former.state_dict())
        schedule.lived(1)
        schedule.ended()
        assert schedule.due > 0


def _config(**changes: object) -> RunConfig:
    settings = {f"agent.{name}": value for name, value in (SMALL | changes).items()}
    return load_run("pendulum", {"task.episode_steps": EPISODE, "task.evaluate_every": 0, **settings})


@contextmanager
def _training(config: RunConfig, folder: Path) -> Iterator[SynchronousTraining]:
    robot = InProcessRobot(config, seed=0)
    training = SynchronousTraining(config, RunFolder.create(config, folder), robot)
    yield training
    training.close()
    robot.close()


def test_a_robot_that_learns_between_episodes_makes_no_update_while_one_lasts(tmp_path: Path) -> None:
    config = _config(schedule="per_episode", updates_per_episode=3, pretrain_updates=2)
    with _training(config, tmp_path) as training:
        made, ended = [0], 0
        for reports in training.run(PREFILL + 4 * EPISODE):
            assert training.learner.owed == 0
            now = len(made) >= PREFILL and any(kind == "episode" for kind, _ in reports)
            begins = len(made) == PREFILL
            made.append(training.learner.updates)
            assert made[-1] - made[-2] == 3 * now + 2 * begins
            ended += now
    assert ended >= 3


def test_a_robot_with_a_budget_makes_its_updates_and_then_lives_by_what_it_has_learned(tmp_path: Path) -> None:
    config = _config(schedule="budget", update_budget=5)
    with _training(config, tmp_path) as training:
        list(training.run(PREFILL - 1))
        assert training.learner.updates == 0
        list(training.run(1))
        assert training.learner.updates == 5
        list(training.run(3 * EPISODE))
        assert training.learner.updates == 5
        record = RunRecord()
        record.take([{"kind": "learner", **training.learner.metrics()}])
    assert "updates 5 of 5  train ratio" in plain_line(record, 0.0)


def test_whoever_stops_amid_a_budget_loses_nothing_of_it(tmp_path: Path) -> None:
    config = _config(schedule="budget", update_budget=9, checkpoint_period_s=1e-6)
    robot, saved = InProcessRobot(config, seed=0), []

    def between_updates() -> bool:
        saved.append(Learner.resume(config, tmp_path).updates)
        return training.learner.updates == 4

    training = SynchronousTraining(config, RunFolder.create(config, tmp_path), robot, between_updates=between_updates)
    list(training.run(PREFILL))
    assert (training.learner.updates, training.learner.owed) == (4, 5)
    # The robot's time stands still while updates are made: what was learned is saved all the same.
    assert saved[1:] == [1, 2, 3]
    training.close()
    resumed = SynchronousTraining(config, RunFolder.open(tmp_path), robot)
    list(resumed.run(1))
    assert resumed.learner.updates == 9
    resumed.close()
    robot.close()


@pytest.mark.parametrize(
    ("changes", "due"),
    [
        ({"schedule": "per_episode", "updates_per_episode": 6}, 6),
        ({"schedule": "budget", "update_budget": 6}, 6),
    ],
)
def test_a_learner_that_is_killed_amid_its_updates_makes_the_rest(
    changes: dict[str, Any], due: int, tmp_path: Path
) -> None:
    config = _config(**changes)
    learner = Learner(config, tmp_path)
    for index in range(PREFILL + 1):
        learner.receive(make_step(index, config, last=index == PREFILL))
    assert learner.owed == due
    learner.update()
    learner.save()
    resumed = Learner.resume(config, tmp_path)
    assert resumed.owed == due - 1
    record = RunRecord()
    record.take([{"kind": "learner", **resumed.metrics()}])
    total = " of 6" if changes["schedule"] == "budget" else ""
    assert f"updates 1{total}  5 due  train ratio" in plain_line(record, 0.0)


def test_an_episode_that_a_safe_stop_ends_is_learned_from_but_not_the_rest_after_it(tmp_path: Path) -> None:
    config = _config(schedule="per_episode", updates_per_episode=3)
    learner = Learner(config, tmp_path)
    for index in range(PREFILL + 4):
        learner.receive(make_step(index, config))
    # The stop begins, and the episode ends at the observation after that.
    learner.receive(make_step(PREFILL + 4, config, Source.STOP))
    learner.receive(make_step(PREFILL + 5, config, Source.STOP, last=True))
    assert learner.owed == 3
    for index in range(PREFILL + 6, PREFILL + 6 + 2 * EPISODE):
        learner.receive(make_step(index, config, Source.STOP, last=index % EPISODE == 0))
    assert learner.owed == 3
