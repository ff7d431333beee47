"""Robots whose YAML would only fail when the robot is about to move are refused when it is read."""

from typing import Any

import pytest
from pydantic import ValidationError

from robot_mbrl.config import RobotConfig, load_run, packaged
from tests.control.robots import COMMANDS, robot


def elements(**changes: Any) -> dict[str, Any]:
    return {"vectors": {"v": {"source": "joints", "elements": [{"name": "x", "field": "position"} | changes]}}}


def command(kind: str, **changes: Any) -> dict[str, Any]:
    return {"commands": [COMMANDS[kind] | changes]}


def joint(kind: str, **changes: Any) -> dict[str, Any]:
    first, *others = COMMANDS[kind]["joints"]
    return command(kind, joints=[{k: v for k, v in (first | changes).items() if v is not None}, *others])


BODY = {"sources": {"body": {"topic": "imu", "type": "sensor_msgs/msg/Imu", "max_age_s": 0.1}}}


@pytest.mark.parametrize(
    ("kind", "changes", "complaint"),
    [
        ("effort", elements(), "needs a joint"),
        ("effort", elements(joint="a", field="angle"), "reads 'angle', none of"),
        ("effort", BODY | command("effort", source="body"), "is no JointState"),
        ("effort", command("effort", source="nowhere"), "no source named 'nowhere'"),
        ("twist", joint("twist", name="forward"), "no axes"),
        ("twist", command("twist", type="std_msgs/msg/Float64MultiArray"), "twist commands, and only those"),
        ("effort", command("effort", type="geometry_msgs/msg/Twist"), "twist commands, and only those"),
        ("position", joint("position", max_acceleration=None), "need max_acceleration"),
        ("position", command("position", source=None), "source to be named"),
        ("velocity", joint("velocity", braking=None), "need braking"),
        ("velocity", joint("velocity", position_low=None), "both position_low and position_high"),
        ("effort", joint("effort", low=10.0), "not below"),
        ("effort", {"choices": [{"name": "left", "values": {"z": 1.0}}]}, "not commanded"),
        ("position", {"home": {"a": 0.0}}, "home must name"),
        ("effort", {"guard": {"action_deadline_s": 0.5}}, "must not exceed command_timeout_s"),
        ("effort", {"guard": {"safe_stopp": "zero"}}, "safe_stopp"),
    ],
)
def test_contradictions_are_named(kind: str, changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        robot(kind, **changes)


def test_joint_of_a_source_that_has_none_is_refused() -> None:
    vectors = {"v": {"source": "body", "elements": [{"name": "x", "field": "angular_velocity.x", "joint": "a"}]}}
    with pytest.raises(ValidationError, match="no JointState"):
        robot("twist", sources=BODY["sources"], vectors=vectors)


@pytest.mark.parametrize("name", packaged("tasks"))
def test_shipped_robots_survive_one_late_action(name: str) -> None:
    """The action after a late one comes up to two periods, and a deadline's jitter, after the one before."""
    config: RobotConfig = load_run(name).robot
    assert config.guard.command_timeout_s > 2.2 * config.period_s
    assert config.guard.action_deadline_s < config.period_s
