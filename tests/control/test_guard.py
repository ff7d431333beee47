"""The guard's rules, one by one: time is a number that the test passes in."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from robot_mbrl.control.guard import Decision, Guard
from robot_mbrl.control.interlock import Reason
from robot_mbrl.control.shaping import OutgoingCheck
from robot_mbrl.specs import Source
from robot_mbrl.steps import Action, StepKey
from tests.control.robots import PERIOD_S, action_message, joint_state, robot

RECOVER = 3
DEADLINE_S, TIMEOUT_S = 0.04, 0.13
COMMAND_S = 0.01


class Bench:
    """A guard with a driver, a sensor node and a policy that do what the test says."""

    def __init__(self, kind: str = "effort", *, enabled: bool = True, **changes: Any) -> None:
        guard = {"safe_stop": "zero", "recover_steps": RECOVER} | changes.pop("guard", {})
        lockstep, repeat = changes.pop("lockstep", False), changes.pop("action_repeat", 1)
        self.robot = robot(kind, guard=guard, **changes)
        self.spec = self.robot.action_spec()
        self.guard = Guard(self.robot, repeat * PERIOD_S, enabled=enabled, lockstep=lockstep)
        self.now_s, self.stamp = 50.0, 0
        self.positions, self.velocities = [0.0, 0.0], [0.0, 0.0]
        self.applied: list[Action] = []
        self.commands: list[tuple[float, ...]] = []

    @property
    def key(self) -> StepKey:
        return StepKey("s", self.stamp)

    @property
    def command(self) -> tuple[float, ...]:
        return self.commands[-1]

    def update(self) -> Decision:
        decision = self.guard.update(self.now_s)
        self.applied += decision.applied
        self.commands += [command.values for command in decision.commands]
        return decision

    def run(self, duration_s: float, *, sensing: bool = True) -> None:
        """Serve the guard's deadlines for a while, with fresh joints."""
        end_s = self.now_s + duration_s
        while self.now_s < end_s - 1e-9:
            if sensing:
                self.sense()
            self.update()
            self.now_s = min(end_s, max(self.guard.next_deadline_s(), self.now_s + 1e-4))
        self.update()

    def sense(self) -> None:
        message = joint_state(list(self.robot.joint_names), self.positions, self.velocities)
        self.guard.sense("joints", message, self.now_s)

    def observe(self, *, is_last: bool = False) -> None:
        self.stamp += 1
        self.sense()
        self.guard.observe(self.key, is_last, self.now_s)
        self.update()

    def act(self, *values: float, key: StepKey | None = None, source: Source = Source.POLICY) -> None:
        action = Action(key or self.key, np.array(values or (0.5, 0.5), np.float32), source, policy_version=7)
        self.guard.receive(action, self.now_s)
        self.update()

    def step(self, *values: float, after_s: float = 0.005) -> Action:
        """A whole control period with an action in time; returns what was applied."""
        self.observe()
        self.run(after_s)
        self.act(*values)
        self.run(PERIOD_S - after_s)
        return self.applied[-1]

    def miss(self) -> Action:
        """A whole control period without an action."""
        self.observe()
        self.run(PERIOD_S)
        return self.applied[-1]

    def move(self, *values: float) -> "Bench":
        """Get the robot moving."""
        for _ in range(RECOVER):
            self.step(*values)
        assert self.guard.stopped is None
        return self

    def counted(self, reason: Reason) -> int:
        return self.guard.interlock.counts[reason]


def test_timely_action_is_applied_and_commanded_at_once() -> None:
    bench = Bench().move(0.5, 0.0)
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
    bench = Bench()
    sources = [bench.step().source for _ in range(RECOVER + 1)]
    assert sources == [Source.STOP] * (RECOVER - 1) + [Source.POLICY] * 2


