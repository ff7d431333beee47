"""What the guard does with actions and observations, rule by rule."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from robot_mbrl.control.guard import Decision
from robot_mbrl.control.stops import Reason
from robot_mbrl.specs import Source
from robot_mbrl.steps import StepKey
from tests.control.guard_bench import COMMAND_S, DEADLINE_S, RECOVER, TIMEOUT_S, GuardBench
from tests.control.robots import PERIOD_S, action_message


def test_timely_action_is_applied_and_commanded_at_once() -> None:
    bench = GuardBench().move(0.5, 0.0)
    bench.observe()
    bench.run(0.003)
    bench.act(0.8, 0.0)
    assert bench.applied[-1].source is Source.POLICY
    assert bench.applied[-1].key == bench.key
    assert bench.applied[-1].policy_version == 7
    assert bench.applied[-1].values == pytest.approx([0.8, 0.0])
    # 500 N/s allow 3 N within the 3 ms or more since the newest command.
    assert 6.4 < bench.command[0] <= 8.0 + 1e-6
    bench.run(0.01)
    assert bench.command[0] == pytest.approx(8.0)


def test_nothing_moves_before_enough_timely_actions_in_a_row() -> None:
    bench = GuardBench()
    sources = [bench.step().source for _ in range(RECOVER + 1)]
    assert sources == [Source.STOP] * (RECOVER - 1) + [Source.POLICY] * 2


def test_late_action_is_replaced_by_the_one_before() -> None:
    bench = GuardBench().move(0.5, -0.5)
    applied = bench.miss()
    assert applied.source is Source.LATE
    assert applied.values == pytest.approx([0.5, -0.5])
    assert applied.policy_version == 7
    assert bench.guard.decisions.late == 1
    # What comes after all is of no use: there is exactly one action for an observation.
    bench.act(1.0, 1.0)
    assert len([a for a in bench.applied if a.key == bench.key]) == 1
    assert bench.counted(Reason.REPEATED) == 1
    assert bench.step().source is Source.POLICY


def test_action_at_the_deadline_is_late() -> None:
    bench = GuardBench().move()
    bench.observe()
    bench.now_s += DEADLINE_S
    bench.act()
    assert bench.applied[-1].source is Source.LATE


def test_deadline_counts_from_when_the_observation_was_sent() -> None:
    bench = GuardBench().move()
    bench.observe(age_s=0.03)
    bench.run(0.008)
    bench.act()
    assert bench.applied[-1].source is Source.POLICY
    bench.observe(age_s=0.03)
    bench.run(0.012)
    bench.act()
    assert bench.applied[-1].source is Source.LATE
    bench.observe(age_s=DEADLINE_S)
    assert bench.applied[-1].key == bench.key


def test_observations_that_are_all_too_old_stop_the_robot() -> None:
    bench = GuardBench().move(1.0, 1.0)
    for _ in range(3):
        bench.observe(age_s=TIMEOUT_S)
        bench.act()
        bench.run(PERIOD_S)
    assert bench.guard.stopped is Reason.NO_OBSERVATION
    assert bench.command == (0.0, 0.0)


def spoil_names(message: Any) -> None:
    message.name[0] = "nobody"


def spoil_length(message: Any) -> None:
    message.position.append(0.0)


def spoil_source(message: Any) -> None:
    message.position[message.name.index("source")] = float(Source.STOP)


@pytest.mark.parametrize("spoil", [spoil_names, spoil_length, spoil_source])
def test_malformed_action_is_refused_and_the_step_is_late(spoil: Callable[[Any], None]) -> None:
    bench = GuardBench().move()
    bench.observe()
    message = action_message(bench.key, {"a": 0.1, "b": 0.1})
    spoil(message)
    bench.guard.receive_message(message, bench.now_s)
    bench.run(PERIOD_S)
    assert bench.counted(Reason.MALFORMED) == 1
    assert bench.applied[-1].source is Source.LATE
    assert bench.guard.stopped is None


def test_order_of_names_does_not_matter() -> None:
    bench = GuardBench().move()
    bench.observe()
    bench.guard.receive_message(action_message(bench.key, {"b": -0.2, "a": 0.1}), bench.now_s)
    bench.update()
    assert bench.applied[-1].values == pytest.approx([0.1, -0.2])


def test_action_that_overtakes_its_observation_waits_for_it() -> None:
    bench = GuardBench().move()
    bench.act(0.9, 0.9, key=StepKey("s", bench.stamp + 1))
    assert bench.applied[-1].key == bench.key
    bench.observe()
    assert bench.applied[-1].source is Source.POLICY
    assert bench.applied[-1].values == pytest.approx([0.9, 0.9])


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (StepKey("s", RECOVER), Reason.REPEATED),
        (StepKey("s", 1), Reason.OLD),
        (StepKey("another", RECOVER), Reason.SESSION),
    ],
)
def test_action_for_another_observation_is_refused(key: StepKey, reason: Reason) -> None:
    bench = GuardBench().move(0.0, 0.0)
    bench.act(1.0, 1.0, key=key)
    bench.run(0.02)
    assert bench.command[0] == 0.0
    assert bench.counted(reason) == 1


def test_action_for_an_observation_that_never_comes_is_counted() -> None:
    bench = GuardBench().move(0.0, 0.0)
    bench.act(1.0, 1.0, key=StepKey("s", bench.stamp + 1))
    bench.stamp += 5
    bench.observe()
    assert bench.counted(Reason.FUTURE) == 1
    assert bench.command[0] == 0.0


def test_wish_beyond_its_bounds_is_clipped_and_recorded_clipped() -> None:
    bench = GuardBench().move()
    assert bench.step(3.0, -7.0).values == pytest.approx([1.0, -1.0])
    assert bench.counted(Reason.CLIPPED) == 1


def test_repeated_and_older_observations_are_ignored() -> None:
    bench = GuardBench().move()
    count = len(bench.applied)
    bench.guard.observe(bench.key, False, bench.now_s)
    bench.guard.observe(StepKey("s", 1), False, bench.now_s)
    bench.run(0.05)
    assert len(bench.applied) == count
    assert bench.counted(Reason.OLD_OBSERVATION) == 2


def test_observation_that_comes_before_its_forerunner_was_answered_settles_it() -> None:
    bench = GuardBench().move()
    bench.observe()
    bench.observe()
    assert bench.applied[-1].key.stamp_ns == bench.stamp - 1
    assert bench.applied[-1].source is Source.LATE


def test_new_session_is_followed() -> None:
    bench = GuardBench().move()
    bench.guard.observe(StepKey("next", 1), False, bench.now_s)
    bench.act(key=StepKey("next", 1))
    assert bench.applied[-1].key == StepKey("next", 1)


def test_repeated_actions_give_the_policy_more_time() -> None:
    """With an action repeat, observations are farther apart than the timeout of the robot's YAML."""
    bench = GuardBench(action_repeat=4)
    for _ in range(10):
        bench.observe()
        bench.act()
        bench.run(4 * PERIOD_S)
    assert bench.guard.stopped is None
    assert bench.guard.decisions.stops == RECOVER - 1


