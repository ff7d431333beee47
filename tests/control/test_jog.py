"""A jog through the guard: one joint, slowly, by one person's word."""

import math

import pytest

from robot_mbrl.control.asked import ASKED_S
from robot_mbrl.control.jog import LAG_S, NEAR_SHARE
from robot_mbrl.control.jogging import DONE, LAPSED
from tests.control.guard_bench import COMMAND_S, GuardBench, real

SLOW = 0.1


def tried(kind: str, **changes: object) -> GuardBench:
    """A real robot that nobody has enabled."""
    bench = GuardBench(kind, enabled=False, **changes)
    bench.run(0.3)
    return bench


def jog(bench: GuardBench, joint: str, delta: float, number: int = 1, seconds: float = 3.0) -> str:
    """Ask for as long as that, with a plant that does what it is told; returns what the guard says in the end."""
    for _ in range(round(seconds / COMMAND_S)):
        bench.guard.jog(number, joint, delta, bench.now_s)
        if bench.guard.moves.jogging.told:
            break
        move(bench)
    return bench.guard.moves.jogging.told


def move(bench: GuardBench) -> None:
    """A command period of a plant that does what it is told."""
    count = len(bench.commands)
    bench.run(COMMAND_S)
    if len(bench.commands) > count:
        if bench.robot.commands[0].kind == "velocity":
            bench.positions = [x + COMMAND_S * v for x, v in zip(bench.positions, bench.command, strict=True)]
        else:
            bench.positions = list(bench.command)


@pytest.mark.parametrize("delta", [0.1, -0.1])
def test_a_position_goes_as_far_as_asked_at_a_tenth_of_its_speed_and_stays(delta: float) -> None:
    bench = tried("position")
    assert jog(bench, "a", delta) == DONE
    assert bench.positions == pytest.approx([delta, 0.0], abs=1e-6)
    fastest = bench.robot.joints[0].max_rate * SLOW
    steps = [abs(y[0] - x[0]) for x, y in zip(bench.commands, bench.commands[1:], strict=False)]
    assert max(steps) <= fastest * COMMAND_S * (1 + 1e-6)
    bench.run(1.0)
    assert bench.positions == pytest.approx([delta, 0.0], abs=1e-6)


def test_a_servo_that_lags_is_waited_for_but_not_one_that_is_stuck() -> None:
    bench = tried("position")
    told = ""
    while not told:
        bench.guard.jog(1, "a", 0.1, bench.now_s)
        bench.run(COMMAND_S)
        bench.positions = [x + 0.05 * (y - x) for x, y in zip(bench.positions, bench.command, strict=True)]
        told = bench.guard.moves.jogging.told
    assert told == DONE
    assert bench.positions[0] == pytest.approx(0.1, abs=0.1 * NEAR_SHARE + 1e-3)

    bench = tried("position")
    begun_s = bench.now_s
    while not bench.guard.moves.jogging.told:
        bench.guard.jog(1, "a", 0.02, bench.now_s)
        bench.run(COMMAND_S)
    assert bench.guard.moves.jogging.told == DONE
    assert bench.now_s - begun_s < 2.0
    assert bench.positions[0] == 0.0


@pytest.mark.parametrize("delta", [0.1, -0.1])
def test_a_velocity_ends_once_the_joint_was_measured_to_have_moved(delta: float) -> None:
    bench = tried("velocity")
    assert jog(bench, "a", delta) == DONE
    for _ in range(20):
        move(bench)
    assert bench.positions[0] == pytest.approx(delta, abs=0.02)
    assert bench.positions[1] == 0.0
    assert max(abs(command[0]) for command in bench.commands) == pytest.approx(0.2)
    assert bench.command == (0.0, 0.0)


@pytest.mark.parametrize("delta", [0.1, -0.1])
def test_a_velocity_ends_though_the_joint_is_measured_to_stand_still(delta: float) -> None:
    """An encoder that hangs, or is another joint's, must not lead the robot on for as long as somebody asks."""
    bench = tried("velocity")
    gone = 0.0
    for _ in range(round(10.0 / COMMAND_S)):
        bench.guard.jog(1, "a", delta, bench.now_s)
        bench.run(COMMAND_S)
        gone += COMMAND_S * bench.command[0]
    assert bench.guard.moves.jogging.told == DONE
    assert bench.command == (0.0, 0.0)
    assert 0.1 <= gone / delta * 0.1 <= 0.1 + 0.2 * (LAG_S + 0.05)


