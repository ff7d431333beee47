"""What the guard makes of commands and people, whatever real ones do."""

import math

import pytest

from robot_mbrl.control.stops import Reason
from robot_mbrl.specs import Source
from tests.control.guard_bench import RECOVER, GuardBench, follow, real
from tests.control.robots import PERIOD_S, limited


def test_a_joint_that_is_not_named_by_a_choice_stays() -> None:
    choices = [{"name": "stop", "values": {}}, {"name": "go", "values": {"linear.x": 0.4}}]
    base = GuardBench("twist", choices=choices).move(0.0, 1.0)
    follow(base, 0.0, 1.0, steps=20)
    assert base.command == (0.4, 0.0)
    follow(base, 1.0, 0.0, steps=20)
    assert base.command == (0.0, 0.0)
    choices = [{"name": "stop", "values": {}}, {"name": "left", "values": {"a": -0.5}}]
    arm = GuardBench("position", choices=choices)
    arm.positions = [0.3, 0.9]
    follow(arm, 1.0, 0.0, steps=20)
    assert arm.command == pytest.approx((0.3, 0.9))
    follow(arm, 0.0, 1.0, steps=20)
    assert arm.command == pytest.approx((-0.5, 0.9))


def test_a_stop_may_be_faster_than_what_is_usual() -> None:
    base = GuardBench("twist", **limited("twist", stop_rate=10.0)).move(1.0, 0.0)
    follow(base, 1.0, 0.0, steps=20)
    assert base.command[0] == 0.5
    base.guard.emergency_stop(True, base.now_s)
    count = len(base.commands)
    base.run(0.1)
    speeds = [values[0] for values in base.commands[count:]]
    assert speeds == pytest.approx([0.4, 0.3, 0.2, 0.1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0][: len(speeds)], abs=1e-6)


def test_a_disabled_robot_at_rest_is_left_to_its_own_tools() -> None:
    bench = GuardBench("velocity", enabled=False, guard={"driver_timeout_s": 0.5})
    bench.run(0.3)
    bench.guard.enable(True, bench.now_s)
    follow(bench, 0.0, -0.5, steps=5)
    bench.guard.enable(False, bench.now_s)
    count, off_s = len(bench.commands), bench.now_s
    bench.run(3.0)
    sent = len(bench.commands) - count
    assert 100 <= sent <= 112
    assert bench.command == (0.0, 0.0)
    assert bench.guard.next_deadline_s() == math.inf
    assert bench.now_s - off_s == pytest.approx(3.0)
    bench.run(2.0)
    bench.guard.enable(True, bench.now_s)
    follow(bench, 0.5, -0.5, steps=RECOVER + 1)
    assert bench.command[0] > 0.0


def test_where_the_driver_never_stops_by_itself_the_stop_is_repeated() -> None:
    bench = GuardBench("velocity", enabled=False, guard={"driver_timeout_s": None})
    bench.run(3.0)
    assert len(bench.commands) >= 295


def test_the_state_in_a_word() -> None:
    bench = GuardBench("effort", enabled=False)
    bench.run(0.3)
    assert (bench.guard.state, bench.guard.is_moving) == ("disabled", False)
    bench.guard.enable(True, bench.now_s)
    assert bench.guard.state == "resetting"
    bench.observe()
    assert bench.guard.state == "stopped: starting"
    bench.move()
    assert (bench.guard.state, bench.guard.is_moving) == ("moving", True)
    bench.observe(is_last=True)
    assert bench.guard.state == "resetting"
    bench.move()
    while bench.guard.stopped is None:
        bench.miss()
    assert bench.guard.state == "stopped: no_action"
    bench.guard.emergency_stop(True, bench.now_s)
    assert bench.guard.state == "latched: emergency_stop"
    bench.run(0.5)
    assert not bench.guard.is_moving


def test_few_actions_are_no_reason_to_move_while_something_is_amiss() -> None:
    bench = GuardBench("velocity", guard={"recover_steps": 1})
    bench.step(0.0, -0.5)
    bench.guard.note(Reason.NO_DRIVER, "nobody listens", bench.now_s)
    assert {bench.step(0.5, 0.5).source for _ in range(5)} == {Source.STOP}
    assert PERIOD_S


def test_a_robot_without_a_home_is_not_moved_there() -> None:
    bench = real("position")
    assert not bench.guard.home(bench.now_s)
    bench.run(0.1)
    assert bench.commands == []


def test_the_last_observation_before_the_end_has_its_action() -> None:
    bench = real()
    follow(bench, 0.0, -0.5, steps=5)
    bench.observe()
    bench.guard.shut_down(bench.now_s)
    bench.update()
    assert bench.applied[-1].key == bench.key
    assert bench.applied[-1].source is Source.STOP


def test_what_is_pressed_is_said_of_a_robot_that_another_reason_has_latched() -> None:
    bench = real("position")
    follow(bench, 0.0, 0.0, steps=2 * RECOVER)
    bench.guard.watch.latch(Reason.FOLLOWING_ERROR, "it is blocked")
    bench.guard.emergency_stop(True, bench.now_s)
    assert not bench.guard.reset_stop(bench.now_s)
    assert "the emergency stop is pressed" in bench.guard.detail