def test_late_action_is_replaced_by_the_one_before() -> None:
    bench = Bench().move(0.5, -0.5)
    applied = bench.miss()
    assert applied.source is Source.LATE
    assert applied.values == pytest.approx([0.5, -0.5])
    assert applied.policy_version == 7
    assert bench.guard.late == 1
    # What comes after all is of no use: there is exactly one action for an observation.
    bench.act(1.0, 1.0)
    assert len([a for a in bench.applied if a.key == bench.key]) == 1
    assert bench.counted(Reason.REPEATED) == 1
    assert bench.step().source is Source.POLICY


def test_action_at_the_deadline_is_late() -> None:
    bench = Bench().move()
    bench.observe()
    bench.now_s += DEADLINE_S
    bench.act()
    assert bench.applied[-1].source is Source.LATE


def test_silent_policy_stops_the_robot_until_it_is_steady_again() -> None:
    bench = Bench().move(1.0, 1.0)
    moving_s = bench.now_s
    while bench.guard.stopped is None:
        bench.observe()
        bench.run(PERIOD_S)
    assert bench.guard.stopped is Reason.NO_ACTION
    assert bench.now_s - moving_s <= TIMEOUT_S + PERIOD_S
    assert bench.applied[-1].source is Source.STOP
    assert bench.command[0] == 0.0
    assert bench.step().source is Source.STOP
    assert bench.miss().source is Source.STOP  # It begins to count anew.
    assert [bench.step().source for _ in range(RECOVER)][-2:] == [Source.STOP, Source.POLICY]


def test_observations_that_cease_stop_the_robot_and_nothing_is_applied_without_one() -> None:
    bench = Bench().move(1.0, 1.0)
    bench.observe()
    bench.act()
    count = len(bench.applied)
    bench.run(TIMEOUT_S + COMMAND_S)
    assert bench.guard.stopped is Reason.NO_OBSERVATION
    bench.run(1.0)
    assert bench.command == (0.0, 0.0)
    assert len(bench.applied) == count


def test_observations_may_rest_between_two_episodes() -> None:
    bench = Bench().move()
    bench.observe(is_last=True)
    assert bench.applied[-1].source is Source.POLICY
    assert bench.applied[-1].values == pytest.approx([0.0, 0.0])
    bench.run(30.0)
    assert bench.command == (0.0, 0.0)
    assert bench.guard.stopped is None
    assert bench.step().source is Source.POLICY


def test_first_action_of_an_episode_that_is_late_keeps_the_stop() -> None:
    bench = Bench().move(1.0, 1.0)
    bench.observe(is_last=True)
    bench.run(5.0)
    applied = bench.miss()
    assert applied.source is Source.LATE
    # Nothing is what -1/3 stands for where the bounds are -1 and 2.
    assert applied.values == pytest.approx([0.0, -1 / 3])
    assert bench.command == (0.0, 0.0)


def test_last_step_of_a_stopped_episode_says_so() -> None:
    bench = Bench()
    bench.observe(is_last=True)
    assert bench.applied[-1].source is Source.STOP


def test_stale_joints_stop_the_robot_and_it_recovers() -> None:
    bench = Bench().move()
    bench.observe()
    bench.act()
    for _ in range(6):
        bench.run(PERIOD_S, sensing=False)
        bench.stamp += 1
        bench.guard.observe(bench.key, False, bench.now_s)
        bench.act()
    assert bench.guard.stopped is Reason.STALE_JOINTS
    assert [bench.step().source for _ in range(RECOVER)][-1] is Source.POLICY


def test_robot_that_is_not_enabled_stays_where_it_is() -> None:
    bench = Bench("position", enabled=False)
    bench.positions = [0.3, -0.2]
    for _ in range(10):
        assert bench.step(1.0, 1.0).source is Source.STOP
    assert set(bench.commands) == {(0.3, -0.2)}
    bench.guard.enable(True, bench.now_s)
    bench.move(1.0, 1.0)
    assert bench.command[0] > 0.3
    bench.guard.enable(False, bench.now_s)
    bench.update()
    assert bench.guard.stopped is Reason.DISABLED


