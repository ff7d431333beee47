"""Trackers in a robot's YAML: what contradicts itself is refused, and what is followed is a source of the robot's."""

from typing import Any

import pytest
from pydantic import ValidationError

from robot_mbrl.config import RobotConfig, load_run
from tests.control.robots import COMMANDS, GUARD

POINT = {"topic": "tracker/point", "type": "geometry_msgs/msg/PointStamped", "max_age_s": 1.0}
CAMERA = {"topic": "camera/image_raw", "type": "sensor_msgs/msg/Image", "max_age_s": 1.0}
TRACKER = {"camera": "camera", "low": [95, 120, 50], "high": [125, 255, 255]}


def robot(name: str = "ball", **changes: Any) -> RobotConfig:
    fields = {
        "name": "r",
        "control_rate_hz": 2.0,
        "sources": {"ball": POINT, "camera": CAMERA},
        "trackers": {name: TRACKER | changes},
        "commands": [COMMANDS["twist"]],
        "guard": GUARD | {"command_timeout_s": 1.2},
    }
    return RobotConfig.model_validate(fields)


def test_a_tracker_feeds_a_source_of_its_name() -> None:
    assert robot().trackers["ball"].camera == "camera"


@pytest.mark.parametrize(
    ("name", "changes", "complaint"),
    [
        ("cube", {}, r"trackers.cube: no source named 'cube'"),
        ("camera", {}, r"trackers.camera: source 'camera' is of the wrong type"),
        ("ball", {"camera": "ball"}, r"trackers.ball.camera: source 'ball' is of the wrong type"),
        ("ball", {"low": [200, 0, 0]}, "less than or equal to 179"),
        ("ball", {"area": {"left": 0.9, "right": 0.1}}, "left is below right"),
        ("ball", {"fewest_pixels": 0}, "greater than"),
    ],
)
def test_what_cannot_be_followed_is_refused(name: str, changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        robot(name, **changes)


def test_a_tracker_sends_points() -> None:
    with pytest.raises(ValidationError, match="a tracker sends geometry_msgs/msg/PointStamped; its source is of type"):
        RobotConfig.model_validate(
            robot().model_dump(mode="json")
            | {"sources": {"ball": POINT | {"type": "std_msgs/msg/Bool"}, "camera": CAMERA}}
        )


def test_a_camera_that_only_a_tracker_looks_at_takes_pictures_all_the_same() -> None:
    assert load_run("sphero-navigate", {"task.observe": ["place"]}).taken_pictures().keys() == {"camera"}
