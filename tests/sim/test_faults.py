"""Faults as described: read from YAML, drawn from the seed, each doing to drives and messages what its kind says."""

import math
from pathlib import Path
from typing import Any

import pytest

from robot_mbrl.config import load_run
from robot_mbrl.errors import ConfigError
from robot_mbrl.messages import read_stamp, write_stamp
from sim import faults as faults_package
from sim.faults import Delivery, Faults, FaultyWorld, Wire, load_faults, no_faults
from sim.plant import Plant
from sim.worlds import make_world
from sim.worlds.world import ImageReading, JointReading
from tests.control.robots import robot

PERIOD_S = 0.01
EXAMPLE = Path(faults_package.__file__).parent / "example.yaml"


def described(*faults: dict[str, Any], seed: int = 0) -> Faults:
    return Faults.model_validate({"seed": seed, "faults": list(faults)})


def reading(position: float = 0.5, stamp_s: float = 0.0, names: tuple[str, ...] = ("a", "b")) -> JointReading:
    count = len(names)
    result = JointReading(list(names), [position] * count, [0.1] * count, [0.0] * count)
    write_stamp(result.header.stamp, round((100.0 + stamp_s) * 1e9))
    return result


def arrivals(faults: Faults, duration_s: float, **kwargs: Any) -> list[tuple[float, Delivery]]:
    """What arrives when of a reading sent every 10 ms, whose position is the number of the message."""
    wire, result = Wire(faults), []
    for tick in range(round(duration_s / PERIOD_S)):
        now_s = tick * PERIOD_S
        wire.send("joints", reading(float(tick), now_s, **kwargs), now_s)
        result += [(now_s, delivery) for delivery in wire.deliveries(now_s)]
    return result


def positions(found: list[tuple[float, Delivery]]) -> list[float]:
    return [delivery.reading.position[0] for _, delivery in found]


def stamps_s(found: list[tuple[float, Delivery]]) -> list[float]:
    return [read_stamp(delivery.reading.header.stamp) / 1e9 - 100.0 for _, delivery in found]


class Arm:
    """A joint on the plant, told one thing again and again."""

    def __init__(self, kind: str, *faults: dict[str, Any]) -> None:
        self.plant = Plant(robot(kind))
        self.world = FaultyWorld(self.plant, described(*faults))

    def drive(self, command: float, duration_s: float) -> float:
        for _ in range(round(duration_s / PERIOD_S)):
            self.world.apply({"a": command, "b": 0.0})
            self.world.advance(PERIOD_S)
        return self.plant.joints["a"].position