def test_emergency_stop_latches_and_is_released_by_a_person_only() -> None:
    bench = Bench().move(1.0, 1.0)
    bench.guard.emergency_stop(True, bench.now_s)
    bench.run(0.1)
    assert bench.command == (0.0, 0.0)
    assert not bench.guard.reset_stop(bench.now_s)
    bench.guard.emergency_stop(False, bench.now_s)
    for _ in range(2 * RECOVER):
        assert bench.step().source is Source.STOP
    assert bench.guard.reset_stop(bench.now_s)
    bench.move()
    assert bench.counted(Reason.EMERGENCY_STOP) == 1


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e300])
def test_action_that_is_not_finite_latches(value: float) -> None:
    bench = Bench().move()
    bench.observe()
    bench.guard.receive_message(action_message(bench.key, {"a": value, "b": 0.0}), bench.now_s)
    bench.run(PERIOD_S)
    assert bench.guard.stopped is Reason.NOT_FINITE
    assert bench.applied[-1].source is Source.STOP


def test_action_that_is_not_finite_latches_without_a_message_too() -> None:
    bench = Bench().move()
    bench.observe()
    bench.act(math.nan, 0.0)
    assert bench.guard.stopped is Reason.NOT_FINITE


def test_joint_found_beyond_its_limits_latches() -> None:
    bench = Bench().move()
    bench.positions = [2.6, 0.0]
    bench.sense()
    assert bench.guard.stopped is Reason.JOINT_LIMIT
    assert "joint a is at 2.6000" in bench.guard.fault
    bench.positions = [0.0, 0.0]
    bench.sense()
    assert bench.guard.interlock.latched


def test_joints_without_a_finite_position_are_refused_and_grow_old() -> None:
    bench = Bench().move()
    bench.positions = [math.nan, 0.0]
    bench.run(0.3)
    assert bench.counted(Reason.MALFORMED_JOINTS) > 0
    assert Reason.STALE_JOINTS in bench.guard.interlock.counts


def spoil_names(message: Any) -> None:
    message.name[0] = "nobody"


def spoil_length(message: Any) -> None:
    message.position.append(0.0)


def spoil_source(message: Any) -> None:
    message.position[message.name.index("source")] = float(Source.STOP)


@pytest.mark.parametrize("spoil", [spoil_names, spoil_length, spoil_source])
def test_malformed_action_is_refused_and_the_step_is_late(spoil: Callable[[Any], None]) -> None:
    bench = Bench().move()
    bench.observe()
    message = action_message(bench.key, {"a": 0.1, "b": 0.1})
    spoil(message)
    bench.guard.receive_message(message, bench.now_s)
    bench.run(PERIOD_S)
    assert bench.counted(Reason.MALFORMED) == 1
    assert bench.applied[-1].source is Source.LATE
    assert bench.guard.stopped is None


def test_order_of_names_does_not_matter() -> None:
    bench = Bench().move()
    bench.observe()
    bench.guard.receive_message(action_message(bench.key, {"b": -0.2, "a": 0.1}), bench.now_s)
    bench.update()
    assert bench.applied[-1].values == pytest.approx([0.1, -0.2])


def test_action_that_overtakes_its_observation_waits_for_it() -> None:
    bench = Bench().move()
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
    bench = Bench().move(0.0, 0.0)
    bench.act(1.0, 1.0, key=key)
    bench.run(0.02)
    assert bench.command[0] == 0.0
    assert bench.counted(reason) == 1


def test_action_for_an_observation_that_never_comes_is_counted() -> None:
    bench = Bench().move(0.0, 0.0)
    bench.act(1.0, 1.0, key=StepKey("s", bench.stamp + 1))
    bench.stamp += 5
    bench.observe()
    assert bench.counted(Reason.FUTURE) == 1
    assert bench.command[0] == 0.0


