"""When the guard stops the robot, how, and what it takes to go on."""

import math

import pytest

from robot_mbrl.control.outgoing import OutgoingCheck
from robot_mbrl.control.stops import Reason
from robot_mbrl.specs import Source
from tests.control.guard_bench import COMMAND_S, RECOVER, TIMEOUT_S, GuardBench
from tests.control.robots import PERIOD_S, action_message, joint_state


def test_silent_policy_stops_the_robot_until_it_is_steady_again() -> None:
    bench = GuardBench().move(1.0, 1.0)
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
    bench = GuardBench().move(1.0, 1.0)
    bench.observe()
    bench.act()
    count = len(bench.applied)
    bench.run(TIMEOUT_S + COMMAND_S)
    assert bench.guard.stopped is Reason.NO_OBSERVATION
    bench.run(1.0)
    assert bench.command == (0.0, 0.0)
    assert len(bench.applied) == count


def test_observations_may_rest_between_two_episodes() -> None:
    bench = GuardBench().move()
    bench.observe(is_last=True)
    assert bench.applied[-1].source is Source.POLICY
    assert bench.applied[-1].values == pytest.approx([0.0, 0.0])
    bench.run(30.0)
    assert bench.command == (0.0, 0.0)
    assert bench.guard.stopped is None
    assert bench.step().source is Source.POLICY


def test_first_action_of_an_episode_that_is_late_keeps_the_stop() -> None:
    bench = GuardBench().move(1.0, 1.0)
    bench.observe(is_last=True)
    bench.run(5.0)
    applied = bench.miss()
    assert applied.source is Source.LATE
    # Nothing is what -1/3 stands for where the bounds are -1 and 2.
    assert applied.values == pytest.approx([0.0, -1 / 3])
    assert bench.command == (0.0, 0.0)


def test_last_step_of_a_stopped_episode_says_so() -> None:
    bench = GuardBench()
    bench.observe(is_last=True)
    assert bench.applied[-1].source is Source.STOP


def test_stale_joints_stop_the_robot_and_it_recovers() -> None:
    bench = GuardBench().move()
    bench.observe()
    bench.act()
    for _ in range(6):
        bench.run(PERIOD_S, sensing=False)
        bench.stamp += 1
        bench.guard.observe(bench.key, False, bench.now_s)
        bench.act()
    assert bench.guard.stopped is Reason.STALE_JOINTS
    assert [bench.step().source for _ in range(RECOVER)][-1] is Source.POLICY


def test_between_episodes_a_stop_does_not_name_a_trouble_that_is_over() -> None:
    bench = GuardBench().move()
    bench.observe(is_last=True)
    bench.run(1.0, sensing=False)
    assert bench.guard.stopped is Reason.STALE_JOINTS
    bench.run(0.1)
    assert bench.guard.stopped is Reason.STARTING
    assert [bench.step().source for _ in range(RECOVER)] == [Source.STOP] * (RECOVER - 1) + [Source.POLICY]


def test_robot_that_is_not_enabled_hears_nothing() -> None:
    bench = GuardBench("position", enabled=False, guard={"driver_timeout_s": 0.5})
    bench.positions = [0.3, -0.2]
    for _ in range(2 * RECOVER):
        assert bench.step().source is Source.STOP
    assert bench.guard.state == "disabled"
    assert bench.commands == []
    bench.guard.enable(True, bench.now_s)
    bench.move()
    assert bench.commands[0] == (0.3, -0.2)


def test_emergency_stop_latches_and_is_released_by_a_person_only() -> None:
    bench = GuardBench().move(1.0, 1.0)
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
    bench = GuardBench().move()
    bench.observe()
    bench.guard.receive_message(action_message(bench.key, {"a": value, "b": 0.0}), bench.now_s)
    bench.run(PERIOD_S)
    assert bench.guard.stopped is Reason.NOT_FINITE
    assert bench.applied[-1].source is Source.STOP


def test_action_that_is_not_finite_latches_without_a_message_too() -> None:
    bench = GuardBench().move()
    bench.observe()
    bench.act(math.nan, 0.0)
    assert bench.guard.stopped is Reason.NOT_FINITE


def test_joint_found_beyond_its_limits_latches() -> None:
    bench = GuardBench().move()
    bench.positions = [2.6, 0.0]
    bench.sense()
    assert bench.guard.stopped is Reason.JOINT_LIMIT
    assert "joint a is at 2.6000" in bench.guard.watch.fault
    assert "move it back by hand or with the driver's own tool" in bench.guard.detail
    bench.positions = [0.0, 0.0]
    bench.sense()
    assert bench.guard.machine.latched


def test_joint_that_is_still_beyond_its_limits_is_not_released_until_it_is_brought_back() -> None:
    bench = GuardBench().move()
    bench.positions = [2.6, 0.0]
    bench.sense()
    assert not bench.guard.reset_stop(bench.now_s)
    assert bench.guard.machine.latched
    bench.carry(2.4, 0.0)
    assert bench.guard.reset_stop(bench.now_s)
    bench.move()


def test_joints_without_a_finite_position_are_refused_and_grow_old() -> None:
    bench = GuardBench().move()
    bench.positions = [math.nan, 0.0]
    bench.run(0.3)
    assert bench.counted(Reason.MALFORMED_JOINTS) > 0
    assert Reason.STALE_JOINTS in bench.guard.machine.counts


def test_stop_applies_the_measured_position_and_commands_nothing_before_anything_was_requested() -> None:
    bench = GuardBench("position")
    bench.positions = [0.4, 1.0]
    applied = bench.miss()
    assert applied.source is Source.STOP
    assert applied.values == pytest.approx([0.4, 0.2])
    assert bench.commands == []


