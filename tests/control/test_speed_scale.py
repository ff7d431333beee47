"""The guard's scale of speeds: slower, with the same meaning of actions, and stops as hard as ever."""

from itertools import pairwise

import pytest

from tests.control.guard_bench import COMMAND_S, GuardBench, follow, real


def fastest(bench: GuardBench, first: int = 0) -> float:
    """Greatest speed of joint `a` of all position commands since the first given."""
    return max(abs(y[0] - x[0]) for x, y in pairwise(bench.commands[first:])) / COMMAND_S


def test_positions_are_reached_later_but_are_the_same() -> None:
    for scale, steps in ((1.0, 20), (0.25, 60)):
        bench = GuardBench("position")
        assert bench.guard.scale_speed(scale) == ""
        follow(bench, 0.6, 0.0, steps=steps)
        assert bench.positions[0] == pytest.approx(0.6, abs=1e-3)
        assert fastest(bench) <= scale * bench.robot.joints[0].max_rate * (1 + 1e-6)
        assert bench.applied[-1].values == pytest.approx([0.6, 0.0])


@pytest.mark.parametrize("kind", ["velocity", "effort"])
def test_what_is_no_position_is_bounded_and_not_multiplied(kind: str) -> None:
    bench = GuardBench(kind)
    bench.guard.scale_speed(0.25)
    bound = bench.robot.joints[0].high
    follow(bench, 1.0, 0.0, steps=8)
    assert bench.command[0] == pytest.approx(0.25 * bound)
    follow(bench, 0.1, 0.0, steps=8)
    assert bench.command[0] == pytest.approx(0.1 * bound)


def test_it_is_lowered_while_the_robot_moves_within_its_acceleration() -> None:
    bench = GuardBench("position")
    follow(bench, 1.0, 0.0, steps=6)
    first = len(bench.commands) - 1
    assert bench.guard.scale_speed(0.1) == ""
    follow(bench, 1.0, 0.0, steps=10)
    joint = bench.robot.joints[0]
    rates = [(y[0] - x[0]) / COMMAND_S for x, y in pairwise(bench.commands[first:])]
    assert rates[-1] <= 0.1 * joint.max_rate * (1 + 1e-6)
    assert max(abs(b - a) for a, b in pairwise(rates)) <= joint.max_acceleration * COMMAND_S * (1 + 1e-3)
    assert bench.guard.stopped is None


def test_it_is_raised_only_while_disabled() -> None:
    bench = real("position")
    assert bench.guard.scale_speed(0.5) == ""
    assert "raised only while the robot is disabled" in bench.guard.scale_speed(0.6)
    assert bench.guard.pipeline.speed_scale == 0.5
    bench.guard.enable(False, bench.now_s)
    assert bench.guard.scale_speed(0.6) == ""
    assert bench.guard.pipeline.speed_scale == 0.6


@pytest.mark.parametrize("scale", [0.0, 0.04, 1.01, float("nan")])
def test_what_is_no_scale_is_refused(scale: float) -> None:
    bench = GuardBench("position")
    assert "is not within 0.05 and 1" in bench.guard.scale_speed(scale)


def test_a_stop_brakes_as_hard_as_without_it() -> None:
    lasted = []
    for scale in (1.0, 0.5):
        bench = GuardBench("velocity")
        follow(bench, 0.4, 0.0, steps=6)
        bench.guard.scale_speed(scale)
        assert bench.command[0] == pytest.approx(0.8)
        count = len(bench.commands)
        bench.guard.emergency_stop(True, bench.now_s)
        bench.run(0.5)
        lasted.append(next(index for index, values in enumerate(bench.commands[count:]) if values[0] == 0.0))
    assert lasted[0] == lasted[1]


def test_it_is_not_raised_under_a_robot_that_somebody_jogs() -> None:
    bench = real("position")
    bench.guard.enable(False, bench.now_s)
    bench.guard.scale_speed(0.05)
    for _ in range(10):
        bench.guard.jog(1, "a", 0.1, bench.now_s)
        bench.run(COMMAND_S)
    assert bench.guard.is_moving
    assert "while nobody moves the robot" in bench.guard.scale_speed(1.0)
    assert bench.guard.pipeline.speed_scale == 0.05