def test_wish_beyond_its_bounds_is_clipped_and_recorded_clipped() -> None:
    bench = Bench().move()
    assert bench.step(3.0, -7.0).values == pytest.approx([1.0, -1.0])
    assert bench.counted(Reason.CLIPPED) == 1


def test_repeated_and_older_observations_are_ignored() -> None:
    bench = Bench().move()
    count = len(bench.applied)
    bench.guard.observe(bench.key, False, bench.now_s)
    bench.guard.observe(StepKey("s", 1), False, bench.now_s)
    bench.run(0.05)
    assert len(bench.applied) == count
    assert bench.counted(Reason.OLD_OBSERVATION) == 2


def test_observation_that_comes_before_its_forerunner_was_answered_settles_it() -> None:
    bench = Bench().move()
    bench.observe()
    bench.observe()
    assert bench.applied[-1].key.stamp_ns == bench.stamp - 1
    assert bench.applied[-1].source is Source.LATE


def test_new_session_is_followed() -> None:
    bench = Bench().move()
    bench.guard.observe(StepKey("next", 1), False, bench.now_s)
    bench.act(key=StepKey("next", 1))
    assert bench.applied[-1].key == StepKey("next", 1)


def test_repeated_actions_give_the_policy_more_time() -> None:
    """With an action repeat, observations are farther apart than the timeout of the robot's YAML."""
    bench = Bench(action_repeat=4)
    for _ in range(10):
        bench.observe()
        bench.act()
        bench.run(4 * PERIOD_S)
    assert bench.guard.stopped is None
    assert bench.guard.stops == RECOVER - 1


def test_command_is_repeated_at_its_rate() -> None:
    bench = Bench().move(0.5, 0.5)
    bench.observe()
    bench.act()
    count = len(bench.commands)
    bench.run(0.09)
    assert len(bench.commands) - count == 9


def test_position_moves_evenly_over_the_step() -> None:
    bench = Bench("position", guard={"safe_stop": "hold"})
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


def test_held_position_is_what_was_measured_and_is_applied_as_such() -> None:
    bench = Bench("position", guard={"safe_stop": "hold"})
    bench.positions = [0.4, 1.0]
    applied = bench.miss()
    assert applied.source is Source.STOP
    assert applied.values == pytest.approx([0.4, 0.2])
    assert bench.command == (0.4, 1.0)


def test_first_position_command_is_where_the_joint_is_now() -> None:
    bench = Bench("position")
    bench.positions = [0.9, 0.9]
    bench.guard.sense("joints", joint_state(["a", "b"], [-0.9, 0.0]), bench.now_s)
    bench.sense()
    bench.update()
    assert bench.commands == [(0.9, 0.9)]


def test_position_robot_found_outside_gets_no_command() -> None:
    bench = Bench("position")
    bench.positions = [1.3, 0.0]
    bench.run(0.5)
    assert bench.commands == []
    assert bench.guard.stopped is Reason.JOINT_LIMIT


def test_arm_moved_by_hand_is_held_where_it_is_found_when_released() -> None:
    bench = Bench("position", guard={"safe_stop": "hold"}).move(0.0, 0.0)
    bench.guard.emergency_stop(True, bench.now_s)
    bench.positions = [0.2, 0.2]
    bench.run(2.0)
    bench.positions = [0.5, 0.5]
    bench.guard.emergency_stop(False, bench.now_s)
    assert bench.guard.reset_stop(bench.now_s)
    bench.run(2.0)
    assert bench.command == (0.5, 0.5)


def test_damping_works_against_the_velocity() -> None:
    bench = Bench("effort", guard={"safe_stop": "damping", "damping": 2.0})
    bench.velocities = [1.5, -10.0]
    bench.run(0.5)
    assert bench.command == (-3.0, 2.0)
    # A robot without limits of its own on a joint's effort has at least those of its command.
    assert bench.miss().values == pytest.approx([0.0, -1 / 3])


