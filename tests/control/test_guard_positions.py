"""What becomes of position commands when the joints are not where they were told to be."""

from itertools import pairwise
from typing import Any

import pytest

from robot_mbrl.control.interlock import Reason
from robot_mbrl.control.paths import SLIP, SLIP_S
from robot_mbrl.specs import Source
from tests.control.guard_bench import RECOVER, GuardBench
from tests.control.robots import COMMANDS, PERIOD_S


def watched(**limits: float) -> dict[str, Any]:
    """The position commands with a limit more for joint a."""
    command = COMMANDS["position"]
    first, second = command["joints"]
    return command | {"joints": [first | limits, second]}


def follow(bench: GuardBench, duration_s: float) -> None:
    """A robot that does what it is told."""
    end_s = bench.now_s + duration_s
    while bench.now_s < end_s:
        bench.run(0.01)
        bench.positions = list(bench.command)


def test_hold_lets_go_of_an_arm_that_is_moved_by_hand() -> None:
    bench = GuardBench("position").move(0.0, 0.0)
    bench.guard.emergency_stop(True, bench.now_s)
    follow(bench, 1.0)
    bench.positions = [0.4, 0.7]
    bench.run(SLIP_S + 0.1)
    assert bench.command == (0.4, 0.7)


def test_joints_that_only_yield_a_little_are_held_where_they_were() -> None:
    """A hold that followed them would let an arm sink under its own weight."""
    bench = GuardBench("position", enabled=False)
    bench.positions = [0.3, 0.2]
    bench.run(0.1)
    bench.positions = [0.3 - 0.9 * SLIP, 0.2]
    bench.run(10.0)
    assert bench.command == (0.3, 0.2)


def test_path_begins_where_the_arm_is_when_it_is_enabled() -> None:
    bench = GuardBench("position", enabled=False)
    bench.positions = [0.3, 0.2]
    bench.run(1.0)
    bench.positions = [0.32, -0.2]
    bench.sense()
    bench.guard.enable(True, bench.now_s)
    count = len(bench.commands)
    bench.run(0.02)
    assert set(bench.commands[count:]) == {(0.32, -0.2)}


def test_path_begins_where_the_arm_is_after_a_short_stop() -> None:
    bench = GuardBench("position")
    bench.positions = [0.0, 0.0]
    bench.move(0.0, -0.6)
    while bench.guard.stopped is None:
        bench.miss()
    bench.positions = [-0.4, 0.3]
    count = len(bench.commands)
    for _ in range(RECOVER):
        bench.step(0.0, -0.6)
    assert bench.guard.stopped is None
    after = bench.commands[bench.commands.index((-0.4, 0.3), count) :]
    assert all(abs(new[0] - old[0]) <= 2.0 * 0.01 + 1e-9 for old, new in pairwise(after))


def test_driver_that_falls_silent_is_told_nothing_until_it_says_where_it_is() -> None:
    bench = GuardBench("position").move(1.0, 1.0)
    bench.run(1.0, sensing=False)
    assert bench.guard.stopped is Reason.STALE_JOINTS
    count = len(bench.commands)
    bench.run(1.0, sensing=False)
    assert len(bench.commands) == count
    bench.positions = [-0.7, 0.5]
    bench.run(0.02)
    assert bench.commands[count:] == [(-0.7, 0.5)] * len(bench.commands[count:])
    assert len(bench.commands) > count


def test_stopped_arm_is_held_where_it_was_measured_and_reached_within_the_limits() -> None:
    bench = GuardBench("position")
    for _ in range(2 * RECOVER):
        bench.observe()
        bench.act(1.0, -0.6)
        follow(bench, PERIOD_S)
    where = bench.positions[0]
    bench.guard.enable(False, bench.now_s)
    count = len(bench.commands) - 1
    follow(bench, 1.0)
    path = [values[0] for values in bench.commands[count:]]
    assert path[-1] == pytest.approx(where, abs=1e-3)
    # It braked from 2 rad/s or less rather than stood still at once.
    assert max(path) > where + 0.01
    assert all(abs(new - old) <= 2.0 * 0.01 + 1e-9 for old, new in pairwise(path))


def test_arm_that_is_blocked_latches_before_the_command_winds_up() -> None:
    bench = GuardBench("position", commands=[watched(max_following_error=0.1)])
    bench.move(0.0, -0.6)
    for _ in range(10):
        bench.step(1.0, -0.6)
    assert bench.guard.stopped is Reason.FOLLOWING_ERROR
    assert "joint a is at 0.0000 and commanded to" in bench.guard.fault
    # As far as it may be off, and braking from 2 rad/s at 8 rad/s².
    assert max(values[0] for values in bench.commands) < 0.1 + 0.25
    bench.run(1.0)
    assert bench.command[0] == pytest.approx(0.0)
    assert bench.applied[-1].source is Source.STOP
    assert bench.guard.reset_stop(bench.now_s)
    bench.move(0.0, -0.6)


def test_arm_that_follows_closely_enough_is_left_alone() -> None:
    bench = GuardBench("position", commands=[watched(max_following_error=0.1)])
    for _ in range(20):
        bench.observe()
        bench.act(1.0, -0.6)
        follow(bench, PERIOD_S)
    assert bench.guard.stopped is None
    assert bench.command[0] > 0.9


def test_stopped_arm_does_not_sink_by_being_enabled_or_released_in_vain() -> None:
    bench = GuardBench("position", enabled=False, guard={"enable_timeout_s": 0.5})
    bench.positions = [0.3, -0.2]
    bench.step()
    bench.guard.enable(False, bench.now_s)
    bench.guard.emergency_stop(True, bench.now_s)
    bench.run(1.0)
    held = bench.command
    for _ in range(20):
        # It hangs a little below what it is told to hold.
        bench.positions = [value - 0.03 for value in bench.command]
        bench.run(0.1)
        bench.guard.enable(True, bench.now_s)
        assert not bench.guard.reset_stop(bench.now_s)
        bench.run(0.1)
    assert bench.command == held


def test_joint_found_beyond_its_bounds_is_braked_and_then_told_nothing() -> None:
    bench = GuardBench("position").move(0.0, 1.0)
    before = bench.command
    bench.positions = [0.0, 1.9]
    count = len(bench.commands)
    bench.run(2.0)
    assert bench.guard.stopped is Reason.JOINT_LIMIT
    # At 1 rad/s it brakes within 0.01 rad; a command to the limit would lead to 1.8.
    assert all(abs(values[1] - before[1]) <= 0.03 for values in bench.commands[count:])
    count = len(bench.commands)
    bench.run(2.0)
    assert len(bench.commands) == count
    bench.positions = [0.0, 1.7]
    bench.run(0.1)
    assert bench.command == (0.0, 1.7)
    assert bench.guard.reset_stop(bench.now_s)
    bench.move(0.0, 0.7)