def test_the_packaged_example_is_read_and_fits_every_packaged_robot() -> None:
    assert len(load_faults(EXAMPLE).faults) > 5
    for task in ("cartpole", "pendulum", "reacher"):
        load_faults(EXAMPLE, load_run(task).robot)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("faults: [{kind: servo_lag}]", r"faults\.0.*lag_s.*required"),
        ("faults: [{kind: gremlins}]", r"faults\.0.*gremlins"),
        ("faults: [{kind: noise, position: -1}]", r"faults\.0.*position"),
        ("faults: [{kind: drop_out, per_minute: 3}]", "give duration_s"),
        ("faults: [{kind: blocked, joints: [knee]}]", r"faults\.0\.joints: robot 'position' has no \['knee'\]"),
        ("faults: [{kind: burst, sources: [sonar]}]", r"faults\.0\.sources: robot 'position' has no \['sonar'\]"),
        ("seed: -1", "seed"),
    ],
)
def test_a_wrong_description_is_refused_by_file_and_field(text: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "faults.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=words) as refusal:
        load_faults(file, robot("position"))
    assert str(file) in str(refusal.value)


def test_no_file_is_no_fault() -> None:
    assert load_faults("") == no_faults()
    assert positions(arrivals(no_faults(), 0.05)) == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_moments_are_drawn_from_the_seed_at_the_rate_that_is_asked_for() -> None:
    fault = {"kind": "drop_out", "per_minute": 60, "duration_s": 0.05}
    lost = [6000 - len(arrivals(described(fault, seed=seed), 60.0)) for seed in (0, 0, 1)]
    assert lost[0] == lost[1] != lost[2]
    assert all(0.6 * 300 < count < 1.4 * 300 for count in lost)


def test_another_fault_in_the_description_leaves_the_others_where_they_were() -> None:
    burst = {"kind": "drop_out", "per_minute": 30, "duration_s": 0.1}
    alone = positions(arrivals(described(burst), 20.0))
    assert positions(arrivals(described(burst, {"kind": "repeated", "share": 0.0}), 20.0)) == alone


def test_a_servo_that_lags_has_made_63_percent_of_a_step_after_its_time_constant() -> None:
    arm = Arm("velocity", {"kind": "servo_lag", "lag_s": 0.1})
    arm.drive(1.0, 0.1)
    assert arm.plant.joints["a"].velocity == pytest.approx(1.0 - math.exp(-1.0), abs=0.02)


def test_a_drive_with_dead_time_does_nothing_at_first() -> None:
    arm = Arm("velocity", {"kind": "dead_time", "delay_s": 0.05})
    assert arm.drive(1.0, 0.05) == 0.0
    assert arm.drive(1.0, 0.05) > 0.04


def test_an_underdamped_drive_swings_past_by_what_its_damping_says() -> None:
    arm = Arm("velocity", {"kind": "overshoot", "lag_s": 0.02, "damping": 0.4})
    fastest = 0.0
    for _ in range(100):
        arm.drive(1.0, PERIOD_S)
        fastest = max(fastest, arm.plant.joints["a"].velocity)
    assert fastest == pytest.approx(1.0 + math.exp(-math.pi * 0.4 / math.sqrt(1.0 - 0.16)), abs=0.03)


@pytest.mark.parametrize("kind", ["position", "velocity", "effort"])
def test_a_blocked_joint_stays_and_moves_again_when_it_is_free(kind: str) -> None:
    arm = Arm(kind, {"kind": "blocked", "joints": ["a"], "duration_s": 0.2})
    assert arm.drive(0.5, 0.2) == 0.0
    assert arm.drive(0.5, 0.3) > 0.01


def test_a_slipping_joint_makes_a_share_of_its_motion() -> None:
    assert Arm("velocity", {"kind": "slipping", "share": 0.5}).drive(1.0, 0.4) == pytest.approx(0.2)


def test_a_position_arm_that_is_pushed_comes_back_when_it_is_let_go() -> None:
    arm = Arm("position", {"kind": "moved_by_hand", "push": 0.5, "start_s": 0.1, "duration_s": 0.4, "joints": ["a"]})
    arm.drive(0.0, 0.1)
    assert arm.drive(0.0, 0.4) == pytest.approx(0.2, abs=0.02)
    assert arm.drive(0.0, 1.0) == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize("name", ["cartpole", "reacher"])
def test_a_blocked_joint_of_a_simulated_world_stays_too(name: str) -> None:
    world = FaultyWorld(make_world(name), described({"kind": "blocked", "duration_s": 0.5}))
    before = dict(world.positions())
    moved = []
    for duration_s in (0.5, 0.5):
        for _ in range(round(duration_s / PERIOD_S)):
            world.apply(dict.fromkeys(before, 2.0))
            world.advance(PERIOD_S)
        moved.append(max(abs(world.positions()[joint] - place) for joint, place in before.items()))
    world.close()
    assert moved[0] < 0.01 < 0.1 < moved[1]


def test_a_frozen_reading_keeps_its_stamp_or_is_stamped_anew() -> None:
    for stamp in ("old", "fresh"):
        found = arrivals(described({"kind": "frozen", "stamp": stamp, "start_s": 0.03, "duration_s": 0.02}), 0.07)
        assert positions(found) == [0.0, 1.0, 2.0, 3.0, 3.0, 5.0, 6.0]
        assert stamps_s(found)[4] == pytest.approx(0.03 if stamp == "old" else 0.04, abs=1e-6)
        assert [delivery.honest for _, delivery in found] == [True, True, True, True, False, True, True]


def test_stamps_jump_and_stand_still() -> None:
    jumping = arrivals(described({"kind": "stamp_jump", "offset_s": -5.0, "start_s": 0.02, "duration_s": 0.01}), 0.04)
    assert stamps_s(jumping) == pytest.approx([0.0, 0.01, -4.98, 0.03], abs=1e-6)
    still = arrivals(described({"kind": "stamp_still", "start_s": 0.01, "duration_s": 0.02}), 0.04)
    assert stamps_s(still) == pytest.approx([0.0, 0.01, 0.01, 0.03], abs=1e-6)
    assert positions(still) == [0.0, 1.0, 2.0, 3.0]


def test_messages_are_lost_delayed_and_come_all_at_once() -> None:
    assert positions(arrivals(described({"kind": "drop_out", "start_s": 0.01, "duration_s": 0.02}), 0.05)) == [0, 3, 4]
    late = arrivals(described({"kind": "delay", "delay_s": 0.02}), 0.05)
    assert [round(at_s, 3) for at_s, _ in late] == [0.02, 0.03, 0.04]
    burst = arrivals(described({"kind": "burst", "start_s": 0.01, "duration_s": 0.02}), 0.05)
    assert positions(burst) == [0, 1, 2, 3, 4]
    assert [round(at_s, 3) for at_s, _ in burst] == [0.0, 0.03, 0.03, 0.03, 0.04]


def test_messages_overtake_one_another_and_come_twice() -> None:
    mixed = positions(arrivals(described({"kind": "reordered", "share": 0.5}), 1.0))
    assert mixed != sorted(mixed)
    assert set(range(98)) <= set(map(int, mixed))
    twice = positions(arrivals(described({"kind": "repeated", "share": 1.0}), 0.03))
    assert sorted(twice) == [0, 0, 1, 1, 2, 2]


def test_joints_come_in_several_messages_of_one_publisher_or_of_several() -> None:
    for publishers in ("one", "several"):
        found = [item for _, item in arrivals(described({"kind": "split", "publishers": publishers}), 0.01)]
        assert [item.reading.name for item in found] == [["a"], ["b"]]
        assert [item.publisher for item in found] == ([0, 0] if publishers == "one" else [0, 1])


def test_a_second_publisher_says_something_else() -> None:
    found = [item for _, item in arrivals(described({"kind": "contradiction", "value": 7.0}), 0.01)]
    assert [(item.publisher, item.reading.position, item.honest) for item in found] == [
        (0, [0.0, 0.0], True),
        (1, [7.0, 7.0], False),
    ]


def test_a_driver_dies_hears_nothing_and_comes_back_with_zeros() -> None:
    faults = described({"kind": "driver_death", "start_s": 0.02, "duration_s": 0.03, "zeros_s": 0.02})
    assert positions(arrivals(faults, 0.1)) == [0, 1, 0, 0, 7, 8, 9]
    wire = Wire(faults)
    wire.command({"a": 1.0}, 0.03)
    assert list(wire.commands(0.03)) == []
    wire.command({"a": 2.0}, 0.06)
    assert list(wire.commands(0.06)) == [{"a": 2.0}]


def test_a_deaf_driver_does_nothing_and_a_slow_bus_does_it_later_and_in_order() -> None:
    deaf = Wire(described({"kind": "deaf"}))
    deaf.command({"a": 1.0}, 0.0)
    assert list(deaf.commands(1.0)) == []
    slow = Wire(described({"kind": "command_delay", "delay_s": 0.05, "jitter_s": 0.1}))
    for value in range(5):
        slow.command({"a": float(value)}, 0.01 * value)
    assert list(slow.commands(0.04)) == []
    assert slow.next_s >= 0.05
    assert [values["a"] for values in slow.commands(1.0)] == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_one_reading_is_impossible_and_angles_wrap_scatter_and_come_in_steps() -> None:
    faults = described({"kind": "impossible_reading", "value": 99.0, "start_s": 0.01, "joints": ["a"]})
    assert positions(arrivals(faults, 0.04)) == [0, 99, 2, 3]
    wrapped = positions(arrivals(described({"kind": "wrapping"}), 0.05))
    assert wrapped == pytest.approx([0.0, 1.0, 2.0, 3.0, 4.0 - 2 * math.pi])
    assert positions(arrivals(described({"kind": "quantisation", "step": 2.0}), 0.03)) == [0.0, 0.0, 2.0]
    noisy = [x - i for i, x in enumerate(positions(arrivals(described({"kind": "noise", "position": 0.1}), 10.0)))]
    assert 0.09 < math.sqrt(sum(x * x for x in noisy) / len(noisy)) < 0.11


def test_pictures_are_damaged_or_of_an_encoding_that_nobody_knows() -> None:
    def picture(*faults: dict[str, Any]) -> Any:
        from array import array

        wire = Wire(described(*faults))
        wire.send("camera", ImageReading(2, 2, "rgb8", 6, array("B", bytes(12))), 0.0)
        return next(wire.deliveries(0.0)).reading

    assert len(picture({"kind": "damaged_pictures", "share": 1.0}).data) < 12
    assert picture({"kind": "unknown_encoding", "encoding": "x"}).encoding == "x"
    assert len(picture().data) == 12