def test_move_home_is_slow_guarded_and_between_episodes_only() -> None:
    bench = Bench("position", home={"a": 0.5, "b": 0.0})
    bench.run(0.1)
    start_s = bench.now_s
    while not bench.guard.home(bench.now_s):
        assert bench.now_s - start_s < 10.0
        bench.run(0.2)
        bench.positions = list(bench.command)
    assert bench.command[0] == pytest.approx(0.5, abs=0.05)
    # A tenth of 2 rad/s.
    assert bench.now_s - start_s > 0.45 / 0.2
    bench.observe()
    assert not bench.guard.home(bench.now_s)


def test_move_home_lapses_when_nobody_asks_for_it() -> None:
    bench = Bench("position", home={"a": 1.0, "b": 0.0})
    bench.run(0.1)
    bench.guard.home(bench.now_s)
    bench.run(0.9)
    bench.positions = list(bench.command)
    bench.run(2.0)
    assert bench.command[0] == pytest.approx(0.2, abs=0.03)


def test_choices_stand_for_values_of_joints() -> None:
    choices = [{"name": "left", "values": {"a": -1.0}}, {"name": "right", "values": {"a": 1.0, "b": 0.5}}]
    bench = Bench(choices=choices).move(0.0, 1.0)
    bench.step(0.0, 1.0)
    assert bench.command == pytest.approx((10.0, 1.25))
    assert bench.step(1.0, 0.0).values == pytest.approx([1.0, 0.0])
    # A joint that a choice does not name is in the middle of its bounds.
    bench.run(0.05)
    assert bench.command == pytest.approx((-10.0, 0.5))
    bench.observe()
    bench.act(0.5, 0.5)
    assert bench.counted(Reason.MALFORMED) == 1
    while bench.guard.stopped is None:
        bench.miss()
    # A stop is none of the choices.
    assert bench.miss().values == pytest.approx([0.0, 0.0])
    assert bench.command == (0.0, 0.0)


def test_lockstep_gives_one_command_per_step_and_waits_for_its_action() -> None:
    bench = Bench(lockstep=True)
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
    bench = Bench(lockstep=True)
    for _ in range(RECOVER + 1):
        bench.observe()
        bench.act()
        bench.now_s += 3600.0
    assert bench.guard.stopped is None


def test_guard_that_was_not_asked_for_long_goes_on_from_rest() -> None:
    bench = Bench("position", guard={"safe_stop": "hold"}).move(1.0, 1.0)
    before = bench.command
    bench.now_s += 20.0
    bench.update()
    # 8 rad/s² for 10 ms, from rest.
    assert abs(bench.command[0] - before[0]) <= 8.0 * COMMAND_S**2 / 2 + 1e-12


def test_clock_that_goes_back_changes_nothing() -> None:
    bench = Bench().move()
    count = len(bench.commands)
    bench.now_s -= 1000.0
    bench.update()
    assert len(bench.commands) == count


def test_command_that_fails_the_final_assertion_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench().move(0.5, 0.5)
    count = len(bench.commands)
    monkeypatch.setattr(OutgoingCheck, "fault", lambda check, value, dt_s: f"{check.joint.name}: as if")
    bench.run(0.02)
    assert len(bench.commands) == count
    assert bench.guard.stopped is Reason.ASSERTION


def test_shut_down_brings_the_robot_to_rest_for_good() -> None:
    bench = Bench("position", guard={"safe_stop": "hold"}).move(1.0, 1.0)
    assert not bench.guard.at_rest
    bench.guard.shut_down(bench.now_s)
    bench.run(1.0)
    assert bench.guard.at_rest
    assert not bench.guard.reset_stop(bench.now_s)


def test_steps_are_counted_by_what_became_of_them() -> None:
    bench = Bench().move()
    bench.miss()
    bench.observe(is_last=True)
    assert (bench.guard.steps, bench.guard.late, bench.guard.stops) == (RECOVER + 2, 1, RECOVER - 1)
