"""Laser scans: how near things are as values, and as conditions for motion; infinity means that nothing is there."""

import math
from types import SimpleNamespace
from typing import Any

import pytest

from robot_mbrl.config import RobotConfig, load_run
from robot_mbrl.control.conditions import Conditions
from robot_mbrl.control.values import ValueReader
from robot_mbrl.errors import MessageError
from robot_mbrl.sensor_config import ValueConfig
from tests.control.robots import COMMANDS, GUARD

NEAR = ValueConfig(name="near", field="ranges[1]", transform="inverse", unit="1/m")


def scan(*ranges: float) -> Any:
    return SimpleNamespace(ranges=list(ranges))


@pytest.mark.parametrize(("distance_m", "expected"), [(2.0, 0.5), (0.25, 4.0), (math.inf, 0.0)])
def test_nearness_is_one_over_the_distance_and_nothing_is_far_away(distance_m: float, expected: float) -> None:
    assert ValueReader(NEAR).read(scan(9.0, distance_m)).parts == (expected,)


@pytest.mark.parametrize("distance_m", [math.nan, -math.inf, 0.0, -1.0])
def test_what_is_no_distance_is_refused(distance_m: float) -> None:
    with pytest.raises(MessageError, match="near is not finite"):
        ValueReader(NEAR).read(scan(9.0, distance_m))


def conditions(type_name: str) -> Conditions:
    robot = RobotConfig.model_validate(
        {
            "name": "r",
            "control_rate_hz": 20.0,
            "sources": {"scan": {"topic": "scan", "type": type_name, "max_age_s": 1.0}},
            "commands": [COMMANDS["twist"]],
            "guard": GUARD | {"conditions": [{"source": "scan", "field": "ranges[0]", "above": 0.35}]},
        }
    )
    return Conditions(robot, simulated=True)


@pytest.mark.parametrize(
    ("distance_m", "trouble"),
    [
        (0.4, ""),
        (math.inf, ""),
        (0.3, "scan.ranges[0] is 0.3, not above 0.35"),
        (math.nan, "scan.ranges[0] is nan, which is no number"),
        (-math.inf, "scan.ranges[0] is -inf, which is no number"),
    ],
)
def test_robot_stops_before_what_is_near_and_before_what_is_unknown(distance_m: float, trouble: str) -> None:
    gate = conditions("sensor_msgs/msg/LaserScan")
    gate.sense("scan", scan(distance_m), 10.0)
    assert gate.trouble(10.0) == trouble


def test_infinity_is_no_number_of_other_sensors() -> None:
    gate = conditions("sensor_msgs/msg/BatteryState")
    gate.sense("scan", scan(math.inf), 10.0)
    assert gate.trouble(10.0) == "scan.ranges[0] is inf, which is no number"


def test_husky_looks_ahead_with_its_scanner() -> None:
    fields = [condition.field for condition in load_run("husky-goal").robot.guard.conditions]
    degrees = [int(field.removeprefix("ranges[").removesuffix("]")) - 135 for field in fields]
    assert (min(degrees), max(degrees)) == (-50, 50)