def test_first_position_command_is_where_the_joint_is_now() -> None:
    bench = GuardBench("position")
    bench.positions = [0.9, 0.9]
    bench.guard.sense("joints", joint_state(["a", "b"], [-0.9, 0.0], stamp_s=bench.now_s - 0.01), bench.now_s)
    bench.move(1.0, 1.0)
    assert bench.commands[0] == (0.9, 0.9)


def test_position_robot_found_out_of_its_range_gets_no_command() -> None:
    bench = GuardBench("position")
    bench.positions = [1.6, 0.0]
    assert {bench.step(0.0, 0.0).source for _ in range(2 * RECOVER)} == {Source.STOP}
    assert bench.commands == []
    assert bench.guard.state == "stopped: out_of_range"
    assert "joint a is at 1.6000, not within [-1.0, 1.0]" in bench.guard.detail


def test_arm_moved_by_hand_is_held_where_it_is_found_when_released() -> None:
    bench = GuardBench("position").move(0.0, 0.0)
    bench.guard.emergency_stop(True, bench.now_s)
    bench.positions = [0.2, 0.2]
    bench.run(2.0)
    bench.positions = [0.5, 0.5]
    bench.guard.emergency_stop(False, bench.now_s)
    bench.run(0.1)
    assert bench.guard.reset_stop(bench.now_s)
    count = len(bench.commands)
    bench.move(0.5, -0.2)
    assert bench.commands[count] == (0.5, 0.5)


def spin(bench: GuardBench, *velocities: float) -> None:
    """Let the joints turn for half a second."""
    bench.velocities = list(velocities)
    for _ in range(50):
        bench.positions = [x + 0.01 * v for x, v in zip(bench.positions, velocities, strict=True)]
        bench.run(0.01)


def test_damping_pushes_no_joint_whose_velocity_stands_still_under_fresh_stamps() -> None:
    """It would drive the joint for ever, against a motion that is none."""
    bench = GuardBench("effort", guard={"safe_stop": "damping", "damping": 2.0})
    bench.velocities = [3.0, 0.0]
    bench.run(1.0)
    assert bench.command == (0.0, 0.0)


def test_damping_works_against_the_velocity() -> None:
    bench = GuardBench("effort", guard={"safe_stop": "damping", "damping": 2.0})
    spin(bench, 1.5, -10.0)
    assert bench.command == (-3.0, 2.0)
    # A robot without limits of its own on a joint's effort has at least those of its command.
    assert bench.miss().values == pytest.approx([0.0, -1 / 3])


def test_nothing_is_damped_by_a_velocity_that_is_not_known_any_more() -> None:
    bench = GuardBench("effort", guard={"safe_stop": "damping", "damping": 2.0})
    spin(bench, 3.0, 0.0)
    assert bench.command == (-6.0, 0.0)
    count = len(bench.commands)
    bench.run(60.0, sensing=False)
    assert bench.command == (0.0, 0.0)
    # It goes on being said: silence would leave the driver to its own devices.
    assert len(bench.commands) - count >= 5900


def test_damped_robot_is_left_without_effort_when_the_guard_ends() -> None:
    bench = GuardBench("effort", guard={"safe_stop": "damping", "damping": 2.0})
    spin(bench, 3.0, 0.0)
    bench.guard.shut_down(bench.now_s)
    assert not bench.guard.at_rest
    bench.run(0.03, sensing=False)
    assert bench.command == (0.0, 0.0)
    assert bench.guard.at_rest


def test_move_home_ends_when_the_joints_are_not_measured_any_more() -> None:
    bench = GuardBench("position", home={"a": 1.0, "b": 0.0})
    bench.run(0.1)
    bench.guard.home(bench.now_s)
    bench.run(0.5)
    bench.run(0.5, sensing=False)
    # Half a second of driving at a tenth of 2 rad/s, 0.2 s until it is noticed, and braking.
    assert bench.command[0] < 0.15


def test_move_home_is_slow_guarded_and_between_episodes_only() -> None:
    bench = GuardBench("position", home={"a": 0.5, "b": 0.0})
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


def test_robot_whose_observations_ceased_in_mid_episode_may_be_moved_home() -> None:
    bench = GuardBench("position", home={"a": 0.5, "b": 0.0}).move(0.0, 0.0)
    bench.run(0.5)
    assert bench.guard.stopped is Reason.NO_OBSERVATION
    count = len(bench.commands)
    bench.guard.home(bench.now_s)
    bench.run(0.1)
    assert bench.commands[-1][0] > bench.commands[count - 1][0]


def test_move_home_lapses_when_nobody_asks_for_it() -> None:
    bench = GuardBench("position", home={"a": 1.0, "b": 0.0})
    bench.run(0.1)
    bench.guard.home(bench.now_s)
    bench.run(0.9)
    bench.positions = list(bench.command)
    bench.run(2.0)
    assert bench.command[0] == pytest.approx(0.2, abs=0.03)


def test_command_that_fails_the_final_assertion_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = GuardBench().move(0.5, 0.5)
    count = len(bench.commands)
    monkeypatch.setattr(OutgoingCheck, "fault", lambda check, value, dt_s, **_: f"{check.joint.name}: as if")
    bench.run(0.02)
    assert len(bench.commands) == count
    assert bench.guard.stopped is Reason.ASSERTION


@pytest.mark.parametrize("latched", [False, True])
def test_shut_down_brings_the_robot_to_rest_for_good(latched: bool) -> None:
    bench = GuardBench("position").move(1.0, 1.0)
    assert not bench.guard.at_rest
    if latched:
        bench.guard.emergency_stop(True, bench.now_s)
        bench.guard.emergency_stop(False, bench.now_s)
    bench.guard.shut_down(bench.now_s)
    bench.run(1.0)
    assert bench.guard.at_rest
    assert not bench.guard.reset_stop(bench.now_s)
