"""What the guard makes of drivers, people and nodes that misbehave as real ones do."""

import math
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from robot_mbrl.control.stops import Reason
from robot_mbrl.control.watch import SILENCE_S
from robot_mbrl.specs import Source
from robot_mbrl.steps import StepKey
from tests.control.guard_bench import RECOVER, GuardBench, follow, real
from tests.control.robots import COMMANDS, PERIOD_S, joint_state


def limited(kind: str, **limits: Any) -> dict[str, Any]:
    """The commands of a kind with other limits for joint a."""
    command = COMMANDS[kind]
    first, *others = command["joints"]
    return {"commands": [command | {"joints": [first | limits, *others]}]}


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


def test_conditions_stop_a_robot_and_those_that_latch_need_a_person() -> None:
    sources = {
        "joints": {"topic": "joint_states", "type": "sensor_msgs/msg/JointState", "max_age_s": 0.2},
        "safety": {"topic": "safety_mode", "type": "ur_msgs/msg/SafetyMode", "max_age_s": None, "latched": True},
        "battery": {"topic": "battery", "type": "sensor_msgs/msg/BatteryState", "max_age_s": 2.0},
    }
    conditions = [
        {"source": "safety", "field": "mode", "equals": 1, "latch": True},
        {"source": "battery", "field": "percentage", "above": 0.2},
    ]
    bench = GuardBench("velocity", enabled=False, sources=sources, guard={"conditions": conditions})

    def battery(percentage: float) -> None:
        stamp = joint_state([], [], stamp_s=bench.now_s).header
        bench.guard.sense("battery", SimpleNamespace(header=stamp, percentage=percentage), bench.now_s)

    def safety(mode: int) -> None:
        bench.guard.sense("safety", SimpleNamespace(mode=mode), bench.now_s)

    bench.run(0.5)
    bench.guard.enable(True, bench.now_s)
    assert bench.guard.state == "disabled"
    assert not bench.guard.watch.may_enable
    assert "safety.mode has not been heard of on safety_mode" in bench.guard.detail
    safety(1)
    battery(0.8)
    bench.run(1.0)
    battery(0.8)
    bench.run(1.1)
    bench.guard.enable(True, bench.now_s)
    follow(bench, 0.0, -0.5, steps=2 * RECOVER)
    assert bench.guard.state == "moving", bench.guard.detail
    battery(0.1)
    assert bench.guard.state == "stopped: condition"
    assert "battery.percentage is 0.1, not above 0.2" in bench.guard.detail
    bench.run(0.1)
    battery(0.8)
    follow(bench, 0.0, -0.5, steps=2 * RECOVER)
    assert bench.guard.state == "moving"
    safety(3)
    assert bench.guard.state == "latched: condition"
    safety(1)
    bench.run(2.5)
    assert bench.guard.machine.latched
    assert bench.guard.reset_stop(bench.now_s)
    bench.run(0.1)
    assert bench.guard.state == "disabled"


def test_a_condition_that_falls_silent_stops_the_robot() -> None:
    sources = {
        "joints": {"topic": "joint_states", "type": "sensor_msgs/msg/JointState", "max_age_s": 0.2},
        "mode": {"topic": "mode", "type": "std_msgs/msg/Int32", "max_age_s": 0.5},
    }
    conditions = [{"source": "mode", "field": "data", "equals": 7}]
    bench = GuardBench("velocity", enabled=False, sources=sources, guard={"conditions": conditions})
    bench.run(0.3)
    bench.guard.sense("mode", SimpleNamespace(data=7), bench.now_s)
    bench.guard.enable(True, bench.now_s)
    follow(bench, 0.0, -0.5, steps=RECOVER + 1)
    assert bench.guard.state == "moving"
    follow(bench, 0.0, -0.5, steps=10)
    assert bench.guard.state == "stopped: condition"
    assert "mode.data was last heard of 0." in bench.guard.detail


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


@pytest.mark.parametrize("late_s", [0.8, 2.0])
def test_a_condition_that_comes_late_from_now_on_disables_the_robot(late_s: float) -> None:
    sources = {
        "joints": {"topic": "joint_states", "type": "sensor_msgs/msg/JointState", "max_age_s": 0.2},
        "battery": {"topic": "battery", "type": "sensor_msgs/msg/BatteryState", "max_age_s": 0.5},
    }
    conditions = [{"source": "battery", "field": "present", "equals": True}]
    bench = GuardBench("position", enabled=False, sources=sources, guard={"conditions": conditions})
    late, told = 0.0, 0.0

    def follow_and_tell(steps: int) -> None:
        nonlocal told
        for _ in range(steps):
            if bench.now_s - late > told:
                told = bench.now_s - late
                message = joint_state([], [], stamp_s=told)
                message.present = True
                bench.guard.sense("battery", message, bench.now_s)
            follow(bench, 0.0, 0.0)

    follow_and_tell(60)
    bench.guard.enable(True, bench.now_s)
    follow_and_tell(10)
    assert bench.guard.state == "moving"
    late = late_s
    follow_and_tell(100)
    assert bench.guard.state == "disabled"


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


def test_what_is_pressed_is_said_of_a_robot_that_another_reason_has_latched() -> None:
    bench = real("position")
    follow(bench, 0.0, 0.0, steps=2 * RECOVER)
    bench.guard.watch.latch(Reason.FOLLOWING_ERROR, "it is blocked")
    bench.guard.emergency_stop(True, bench.now_s)
    assert not bench.guard.reset_stop(bench.now_s)
    assert "the emergency stop is pressed" in bench.guard.detail


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
