"""What becomes of position commands when the joints are not where they were told to be."""

import math
from itertools import pairwise
from typing import Any

import pytest

from robot_mbrl.control.position_commands import REST_S
from robot_mbrl.control.stops import Reason
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
        bench.positions = list(bench.command if bench.commands else bench.positions)


class Servo:
    """Joints that follow their commands with a lag of first order."""

    def __init__(self, bench: GuardBench, lag_s: float) -> None:
        self._bench, self._lag_s = bench, lag_s

    def follow(self, duration_s: float, *, sensing: bool = True) -> list[float]:
        """Live on; returns where joint a was."""
        bench, path = self._bench, []
        for _ in range(round(duration_s / 0.01)):
            bench.run(0.01, sensing=sensing)
            share = 1.0 - math.exp(-0.01 / self._lag_s)
            command = bench.commands[-1] if bench.commands else bench.positions
            bench.positions = [x + share * (c - x) for x, c in zip(bench.positions, command, strict=True)]
            path.append(bench.positions[0])
        return path


def test_hold_lets_go_of_an_arm_that_is_moved_by_hand() -> None:
    bench = GuardBench("position").move(0.0, 0.0)
    bench.guard.emergency_stop(True, bench.now_s)
    follow(bench, 1.0)
    bench.carry(0.4, 0.7)
    bench.run(REST_S + 0.2)
    # It is not pulled back, and told nothing new either.
    count = len(bench.commands)
    bench.run(1.0)
    assert len(bench.commands) == count
    assert bench.guard.machine.latched


def test_joints_that_only_yield_a_little_are_held_where_they_were() -> None:
    """A hold that followed them would let an arm sink under its own weight."""
    bench = GuardBench("position")
    bench.positions = [0.3, 0.2]
    bench.move(0.3, -0.4)
    bench.guard.emergency_stop(True, bench.now_s)
    bench.run(1.0)
    held = bench.command
    bench.positions = [0.3 - 0.4, 0.2]
    bench.run(10.0)
    assert bench.command == held


def test_trajectory_begins_where_the_arm_is_when_it_is_enabled() -> None:
    bench = GuardBench("position", enabled=False)
    bench.positions = [0.3, 0.2]
    bench.run(1.0)
    bench.positions = [0.32, -0.2]
    bench.run(1.1)
    bench.guard.enable(True, bench.now_s)
    bench.move(0.32, -0.55)
    assert bench.commands[0] == (0.32, -0.2)


def test_trajectory_begins_where_the_arm_is_after_a_short_stop() -> None:
    bench = GuardBench("position")
    bench.positions = [0.0, 0.0]
    bench.move(0.0, -0.6)
    while bench.guard.stopped is None:
        bench.miss()
    bench.run(1.0)
    bench.carry(-0.6, 0.3)
    bench.run(0.1)
    count = len(bench.commands)
    for _ in range(RECOVER):
        bench.step(0.0, -0.6)
    assert bench.guard.stopped is None
    after = bench.commands[count:]
    assert after[0] == pytest.approx((-0.6, 0.3))
    assert all(abs(new[0] - old[0]) <= 2.0 * 0.01 + 1e-9 for old, new in pairwise(after))


def test_driver_that_falls_silent_is_told_nothing_until_it_says_where_it_is() -> None:
    bench = GuardBench("position").move(1.0, 1.0)
    bench.run(1.0, sensing=False)
    assert bench.guard.stopped is Reason.STALE_JOINTS
    count = len(bench.commands)
    bench.run(1.0, sensing=False)
    assert len(bench.commands) == count
    bench.positions = [-0.7, 0.5]
    bench.move(-0.7, -0.2)
    assert bench.commands[count] == (-0.7, 0.5)


@pytest.mark.parametrize("lag_s", [0.05, 0.1, 0.2])
@pytest.mark.parametrize("stop", ["emergency_stop", "no_action", "stale_joints", "disabled"])
def test_stop_only_brakes_whatever_the_servo_lags(lag_s: float, stop: str) -> None:
    """A hold where the joint was measured when the stop began would drive a lagging arm back at full speed."""
    bench = GuardBench("position", commands=[watched(max_following_error=0.8)])
    bench.positions = [-1.0, 0.0]
    servo = Servo(bench, lag_s)
    for _ in range(12):
        bench.observe()
        bench.act(1.0, -0.6)
        servo.follow(PERIOD_S)
    assert bench.guard.state == "moving"
    count = len(bench.commands)
    if stop == "emergency_stop":
        bench.guard.emergency_stop(True, bench.now_s)
    if stop == "disabled":
        bench.guard.enable(False, bench.now_s)
    path = servo.follow(2.0, sensing=stop != "stale_joints")
    assert bench.guard.stopped is not None
    commanded = [values[0] for values in bench.commands[count:]]
    assert all(new >= old - 1e-9 for old, new in pairwise(commanded))
    assert max(path) - path[-1] <= 0.01
    assert all(new >= old - 1e-9 for old, new in pairwise(path))


def test_arm_that_is_blocked_latches_before_the_command_winds_up() -> None:
    bench = GuardBench("position", commands=[watched(max_following_error=0.1)])
    bench.move(0.0, -0.6)
    for _ in range(10):
        bench.step(1.0, -0.6)
    assert bench.guard.stopped is Reason.FOLLOWING_ERROR
    assert "joint a is at 0.0000, further than 0.1 from its command" in bench.guard.watch.fault
    # As far as it may be off, and braking from 2 rad/s at 8 rad/s².
    assert max(values[0] for values in bench.commands) < 0.1 + 0.25
    bench.run(1.0)
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
    bench = GuardBench("position", enabled=False)
    bench.positions = [0.3, -0.2]
    bench.run(0.3)
    bench.guard.enable(True, bench.now_s)
    bench.move(0.3, -0.76)
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
    count = len(bench.commands)
    bench.guard.emergency_stop(True, bench.now_s)
    bench.carry(0.0, 1.9)
    bench.guard.emergency_stop(False, bench.now_s)
    assert bench.guard.reset_stop(bench.now_s)
    bench.run(2.0)
    assert bench.guard.stopped is Reason.JOINT_LIMIT
    # No way back is without a person who asks for it.
    assert all(values[1] == pytest.approx(before[1], abs=0.05) for values in bench.commands[count:])
    count = len(bench.commands)
    bench.run(2.0)
    assert len(bench.commands) == count
    bench.carry(0.0, 1.7)
    bench.run(0.1)
    assert bench.guard.reset_stop(bench.now_s)
    bench.move(0.0, 0.7)
    assert bench.commands[count] == (0.0, 1.7)


def test_a_hold_has_to_rest_anew_in_each_stop() -> None:
    """The rest of an earlier stop is no reason to give up the hold of this one."""
    bench = GuardBench("position", commands=[watched(max_following_error=0.8)])
    bench.positions = [-1.0, 0.0]
    servo = Servo(bench, 0.1)
    for _ in range(2):
        for _ in range(8):
            bench.observe()
            bench.act(1.0, -0.6)
            servo.follow(PERIOD_S)
        count = len(bench.commands)
        # The guard's own process is held up, so that it takes the robot to rest where it was last told to be.
        bench.now_s += 0.2
        while bench.guard.stopped is None:
            bench.miss()
        servo.follow(0.3)
        commanded = [values[0] for values in bench.commands[count:]]
        assert len(commanded) >= 25
        assert all(new >= old - 1e-9 for old, new in pairwise(commanded))
