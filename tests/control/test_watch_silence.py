"""What the guard makes of drivers, nodes and people that fall silent, begin anew or live by another clock."""

import pytest

from robot_mbrl.control.stops import Reason
from robot_mbrl.control.watch import SILENCE_S
from robot_mbrl.specs import Source
from robot_mbrl.steps import StepKey
from tests.control.guard_bench import RECOVER, GuardBench, follow, real
from tests.control.robots import joint_state


@pytest.mark.parametrize("what", ["driver", "sensor node"])
def test_silence_longer_than_a_second_disables_a_real_robot(what: str) -> None:
    bench = real()
    follow(bench, 0.0, -0.5, steps=5)
    if what == "driver":
        bench.run(SILENCE_S + 0.5, sensing=False)
    else:
        bench.run(SILENCE_S + 0.5)
    assert bench.guard.state == "disabled"
    assert "for longer than 1 s" in bench.guard.detail
    follow(bench, 0.5, -0.5, steps=60)
    assert bench.command == (0.0, 0.0)
    bench.guard.enable(True, bench.now_s)
    follow(bench, 0.0, -0.5, steps=RECOVER)
    assert bench.guard.state == "moving"


def test_a_short_silence_ends_by_itself() -> None:
    bench = real()
    follow(bench, 0.0, -0.5, steps=5)
    bench.run(0.5, sensing=False)
    assert bench.guard.stopped is Reason.STALE_JOINTS
    bench.run(0.3)
    follow(bench, 0.0, -0.5, steps=RECOVER)
    assert bench.guard.state == "moving"


def test_a_silence_counts_whatever_else_is_amiss_meanwhile() -> None:
    bench = real()
    follow(bench, 0.0, -0.5, steps=5)
    bench.run(0.6)
    # Joints that pause have to agree anew: that is what is told then, and the observations are still missing.
    bench.run(0.25, sensing=False)
    bench.run(0.5)
    follow(bench, 0.5, -0.5, steps=2 * RECOVER)
    assert bench.guard.state == "disabled"


def test_a_new_sensor_node_disables_a_real_robot() -> None:
    bench = real()
    follow(bench, 0.0, -0.5, steps=5)
    bench.observe(is_last=True)
    bench.run(0.5)
    assert bench.guard.state == "resetting"
    bench.guard.observe(StepKey("another session", 1), False, bench.now_s)
    assert bench.guard.state == "disabled"
    assert "sensor node has begun anew" in bench.guard.detail


def test_nobody_enables_a_robot_that_is_not_heard_of() -> None:
    """Or it would move by itself as soon as its driver is switched on."""
    bench = GuardBench("velocity", enabled=False)
    bench.run(2.0, sensing=False)
    assert not bench.guard.watch.may_enable
    bench.guard.enable(True, bench.now_s)
    bench.run(0.5)
    follow(bench, 0.5, 0.5, steps=20)
    assert bench.guard.state == "disabled"
    bench.run(2.0)
    bench.guard.enable(True, bench.now_s)
    follow(bench, 0.0, -0.5, steps=RECOVER)
    assert bench.guard.state == "moving"


@pytest.mark.parametrize("reason", [Reason.SECOND_PUBLISHER, Reason.NO_DRIVER])
def test_what_is_noted_outside_stops_the_robot_and_disables_it_if_it_lasts(reason: Reason) -> None:
    bench = real()
    follow(bench, 0.0, -0.5, steps=5)
    bench.guard.note(reason, "2 publishers of /arm/action: /arm/policy, /teleop", bench.now_s)
    assert bench.guard.state == f"stopped: {reason}"
    assert "/teleop" in bench.guard.detail
    bench.observe()
    bench.act(0.5, -0.5)
    assert bench.applied[-1].source is Source.STOP
    follow(bench, 0.5, -0.5, steps=25)
    bench.guard.note(reason, "", bench.now_s)
    follow(bench, 0.5, -0.5, steps=2 * RECOVER)
    assert bench.guard.state == "disabled"


def test_a_driver_whose_readings_come_late_from_now_on_disables_the_robot() -> None:
    """Nobody can tell a delay that lasts from a clock that was set."""
    bench = real()
    follow(bench, 0.0, -0.5, steps=5)
    for _ in range(300):
        bench.guard.sense("joints", joint_state(["a", "b"], [0.0, 0.0], stamp_s=bench.now_s - 0.55), bench.now_s)
        bench.run(0.01, sensing=False)
    assert bench.guard.state == "disabled"
    bench.observe()
    bench.act(0.5, 0.5)
    assert bench.command == (0.0, 0.0)


def test_a_robot_for_which_no_episode_begins_is_disabled() -> None:
    bench = real(rest_s=30.0)
    follow(bench, 0.0, -0.5, steps=5)
    bench.observe(is_last=True)
    bench.run(29.0)
    assert bench.guard.state == "resetting"
    bench.run(2.0)
    assert bench.guard.state == "disabled"
    assert "no episode has begun for 30 s" in bench.guard.detail
    bench.guard.enable(True, bench.now_s)
    assert bench.guard.state == "resetting"


def test_a_second_device_that_gets_another_clock_or_a_delay_is_noticed_too() -> None:
    bench = real("position")
    clocks = {"a": 0.0, "b": 0.0}

    def sense() -> None:
        for name, place in zip(bench.robot.joint_names, bench.positions, strict=True):
            message = joint_state([name], [place], stamp_s=bench.now_s + clocks[name])
            bench.guard.sense("joints", message, bench.now_s)

    bench.sense = sense  # type: ignore[method-assign]
    for name in ("b", "a"):
        bench.run(2.5)
        bench.guard.enable(True, bench.now_s)
        follow(bench, 0.0, 0.0, steps=60)
        assert bench.guard.state == "moving"
        clocks[name] = -0.5
        follow(bench, 0.0, 0.0, steps=60)
        assert bench.guard.state == "disabled"
        assert "clock" in bench.guard.detail


def test_a_dead_man_switch_that_falls_silent_is_named() -> None:
    bench = GuardBench("position", enabled=False, guard={"enable_timeout_s": 0.5})
    bench.run(1.0)
    bench.guard.enable(False, bench.now_s)
    bench.run(1.0)
    bench.guard.enable(True, bench.now_s)
    follow(bench, 0.0, 0.0, steps=12)
    assert bench.guard.state == "disabled"
    assert "enable was not repeated for 0.5 s" in bench.guard.detail


def test_clocks_that_are_apart_are_named_rather_than_the_policy() -> None:
    bench = real("position")
    for _ in range(2 * RECOVER):
        bench.observe(age_s=0.05)
        bench.run(0.005)
        bench.act(0.0, 0.0)
        bench.run(0.045)
    assert bench.guard.state == "stopped: no_action"
    assert "set the clocks of both computers alike" in bench.guard.detail
