"""What a robot's YAML asks of message types is checked against the installed ones, by name."""

from typing import Any

import pytest

from robot_mbrl.config import RobotConfig
from robot_mbrl.errors import ConfigError
from ros_nodes.message_types import check_robot, leaf_type, message_type
from tests.control.robots import robot

TYPES = {
    "imu": "sensor_msgs/msg/Imu",
    "battery": "sensor_msgs/msg/BatteryState",
    "speed": "geometry_msgs/msg/TwistWithCovarianceStamped",
    "values": "std_msgs/msg/Float64MultiArray",
    "health": "diagnostic_msgs/msg/DiagnosticArray",
}


def reading(source: str, field: str, transform: str = "none", **changes: Any) -> RobotConfig:
    """A robot that observes one field of one source."""
    raw = robot("velocity").model_dump()
    raw["sources"] |= {name: {"topic": name, "type": kind, "max_age_s": 0.5} for name, kind in TYPES.items()}
    raw["vectors"] = {"v": {"source": source, "elements": [{"name": "x", "field": field, "transform": transform}]}}
    return RobotConfig.model_validate(raw | changes)


@pytest.mark.parametrize(
    ("source", "field", "leaf"),
    [
        ("imu", "angular_velocity.z", "double"),
        ("imu", "orientation_covariance[8]", "double"),
        ("battery", "cell_voltage[3]", "float"),
        ("battery", "present", "boolean"),
        ("speed", "twist.twist.linear.x", "double"),
        ("values", "data[3]", "double"),
        ("values", "layout.dim[0].size", "uint32"),
        ("health", "status[0].level", "octet"),
        ("health", "status[0].values[2].value", "string"),
    ],
)
def test_fields_of_any_installed_type_can_be_observed(source: str, field: str, leaf: str) -> None:
    check_robot(reading(source, field))
    assert leaf_type(TYPES[source], field) == leaf


def test_angles_are_read_of_quaternions() -> None:
    check_robot(reading("imu", "orientation", "yaw"))
    with pytest.raises(ConfigError, match="transform yaw reads a geometry_msgs/Quaternion"):
        check_robot(reading("imu", "angular_velocity", "yaw"))


def turned(field: str, orientation: str) -> RobotConfig:
    """A robot that observes a vector in the frame of its body."""
    element = {"name": "x", "field": field, "transform": "body_x", "orientation": orientation}
    return reading("imu", "angular_velocity.z", vectors={"v": {"source": "imu", "elements": [element]}})


def test_vectors_are_turned_by_quaternions_of_the_same_message() -> None:
    check_robot(turned("linear_acceleration", "orientation"))
    with pytest.raises(ConfigError, match="'orientation' is a geometry_msgs/Quaternion; transform body_x reads a geom"):
        check_robot(turned("orientation", "orientation"))
    with pytest.raises(ConfigError, match="'linear_acceleration' is a geometry_msgs/Vector3; .* geometry_msgs/Quatern"):
        check_robot(turned("angular_velocity", "linear_acceleration"))
    with pytest.raises(ConfigError, match="has no field 'pose'"):
        check_robot(turned("angular_velocity", "pose.orientation"))


@pytest.mark.parametrize(
    ("source", "field", "complaint"),
    [
        ("imu", "angular_velocity.w", "geometry_msgs/Vector3 has no field 'w'; it has x, y, z"),
        ("imu", "angular_velocity", "is a geometry_msgs/Vector3; transform none reads a number"),
        ("imu", "orientation_covariance[9]", "only 9 elements"),
        ("imu", "orientation_covariance", r"is a list of double: say which element, orientation_covariance\[0\]"),
        ("imu", "angular_velocity[0]", "which is no list"),
        ("health", "status.level", "there is no 'level' in a sequence"),
        ("values", "data[0].x", "there is no 'x' in a double"),
        ("values", "data[first]", "no path of fields"),
    ],
)
def test_a_field_that_the_type_does_not_have_is_named_at_the_start(source: str, field: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=rf"^robot 'velocity': vectors.v.elements: x: .*{complaint}"):
        check_robot(reading(source, field))


@pytest.mark.parametrize("kind", ["ur_dashboard_msgs/msg/SafetyMode", "sensor_msgs/msg/Joints"])
def test_a_type_that_is_not_installed_is_named_with_the_remedy(kind: str) -> None:
    sources = {"mode": {"topic": "mode", "type": kind, "max_age_s": 0.5}}
    with pytest.raises(ConfigError, match=rf"^robot 'velocity': sources.mode.type: message type {kind} is not inst"):
        check_robot(reading("imu", "angular_velocity.z", sources={**reading("imu", "x").sources, **sources}))


def test_fields_of_conditions_are_checked_too() -> None:
    guard = reading("imu", "angular_velocity.z").guard.model_dump()
    conditions = [{"source": "battery", "field": "volts", "above": 20.0}]
    with pytest.raises(ConfigError, match=r"guard.conditions on battery.volts: .* has no field 'volts'"):
        check_robot(reading("imu", "angular_velocity.z", guard={**guard, "conditions": conditions}))


def test_a_topic_has_one_type() -> None:
    sources = {"other": {"topic": "imu", "type": "sensor_msgs/msg/MagneticField", "max_age_s": 0.5}}
    with pytest.raises(ConfigError, match=r"sources.other.type: topic imu is read as sensor_msgs/msg/Imu by another"):
        check_robot(reading("imu", "angular_velocity.z", sources={**reading("imu", "x").sources, **sources}))


def test_classes_are_those_of_the_packages() -> None:
    assert message_type("sensor_msgs/msg/Imu").__name__ == "Imu"
