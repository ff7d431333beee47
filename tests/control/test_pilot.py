"""The pilot: which previous action the policy is fed with, and when it acts."""

from pathlib import Path

import numpy as np
import pytest

from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.control.bundle_file import Bundle, check_bundle
from robot_mbrl.control.pilot import BACKLOG, Pilot
from robot_mbrl.control.policy_runner import PolicyRunner
from robot_mbrl.control.start_policies import HoldPolicy
from robot_mbrl.errors import BundleError
from robot_mbrl.steps import Action, Observation, StepKey
from tests.bundles import make_bundle

GRACE_S = 0.005
PERIOD_NS = 50_000_000


@pytest.fixture(scope="module")
def config() -> RunConfig:
    return load_run("cartpole")


@pytest.fixture
def pilot(config: RunConfig) -> Pilot:
    """A policy whose wish is its previous action, or -0.5 where it starts afresh."""
    return Pilot(config, PolicyRunner(open_bundle(config, previous=1.0, first=-0.5)), grace_s=GRACE_S)


def open_bundle(config: RunConfig, **behaviour: object) -> Bundle:
    return check_bundle(Bundle(make_bundle(config, **behaviour), "test bundle"), config)


def observation(tick: int, session: str = "s", **flags: bool) -> Observation:
    values = dict.fromkeys(load_run("cartpole").observation_spec().element_names, 0.1)
    return Observation(StepKey(session, tick * PERIOD_NS), values, {}, **flags)


def applied(tick: int, value: float) -> Action:
    return Action(StepKey("s", tick * PERIOD_NS), np.array([value], np.float32))


def wish_value(pilot: Pilot, now_s: float = 0.0) -> float | None:
    wish = pilot.wish(now_s)
    return None if wish is None else float(wish.values[0])


def test_previous_action_is_what_was_applied(pilot: Pilot) -> None:
    pilot.observed(observation(1, is_first=True), 0.0)
    assert wish_value(pilot) == -0.5
    pilot.applied(applied(1, 0.75))
    pilot.observed(observation(2), 0.05)
    assert wish_value(pilot, 0.05) == 0.75
    assert pilot.cuts == 0


def test_wish_is_given_once_per_observation(pilot: Pilot) -> None:
    assert pilot.wish(0.0) is None
    pilot.observed(observation(1, is_first=True), 0.0)
    assert pilot.wish(0.0) is not None
    assert pilot.wish(0.0) is None


def test_applied_action_that_comes_after_its_successor_is_waited_for(pilot: Pilot) -> None:
    pilot.observed(observation(1, is_first=True), 0.0)
    pilot.wish(0.0)
    pilot.observed(observation(2), 0.05)
    assert pilot.deadline_s == pytest.approx(0.05 + GRACE_S)
    assert pilot.wish(0.05) is None
    pilot.applied(applied(1, 0.25))
    assert wish_value(pilot, 0.051) == 0.25


def test_applied_action_that_does_not_come_in_time_cuts_the_sequence(pilot: Pilot) -> None:
    pilot.observed(observation(1, is_first=True), 0.0)
    pilot.wish(0.0)
    pilot.observed(observation(2), 0.05)
    assert wish_value(pilot, 0.05 + GRACE_S) == -0.5
    assert pilot.cuts == 1


@pytest.mark.parametrize("tick", [3, 1])
def test_missing_or_repeated_stamp_cuts_the_sequence(pilot: Pilot, tick: int) -> None:
    pilot.observed(observation(1, is_first=True), 0.0)
    pilot.wish(0.0)
    pilot.applied(applied(1, 0.75))
    pilot.observed(observation(tick), 0.1)
    assert wish_value(pilot, 0.1) == -0.5
    assert pilot.cuts == 1


def test_other_session_cuts_the_sequence(pilot: Pilot) -> None:
    pilot.observed(observation(1, is_first=True), 0.0)
    pilot.wish(0.0)
    pilot.applied(applied(1, 0.75))
    pilot.observed(observation(2, session="t"), 0.05)
    assert wish_value(pilot, 0.05) == -0.5


def test_observations_that_wait_behind_another_are_answered_in_order(pilot: Pilot) -> None:
    """The policy's process was held up: two steps and what was applied at them arrive at once."""
    pilot.observed(observation(1, is_first=True), 0.0)
    pilot.wish(0.0)
    pilot.observed(observation(2), 0.1)
    assert pilot.wish(0.1) is None
    pilot.observed(observation(3), 0.1)
    pilot.applied(applied(1, 0.75))
    pilot.applied(applied(2, 0.5))
    assert [wish_value(pilot, 0.1), wish_value(pilot, 0.1), wish_value(pilot, 0.1)] == [0.75, 0.5, None]
    assert (pilot.wishes, pilot.cuts) == (3, 0)


def test_observation_that_was_dropped_cuts_the_sequence(pilot: Pilot) -> None:
    pilot.observed(observation(1, is_first=True), 0.0)
    pilot.wish(0.0)
    ticks = range(2, BACKLOG + 3)
    for tick in ticks:
        pilot.observed(observation(tick), 0.1)
    for tick in ticks:
        pilot.applied(applied(tick, 0.5))
    # The state is that of step 1, and step 2 was dropped: nothing that was applied leads from there to 3.
    wishes = [wish_value(pilot, 0.1) for _ in ticks]
    assert wishes == [-0.5, *[0.5] * (BACKLOG - 1), None]
    assert pilot.cuts == 1


def test_end_of_an_episode_ends_the_wait_of_what_came_before(pilot: Pilot) -> None:
    pilot.observed(observation(1, is_first=True), 0.0)
    pilot.wish(0.0)
    pilot.observed(observation(2), 0.05)
    pilot.observed(observation(3, is_last=True), 0.05)
    assert not pilot.is_due(1.0)


def test_last_observation_of_an_episode_awaits_no_wish(pilot: Pilot) -> None:
    pilot.observed(observation(1, is_first=True), 0.0)
    pilot.wish(0.0)
    pilot.observed(observation(2, is_last=True), 0.05)
    assert pilot.deadline_s is None
    assert pilot.wish(1.0) is None


def test_bundle_takes_over_from_the_start_policy(config: RunConfig) -> None:
    pilot = Pilot(config, HoldPolicy(), grace_s=GRACE_S)
    pilot.observed(observation(1, is_first=True), 0.0)
    assert pilot.wish(0.0) is None
    assert pilot.bundle is None
    assert not pilot.take_over(open_bundle(config, first=-0.5, bias=0.1))
    pilot.applied(applied(1, 0.75))
    pilot.observed(observation(2), 0.05)
    assert wish_value(pilot, 0.05) == pytest.approx(-0.4)
    pilot.applied(applied(2, 0.0))
    pilot.observed(observation(3), 0.1)
    assert wish_value(pilot, 0.1) == pytest.approx(0.1)
    assert pilot.take_over(open_bundle(config, version=2))


def test_failed_step_is_not_tried_again(config: RunConfig, tmp_path: Path) -> None:
    pilot = Pilot(config, PolicyRunner(open_bundle(config, nan_from_step=1)), grace_s=GRACE_S)
    pilot.observed(observation(1, is_first=True), 0.0)
    pilot.wish(0.0)
    pilot.applied(applied(1, 0.0))
    pilot.observed(observation(2), 0.05)
    with pytest.raises(BundleError):
        pilot.wish(0.05)
    assert pilot.wish(0.06) is None
    assert pilot.deadline_s is None