@pytest.mark.parametrize("scale", [0.05, 1.0])
def test_a_velocity_goes_as_far_where_its_speed_is_scaled_down(scale: float) -> None:
    bench = tried("velocity")
    assert bench.guard.scale_speed(scale) == ""
    assert jog(bench, "a", 0.2, seconds=5.0) == DONE
    for _ in range(20):
        move(bench)
    assert bench.positions[0] == pytest.approx(0.2, abs=0.02)


@pytest.mark.parametrize("scale", [0.05, 1.0])
def test_a_twist_that_is_not_measured_goes_as_far_where_its_speed_is_scaled_down(scale: float) -> None:
    bench = tried("twist")
    assert bench.guard.scale_speed(scale) == ""
    gone = 0.0
    for _ in range(round(6.0 / COMMAND_S)):
        bench.guard.jog(1, "angular.z", 0.2, bench.now_s)
        bench.run(COMMAND_S)
        gone += COMMAND_S * bench.command[1]
    assert bench.guard.moves.jogging.told == DONE
    assert gone == pytest.approx(0.2, rel=0.05)


def test_it_stops_when_nobody_asks_any_more() -> None:
    bench = tried("position")
    jog(bench, "a", 0.15, seconds=0.3)
    for _ in range(round((ASKED_S + 0.5) / COMMAND_S)):
        move(bench)
    where = list(bench.positions)
    assert 0.0 < where[0] < 0.15 or where[0] == pytest.approx(0.15)
    assert bench.guard.is_moving is False


@pytest.mark.parametrize(("joint", "delta"), [("b", 0.2), ("a", 0.05), ("b", 0.1)])
def test_a_jog_that_lapsed_never_leads_back_to_where_the_robot_was_then(joint: str, delta: float) -> None:
    bench = tried("position")
    bench.guard.jog(1, "b", 0.2, bench.now_s)
    for _ in range(round((ASKED_S + 0.5) / COMMAND_S)):
        move(bench)
    bench.carry(0.5, -0.5)
    bench.run(0.5)
    told = ""
    for _ in range(round(2.0 / COMMAND_S)):
        # Under the old number: a message without a stamp, or one out of a recording.
        bench.guard.jog(1, joint, delta, bench.now_s)
        told = bench.guard.moves.jogging.told or told
        move(bench)
    is_old = (joint, delta) == ("b", 0.2)
    moved = {"a": 0.0, "b": 0.0} | ({} if is_old else {joint: delta})
    assert told == (LAPSED if is_old else DONE)
    assert bench.positions == pytest.approx([0.5 + moved["a"], -0.5 + moved["b"]], abs=1e-6)


def test_the_policy_needs_a_person_afterwards() -> None:
    bench = real("position")
    assert bench.guard.watch.enabled
    jog(bench, "a", 0.05, seconds=0.1)
    assert not bench.guard.watch.enabled
    assert "jogged" in bench.guard.detail


def test_an_emergency_stop_ends_it_however_long_somebody_asks() -> None:
    bench = tried("position")
    jog(bench, "a", 0.15, seconds=0.3)
    bench.guard.emergency_stop(True, bench.now_s)
    where = bench.guard.pipeline.interfaces[0].stop_actions()
    assert "emergency stop" in jog(bench, "a", 0.15)
    bench.guard.emergency_stop(False, bench.now_s)
    assert bench.guard.reset_stop(bench.now_s)
    assert jog(bench, "a", 0.15, seconds=0.5)
    assert bench.guard.pipeline.interfaces[0].stop_actions() == pytest.approx(where, abs=0.05)


@pytest.mark.parametrize(
    ("kind", "joint", "delta", "says"),
    [
        ("position", "c", 0.1, "there is no joint 'c'; there are a, b"),
        ("position", "a", 0.5, "at most 0.2"),
        ("position", "b", -0.3, "at most 0.25"),
        ("velocity", "a", 1.5, "at most 1"),
        ("effort", "a", 0.1, "leads nowhere"),
        ("position", "a", math.nan, "no way to go"),
        ("velocity", "a", 0.0, "no way to go"),
    ],
)
def test_what_is_no_jog_is_refused_and_nothing_moves(kind: str, joint: str, delta: float, says: str) -> None:
    bench = tried(kind)
    count = len(bench.commands)
    assert says in jog(bench, joint, delta)
    bench.run(0.2)
    assert all(not any(command) for command in bench.commands[count:])


def test_it_is_refused_near_a_bound_and_while_the_policy_drives() -> None:
    bench = GuardBench("position", enabled=False)
    bench.positions = [0.95, 0.0]
    bench.run(0.3)
    assert "beyond what joint a may be told" in jog(bench, "a", 0.1)
    bench = real("position")
    bench.move(0.0, 0.0)
    assert "its policy drives" in jog(bench, "a", 0.1)
