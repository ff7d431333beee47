"""What is requested on its way to the limits: smoothed by the filter, and kept near the measured joint."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from robot_mbrl.command_config import FilterConfig
from robot_mbrl.control.low_pass import LowPass
from robot_mbrl.control.stops import Reason
from tests.control.guard_bench import COMMAND_S, RECOVER, GuardBench, follow
from tests.control.robots import COMMANDS

FILTER = {"order": 2, "cutoff_hz": 1.5}
FAST = {"max_rate": 50.0, "max_acceleration": 5000.0}


def bench(kind: str = "position", filter_: dict[str, Any] | None = None, **limits: Any) -> GuardBench:
    """A robot of two joints, the first one with other limits."""
    first, second = COMMANDS[kind]["joints"]
    command = COMMANDS[kind] | {"joints": [first | limits, second], "filter": filter_}
    return GuardBench(kind, commands=[command])


def commanded(robot: GuardBench, since: int = 0) -> list[float]:
    return [values[0] for values in robot.commands[since:]]


def test_smoothed_positions_are_those_of_the_filter_where_no_limit_speaks() -> None:
    robot = bench(filter_=FILTER, **FAST)
    robot.move(0.0, -0.6)
    count, start = len(robot.commands), robot.command[0]
    follow(robot, 0.5, -0.6, steps=20)
    low_pass = LowPass(FilterConfig.model_validate(FILTER), start)
    expected = [low_pass.advance(0.5, COMMAND_S) for _ in range(100)]
    path = commanded(robot, count)
    assert len(path) == pytest.approx(100, abs=2)
    # Commands of a step's beginning come between two ticks; braking distances are below a thousandth here.
    assert np.interp(np.linspace(0, 1, 100), np.linspace(0, 1, len(path)), path) == pytest.approx(expected, abs=0.02)
    assert path[-1] == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize("kind", ["velocity", "effort", "twist"])
def test_any_kind_of_command_can_be_smoothed(kind: str) -> None:
    plain, smooth = bench(kind, max_rate=1e4), bench(kind, FILTER, max_rate=1e4)
    leaps = []
    for robot in (plain, smooth):
        robot.move(0.0, 0.0)
        count = len(robot.commands)
        for _ in range(3):
            follow(robot, 0.4, 0.4)
        leaps.append(max(abs(b - a) for a, b in pairwise(commanded(robot, count - 1))))
    assert leaps[1] < 0.6 * leaps[0]


def test_what_was_applied_is_the_request_before_the_filter() -> None:
    robot = bench(filter_=FILTER)
    robot.move(0.0, -0.6)
    assert robot.step(1.0, -0.6).values == pytest.approx([1.0, -0.6])
    assert robot.command[0] < 0.2


def test_the_filter_begins_anew_at_rest_after_a_stop() -> None:
    """Else a robot that was stopped in full motion would leap to where it was going before."""
    robot = bench(filter_=FILTER, **FAST)
    robot.move(0.0, -0.6)
    follow(robot, 1.0, -0.6, steps=4)
    moving = robot.command[0]
    while robot.guard.stopped is None:
        robot.miss()
    robot.run(1.0)
    held = robot.command[0]
    assert held > moving
    robot.positions = list(robot.command)
    count = len(robot.commands)
    still = 2.0 * (held + 1.0) / 2.0 - 1.0
    for _ in range(RECOVER + 4):
        follow(robot, still, -0.6)
    assert robot.guard.stopped is None
    assert commanded(robot, count) == pytest.approx([held] * (len(robot.commands) - count), abs=1e-6)


def test_a_choice_that_does_not_name_a_joint_leaves_it_where_it_is() -> None:
    choices = [{"name": "left", "values": {"a": -0.8}}, {"name": "stay", "values": {}}]
    robot = GuardBench("position", commands=[COMMANDS["position"] | {"filter": FILTER}], choices=choices)
    robot.move(0.0, 1.0)
    follow(robot, 1.0, 0.0, steps=4)
    follow(robot, 0.0, 1.0, steps=6)
    rested = robot.command
    follow(robot, 0.0, 1.0, steps=6)
    assert robot.command == rested
    assert -0.8 < rested[0] < -0.01


def test_targets_stay_near_a_joint_that_is_held_up_and_nothing_latches() -> None:
    robot = bench(max_offset=0.2)
    robot.move(0.0, -0.6)
    for _ in range(40):
        robot.step(1.0, -0.6)
    assert robot.guard.stopped is None
    assert robot.command[0] == pytest.approx(0.2)
    # Braking from 2 rad/s at 8 rad/s² takes no room beyond the target: it is a target to rest at.
    assert max(commanded(robot)) <= 0.2 + 1e-9
    assert robot.counted(Reason.OFFSET) > 30
    for _ in range(10):
        robot.step(0.1, -0.6)
    count = robot.counted(Reason.OFFSET)
    assert robot.command[0] == pytest.approx(0.1)
    robot.step(0.1, -0.6)
    assert robot.counted(Reason.OFFSET) == count


def test_targets_go_on_ahead_of_a_joint_that_follows() -> None:
    robot = bench(max_offset=0.2)
    robot.move(0.0, -0.6)
    follow(robot, 0.9, -0.6, steps=30)
    assert robot.command[0] == pytest.approx(0.9)


def test_a_joint_pushed_aside_takes_its_target_with_it_and_a_stop_does_not() -> None:
    robot = bench(max_offset=0.2, max_following_error=0.9)
    robot.move(0.0, -0.6)
    robot.carry(-0.5, 0.0)
    for _ in range(20):
        robot.step(0.0, -0.6)
    assert robot.command[0] == pytest.approx(-0.3)
    robot.guard.emergency_stop(True, robot.now_s)
    robot.carry(-0.9, 0.0)
    assert robot.command[0] == pytest.approx(-0.3)


def test_filter_and_offset_together_keep_every_limit_under_wild_requests() -> None:
    robot = bench(filter_=FILTER, max_offset=0.2)
    robot.move(0.0, -0.6)
    rng = np.random.default_rng(3)
    for _ in range(60):
        follow(robot, *rng.uniform(-1.0, 1.0, 2))
    slopes = np.diff(commanded(robot)) / COMMAND_S
    assert robot.guard.stopped is None
    assert Reason.ASSERTION not in robot.guard.machine.counts
    assert np.abs(slopes).max() <= 2.0 + 1e-6
    assert all(math.isfinite(x) and abs(x) <= 1.0 for x in commanded(robot))
