"""What the guard believes of readings that stand still, leap, wrap or were made up, as real drivers send them."""

import math
from itertools import pairwise

import pytest

from robot_mbrl.control.stops import Reason
from robot_mbrl.steps import StepKey
from tests.control.guard_bench import GuardBench, follow, real
from tests.control.robots import joint_state, limited


def test_readings_under_a_stamp_that_stands_still_are_stale() -> None:
    """A driver that hangs goes on sending its last message: a joint bounded to 1.5 rad would drive on."""
    bench = real()
    follow(bench, 0.5, -0.5, steps=5)
    assert bench.guard.state == "moving"
    frozen = joint_state(["a", "b"], bench.positions, stamp_s=bench.now_s)
    way = 0.0
    for _ in range(100):
        bench.guard.observe(StepKey("s", (stamp := bench.stamp + 1)), False, bench.now_s)
        bench.stamp = stamp
        bench.act(0.5, -0.5)
        for _ in range(5):
            bench.guard.sense("joints", frozen, bench.now_s)
            bench.run(0.01, sensing=False)
            way += 0.01 * bench.command[0]
    assert "its stamp stands still" in bench.guard.detail
    assert bench.guard.state == "disabled"
    assert way < 0.5
    assert bench.counted(Reason.OLD_JOINTS) > 0


def test_a_value_that_stands_still_under_fresh_stamps_latches() -> None:
    bench = real()
    way = 0.0
    for _ in range(60):
        bench.observe()
        bench.act(0.5, -0.5)
        for _ in range(5):
            bench.run(0.01)
            way += 0.01 * bench.command[0]
    assert bench.guard.stopped is Reason.FOLLOWING_ERROR
    assert "joint a is +0." in bench.guard.detail
    # A quarter of a second at 2 rad/s, and braking from 1 rad/s.
    assert way < 0.5 + 0.05


@pytest.mark.parametrize("share", [0.7, 1.0, 1.3])
@pytest.mark.parametrize("lag_s", [0.0, 0.1])
def test_a_velocity_servo_may_lag_and_be_a_third_off(share: float, lag_s: float) -> None:
    bench = real(**limited("velocity", low=-1.0, high=1.0, position_low=-100.0, position_high=100.0))
    speed = 0.0
    for step in range(200):
        bench.observe()
        bench.act(0.8 if step % 40 < 20 else -0.8, -0.5)
        for _ in range(5):
            bench.run(0.01)
            speed += (share * bench.command[0] - speed) * (0.01 / lag_s if lag_s else 1.0)
            bench.positions = [bench.positions[0] + 0.01 * speed, bench.positions[1] + 0.01 * bench.command[1]]
    assert bench.guard.state == "moving", bench.guard.detail


@pytest.mark.parametrize("kind", ["position", "velocity"])
def test_one_impossible_reading_latches_and_moves_nothing(kind: str) -> None:
    bench = real(kind)
    follow(bench, 0.5, -0.5, steps=8)
    assert bench.guard.state == "moving"
    before = bench.command
    honest, bench.positions = bench.positions, [0.0, 1.4]
    bench.sense()
    bench.run(0.01, sensing=False)
    bench.positions = honest
    count = len(bench.commands)
    follow(bench, 0.5, -0.5, steps=40)
    assert bench.guard.state == "latched: joints_disagree"
    assert "farther than it can move" in bench.guard.detail
    # Nothing but braking: in the direction of motion, and to rest.
    for index, was in enumerate(before):
        path = [was, *(values[index] for values in bench.commands[count:])]
        if kind == "velocity":
            assert all(abs(new) <= abs(old) + 1e-9 for old, new in pairwise(path))
        else:
            assert all((new - old) * (path[-1] - path[0]) >= -1e-9 for old, new in pairwise(path))
            assert abs(path[-1] - path[0]) < 2.0**2 / (2 * 8.0) + 0.03


def test_a_second_publisher_of_zeros_cannot_drive_an_arm_to_zero() -> None:
    bench = real("position", at=(0.8, 1.0))
    zeros = joint_state(["a", "b"], [0.0, 0.0])

    def contradicted(duration_s: float) -> None:
        for _ in range(round(duration_s / 0.01)):
            bench.run(0.01)
            zeros.header.stamp.sec, zeros.header.stamp.nanosec = divmod(round(1e9 * (bench.now_s + 0.004)), 10**9)
            bench.guard.sense("joints", zeros, bench.now_s + 0.004)
            bench.now_s += 0.005

    follow(bench, 0.8, 0.2, steps=5)
    assert bench.guard.state == "moving"
    contradicted(0.5)
    bench.guard.emergency_stop(True, bench.now_s)
    contradicted(2.0)
    assert bench.guard.machine.latched
    assert all(values == pytest.approx((0.8, 1.0), abs=0.01) for values in bench.commands)