def test_command_is_repeated_at_its_rate() -> None:
    bench = GuardBench().move(0.5, 0.5)
    bench.observe()
    bench.act()
    count = len(bench.commands)
    bench.run(0.09)
    assert len(bench.commands) - count == 9


def test_position_moves_evenly_over_the_step() -> None:
    bench = GuardBench("position")
    middle = -0.6  # What 0 rad of the second joint is as an action.
    bench.move(0.0, middle)
    bench.observe()
    bench.act(0.0, middle + 0.02)
    count = len(bench.commands)
    bench.run(PERIOD_S)
    moves = np.diff([values[1] for values in bench.commands[count:]])
    assert np.all(moves > 0)
    # 0.025 rad within 50 ms, and not at once at the 1 rad/s that the joint may be moved at.
    assert moves[1:].max() < 1.5 * 0.025 / 5


def test_choices_stand_for_values_of_joints() -> None:
    choices = [{"name": "left", "values": {"a": -10.0}}, {"name": "right", "values": {"a": 10.0, "b": 1.25}}]
    bench = GuardBench(choices=choices).move(0.0, 1.0)
    bench.step(0.0, 1.0)
    assert bench.command == pytest.approx((10.0, 1.25))
    assert bench.step(1.0, 0.0).values == pytest.approx([1.0, 0.0])
    # A joint that a choice does not name stays: at no effort.
    bench.run(0.05)
    assert bench.command == pytest.approx((-10.0, 0.0))
    bench.observe()
    bench.act(0.5, 0.5)
    assert bench.counted(Reason.MALFORMED) == 1
    while bench.guard.stopped is None:
        bench.miss()
    # A stop is none of the choices.
    assert bench.miss().values == pytest.approx([0.0, 0.0])
    assert bench.command == (0.0, 0.0)


def test_lockstep_gives_one_command_per_step_and_waits_for_its_action() -> None:
    bench = GuardBench(lockstep=True)
    for _ in range(RECOVER):
        bench.observe()
        bench.now_s += 5.0
        assert bench.update() == Decision()
        bench.act(1.0, 1.0)
    assert bench.guard.stopped is None
    assert len(bench.commands) == RECOVER
    bench.observe()
    bench.now_s += 10.0
    bench.update()
    assert bench.guard.stopped is Reason.NO_ACTION
    assert bench.applied[-1].source is Source.STOP


def test_lockstep_may_stand_still_between_two_steps() -> None:
    bench = GuardBench(lockstep=True)
    for _ in range(RECOVER + 1):
        bench.observe()
        bench.act()
        bench.now_s += 3600.0
        bench.update()
    assert bench.guard.stopped is None
    assert bench.guard.state == "moving"


def test_guard_that_was_not_asked_for_long_goes_on_from_rest() -> None:
    bench = GuardBench("position").move(1.0, 1.0)
    before = bench.command
    bench.now_s += 20.0
    bench.update()
    # 8 rad/s² for 10 ms, from rest.
    assert abs(bench.command[0] - before[0]) <= 8.0 * COMMAND_S**2 / 2 + 1e-12


def test_clock_that_goes_back_changes_nothing() -> None:
    bench = GuardBench().move()
    count = len(bench.commands)
    bench.now_s -= 1000.0
    bench.update()
    assert len(bench.commands) == count


def test_steps_are_counted_by_what_became_of_them() -> None:
    bench = GuardBench().move()
    bench.miss()
    bench.observe(is_last=True)
    assert (bench.guard.decisions.steps, bench.guard.decisions.late, bench.guard.decisions.stops) == (
        RECOVER + 2,
        1,
        RECOVER - 1,
    )
