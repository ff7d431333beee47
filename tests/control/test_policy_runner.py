"""The policy runner: which previous action the policy is fed with, and when it acts."""

from pathlib import Path

import numpy as np
import pytest

from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.control.bundle_file import Bundle, check_bundle
from robot_mbrl.control.bundle_policy import BundlePolicy
from robot_mbrl.control.policy_runner import BACKLOG, PolicyRunner
from robot_mbrl.control.start_policies import HoldPolicy
from robot_mbrl.errors import BundleError
from robot_mbrl.specs import Source
from robot_mbrl.steps import Action, Observation, StepKey
from sim.in_process import InProcessRobot
from tests.bundles import make_bundle

GRACE_S = 0.005
PERIOD_NS = 50_000_000


@pytest.fixture(scope="module")
def config() -> RunConfig:
    return load_run("cartpole")


@pytest.fixture
def runner(config: RunConfig) -> PolicyRunner:
    """A policy whose action is its previous action, or -0.5 where it starts afresh."""
    return PolicyRunner(config, BundlePolicy(open_bundle(config, previous=1.0, first=-0.5)), grace_s=GRACE_S)


def open_bundle(config: RunConfig, **behaviour: object) -> Bundle:
    return check_bundle(Bundle(make_bundle(config, **behaviour), "test bundle"), config)


def observation(tick: int, session: str = "s", **flags: bool) -> Observation:
    values = dict.fromkeys(load_run("cartpole").observation_spec().element_names, 0.1)
    return Observation(StepKey(session, tick * PERIOD_NS), values, {}, **flags)


def applied(tick: int, value: float) -> Action:
    return Action(StepKey("s", tick * PERIOD_NS), np.array([value], np.float32))


def requested_value(runner: PolicyRunner, now_s: float = 0.0) -> float | None:
    action = runner.requested_action(now_s)
    return None if action is None else float(action.values[0])


def test_previous_action_is_what_was_applied(runner: PolicyRunner) -> None:
    runner.observed(observation(1, is_first=True), 0.0)
    assert requested_value(runner) == -0.5
    runner.applied(applied(1, 0.75))
    runner.observed(observation(2), 0.05)
    assert requested_value(runner, 0.05) == 0.75
    assert runner.cuts == 0


def test_action_is_requested_once_per_observation(runner: PolicyRunner) -> None:
    assert runner.requested_action(0.0) is None
    runner.observed(observation(1, is_first=True), 0.0)
    assert runner.requested_action(0.0) is not None
    assert runner.requested_action(0.0) is None


def test_applied_action_that_comes_after_its_successor_is_waited_for(runner: PolicyRunner) -> None:
    runner.observed(observation(1, is_first=True), 0.0)
    runner.requested_action(0.0)
    runner.observed(observation(2), 0.05)
    assert runner.deadline_s == pytest.approx(0.05 + GRACE_S)
    assert runner.requested_action(0.05) is None
    runner.applied(applied(1, 0.25))
    assert requested_value(runner, 0.051) == 0.25


def test_applied_action_that_does_not_come_in_time_cuts_the_sequence(runner: PolicyRunner) -> None:
    runner.observed(observation(1, is_first=True), 0.0)
    runner.requested_action(0.0)
    runner.observed(observation(2), 0.05)
    assert requested_value(runner, 0.05 + GRACE_S) == -0.5
    assert runner.cuts == 1


@pytest.mark.parametrize("tick", [3, 1])
def test_missing_or_repeated_stamp_cuts_the_sequence(runner: PolicyRunner, tick: int) -> None:
    runner.observed(observation(1, is_first=True), 0.0)
    runner.requested_action(0.0)
    runner.applied(applied(1, 0.75))
    runner.observed(observation(tick), 0.1)
    assert requested_value(runner, 0.1) == -0.5
    assert runner.cuts == 1


def test_other_session_cuts_the_sequence(runner: PolicyRunner) -> None:
    runner.observed(observation(1, is_first=True), 0.0)
    runner.requested_action(0.0)
    runner.applied(applied(1, 0.75))
    runner.observed(observation(2, session="t"), 0.05)
    assert requested_value(runner, 0.05) == -0.5