def test_a_driver_that_says_zero_before_it_knows_moves_nothing() -> None:
    bench = GuardBench("position", enabled=False)
    bench.run(0.1)
    bench.positions = [0.8, 1.0]
    bench.run(1.0)
    bench.guard.enable(True, bench.now_s)
    follow(bench, 0.8, 0.2, steps=5)
    assert bench.guard.state == "moving"
    assert bench.commands[0] == (0.8, 1.0)


def test_joints_are_believed_once_several_readings_agree() -> None:
    bench = GuardBench("position", enabled=False)
    bench.sense()
    bench.guard.enable(True, bench.now_s)
    assert bench.guard.update(bench.now_s).commands == ()
    assert bench.guard.state == "stopped: joints_disagree"
    bench.run(0.15)
    # Three readings alone are no time: some drivers say zero for longer before they know.
    assert bench.guard.state == "stopped: joints_disagree"
    bench.run(0.1)
    assert bench.guard.stopped is Reason.STARTING


def test_a_continuous_joint_that_wraps_is_followed_around() -> None:
    endless = limited("position", continuous=True, low=-4.0, high=4.0, max_following_error=0.5)
    bench = real("position", at=(3.0, 0.0), **endless)

    def turn(target: float, steps: int) -> None:
        for _ in range(steps):
            bench.observe()
            bench.act(target / 4.0, -0.6)
            for _ in range(5):
                bench.run(0.01)
                wrapped = (bench.command[0] + math.pi) % (2 * math.pi) - math.pi if bench.commands else 3.0
                bench.positions = [wrapped, bench.command[1] if bench.commands else 0.0]

    turn(3.8, 30)
    assert bench.guard.state == "moving", bench.guard.detail
    assert bench.command[0] == pytest.approx(3.8, abs=0.05)
    assert bench.positions[0] < 0.0


def test_a_joint_that_wraps_unannounced_latches_where_it_is() -> None:
    bench = real("position", at=(3.0, 0.0), **limited("position", low=-4.0, high=4.0))
    for _ in range(30):
        bench.observe()
        bench.act(0.95, -0.6)
        for _ in range(5):
            bench.run(0.01)
            wrapped = (bench.command[0] + math.pi) % (2 * math.pi) - math.pi if bench.commands else 3.0
            bench.positions = [wrapped, bench.command[1] if bench.commands else 0.0]
    assert bench.guard.state == "latched: joints_disagree"
    assert bench.command[0] == pytest.approx(math.pi, abs=0.3)


@pytest.mark.parametrize("kind", ["position", "velocity"])
def test_noise_and_overshoot_at_a_bound_do_not_latch(kind: str) -> None:
    bench = real(kind)
    for step in range(60):
        bench.observe()
        bench.act(1.0, 1.0)
        for tick in range(5):
            bench.run(0.01)
            noise = 0.0002 * (-1) ** (step + tick)
            if kind == "velocity":
                bench.positions = [x + 0.01 * v + noise for x, v in zip(bench.positions, bench.command, strict=True)]
            else:
                bench.positions = [x + noise for x in (bench.command if bench.commands else bench.positions)]
    assert not bench.guard.machine.latched, bench.guard.detail


@pytest.mark.parametrize("lie", ["frozen", "glides"])
def test_no_latched_stop_sends_a_position_that_the_encoder_made_up(lie: str) -> None:
    bench = real("position")
    follow(bench, 0.6, 0.2, steps=10)
    bench.guard.emergency_stop(True, bench.now_s)
    bench.run(0.5)
    held = bench.command
    if lie == "frozen":
        bench.positions = [0.0, 0.0]
        bench.run(0.1)
    else:
        bench.carry(0.0, 0.0)
    bench.run(3.0)
    assert bench.command == held


def test_absurd_readings_of_a_continuous_joint_are_refused() -> None:
    bench = real("velocity", **limited("velocity", continuous=True, position_low=None, position_high=None))
    for value in (1.7e308, -1.7e308):
        message = joint_state(list(bench.robot.joint_names), [value, 0.0], stamp_s=bench.now_s + 0.001)
        bench.now_s += 0.02
        bench.guard.sense("joints", message, bench.now_s)
    assert bench.counted(Reason.MALFORMED_JOINTS) == 2


def test_one_reading_that_is_wrong_by_little_moves_no_beginning_of_a_path() -> None:
    bench = real("position", at=(0.04, 0.0))
    joints = bench.guard.pipeline.interfaces[0].joints
    bench.positions = [0.0, 0.0]
    bench.now_s += 0.01
    bench.sense()
    assert joints.positions == [0.0, 0.0]
    assert joints.places == [0.04, 0.0]
