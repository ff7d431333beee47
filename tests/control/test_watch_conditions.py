"""What the guard makes of conditions that do not hold, are not heard, or are heard late."""

from types import SimpleNamespace

import pytest

from tests.control.guard_bench import RECOVER, GuardBench, follow
from tests.control.robots import joint_state


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