def test_observations_that_wait_behind_another_are_answered_in_order(runner: PolicyRunner) -> None:
    """The policy's process was held up: two steps and what was applied at them arrive at once."""
    runner.observed(observation(1, is_first=True), 0.0)
    runner.requested_action(0.0)
    runner.observed(observation(2), 0.1)
    assert runner.requested_action(0.1) is None
    runner.observed(observation(3), 0.1)
    runner.applied(applied(1, 0.75))
    runner.applied(applied(2, 0.5))
    assert [requested_value(runner, 0.1), requested_value(runner, 0.1), requested_value(runner, 0.1)] == [
        0.75,
        0.5,
        None,
    ]
    assert (runner.requests, runner.cuts) == (3, 0)


def test_observation_that_was_dropped_cuts_the_sequence(runner: PolicyRunner) -> None:
    runner.observed(observation(1, is_first=True), 0.0)
    runner.requested_action(0.0)
    ticks = range(2, BACKLOG + 3)
    for tick in ticks:
        runner.observed(observation(tick), 0.1)
    for tick in ticks:
        runner.applied(applied(tick, 0.5))
    # The state is that of step 1, and step 2 was dropped: nothing that was applied leads from there to 3.
    values = [requested_value(runner, 0.1) for _ in ticks]
    assert values == [-0.5, *[0.5] * (BACKLOG - 1), None]
    assert runner.cuts == 1


def test_end_of_an_episode_ends_the_wait_of_what_came_before(runner: PolicyRunner) -> None:
    runner.observed(observation(1, is_first=True), 0.0)
    runner.requested_action(0.0)
    runner.observed(observation(2), 0.05)
    runner.observed(observation(3, is_last=True), 0.05)
    assert not runner.is_due(1.0)


def test_last_observation_of_an_episode_awaits_no_action(runner: PolicyRunner) -> None:
    runner.observed(observation(1, is_first=True), 0.0)
    runner.requested_action(0.0)
    runner.observed(observation(2, is_last=True), 0.05)
    assert runner.deadline_s is None
    assert runner.requested_action(1.0) is None


def test_bundle_takes_over_from_the_start_policy(config: RunConfig) -> None:
    runner = PolicyRunner(config, HoldPolicy(), grace_s=GRACE_S)
    runner.observed(observation(1, is_first=True), 0.0)
    assert runner.requested_action(0.0) is None
    assert runner.bundle is None
    assert not runner.take_over(open_bundle(config, first=-0.5, bias=0.1))
    runner.applied(applied(1, 0.75))
    runner.observed(observation(2), 0.05)
    assert requested_value(runner, 0.05) == pytest.approx(-0.4)
    runner.applied(applied(2, 0.0))
    runner.observed(observation(3), 0.1)
    assert requested_value(runner, 0.1) == pytest.approx(0.1)
    assert runner.take_over(open_bundle(config, version=2))


def test_failed_step_is_not_tried_again(config: RunConfig, tmp_path: Path) -> None:
    runner = PolicyRunner(config, BundlePolicy(open_bundle(config, nan_from_step=1)), grace_s=GRACE_S)
    runner.observed(observation(1, is_first=True), 0.0)
    runner.requested_action(0.0)
    runner.applied(applied(1, 0.0))
    runner.observed(observation(2), 0.05)
    with pytest.raises(BundleError):
        runner.requested_action(0.05)
    assert runner.requested_action(0.06) is None
    assert runner.deadline_s is None


def test_where_a_bundle_decides_on_no_action_the_guard_holds_and_it_is_counted(config: RunConfig) -> None:
    runner = PolicyRunner(config, BundlePolicy(open_bundle(config, count=0.1, undecided_step=3)), grace_s=GRACE_S)
    robot = InProcessRobot(config, seed=0)
    applied: list[Action] = []
    for _ in range(6):
        runner.observed(robot.observe(), 0.0)
        applied.append(robot.apply(runner.requested_action(0.0)))
        runner.applied(applied[-1])
    interventions = dict(robot.interventions)
    robot.close()
    sources = [action.source for action in applied]
    assert sources == [Source.LATE if step == 3 else Source.POLICY for step in range(6)]
    assert applied[3].values == applied[2].values
    assert (runner.undecided, interventions["late"]) == (1, 1)
    assert "not_finite" not in interventions
