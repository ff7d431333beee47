"""Values that take more than one field or one message: turned into the body's frame, and compared over time."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from robot_mbrl import messages
from robot_mbrl.config import RobotConfig
from robot_mbrl.control.observing import Observer, Sensed
from robot_mbrl.control.readings import Measured, cut_picture
from robot_mbrl.control.values import ValueReader
from robot_mbrl.errors import MessageError
from robot_mbrl.sensor_config import CameraConfig, CropConfig, SourceConfig, ValueConfig
from tests.control.robots import COMMANDS, GUARD, joint_state

SOURCES = {
    "joints": {"topic": "joint_states", "type": "sensor_msgs/msg/JointState", "max_age_s": 0.2},
    "imu": {"topic": "imu", "type": "sensor_msgs/msg/Imu", "max_age_s": 0.2},
    "tracker": {"topic": "pose", "type": "geometry_msgs/msg/PoseStamped", "max_age_s": 0.5},
}
WALK = {"source": "tracker", "field": "pose.position", "transform": "body_x", "orientation": "pose.orientation"}


def robot(*elements: dict[str, Any], **vector: Any) -> RobotConfig:
    return RobotConfig.model_validate(
        {
            "name": "r",
            "control_rate_hz": 20.0,
            "sources": SOURCES,
            "vectors": {"body": {"elements": elements} | vector},
            "commands": [COMMANDS["twist"]],
            "guard": GUARD,
        }
    )


def quaternion(matrix: np.ndarray) -> SimpleNamespace:
    """Of a rotation matrix of less than half a turn."""
    w = math.sqrt(1.0 + np.trace(matrix)) / 2.0
    x, y, z = (matrix[i, j] - matrix[j, i] for i, j in ((2, 1), (0, 2), (1, 0)))
    return SimpleNamespace(x=x / (4 * w), y=y / (4 * w), z=z / (4 * w), w=w)


def rotation(roll: float = 0.0, pitch: float = 0.0, yaw: float = 0.0) -> np.ndarray:
    """By Euler's angles about the fixed axes x, y and z, one after the other."""
    sines, cosines = np.sin([roll, pitch, yaw]), np.cos([roll, pitch, yaw])
    about_x = np.array([[1, 0, 0], [0, cosines[0], -sines[0]], [0, sines[0], cosines[0]]])
    about_y = np.array([[cosines[1], 0, sines[1]], [0, 1, 0], [-sines[1], 0, cosines[1]]])
    about_z = np.array([[cosines[2], -sines[2], 0], [sines[2], cosines[2], 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def pose(place: Any, matrix: np.ndarray | None = None, at_s: float = 0.0) -> SimpleNamespace:
    header = SimpleNamespace(frame_id="", stamp=SimpleNamespace(sec=0, nanosec=0))
    messages.write_stamp(header.stamp, round(at_s * messages.NANOSECONDS))
    position = SimpleNamespace(**dict(zip("xyz", map(float, place), strict=True)))
    turned = quaternion(np.eye(3) if matrix is None else matrix)
    return SimpleNamespace(header=header, pose=SimpleNamespace(position=position, orientation=turned))


def values(observer: Observer, now_s: float) -> dict[str, float]:
    result = observer.assemble(now_s)
    assert isinstance(result, Sensed), result
    return result.values


def test_a_vector_may_have_several_sources_each_of_which_ages() -> None:
    leg = {"name": "knee", "source": "joints", "field": "position", "joint": "a"}
    config = robot({"name": "spin", "field": "angular_velocity.z"}, leg, source="imu")
    observer = Observer(config)
    observer.receive("joints", joint_state(["a"], [0.7]), 1.0)
    observer.receive("imu", SimpleNamespace(angular_velocity=SimpleNamespace(z=0.3)), 1.1)
    assert values(observer, 1.15) == {"knee": 0.7, "spin": 0.3}
    assert [(vector, source, value.name) for vector, source, value in config.values()] == [
        ("body", "imu", "spin"),
        ("body", "joints", "knee"),
    ]
    assert observer.assemble(1.25).source == "joints"


@pytest.mark.parametrize("angles", [(0.0, 0.0, 0.0), (0.4, -0.3, 1.2), (-1.0, 0.9, -2.0), (3.0, 0.1, 0.2)])
def test_a_vector_is_turned_into_the_frame_of_the_body(angles: tuple[float, float, float]) -> None:
    matrix, velocity = rotation(*angles), np.array([0.5, -1.0, 2.0])
    parts = [
        ValueReader(ValueConfig(name=axis, field="v", transform=axis, orientation="q"))
        for axis in ("body_x", "body_y", "body_z")
    ]
    message = SimpleNamespace(v=SimpleNamespace(**dict(zip("xyz", velocity, strict=True))), q=quaternion(matrix))
    for part in parts:
        part.take(part.read(message), 1.0)
    assert [part.value for part in parts] == pytest.approx(matrix.T @ velocity)


def test_speed_ahead_is_told_from_a_tracker_of_poses() -> None:
    """A robot that walks to the left of the room's x axis while it turns: only what it makes ahead counts."""
    observer = Observer(robot({"name": "ahead", "difference_s": 0.1} | WALK))
    for tick in range(40):
        at_s, turned = 0.02 * tick, 0.5 + 0.1 * tick * 0.02
        observer.receive("tracker", pose((0.3 * at_s, 0.4 * at_s, 0.0), rotation(yaw=turned)), at_s)
    assert values(observer, at_s)["ahead"] == pytest.approx(0.3 * math.cos(turned) + 0.4 * math.sin(turned))


def test_a_difference_is_the_mean_over_its_time_whatever_messages_jitter() -> None:
    reader = ValueReader(ValueConfig(name="rate", field="x", difference_s=0.2))
    rng = np.random.default_rng(1)
    times = np.cumsum(rng.uniform(0.005, 0.05, 60))
    for at_s in times:
        reader.take(reader.read(SimpleNamespace(x=math.sin(at_s))), at_s)
        earlier = times[times <= at_s - 0.2]
        if len(earlier):
            then_s = earlier[-1]
            assert reader.value == pytest.approx((math.sin(at_s) - math.sin(then_s)) / (at_s - then_s))


def test_a_difference_begins_as_of_a_robot_that_has_rested() -> None:
    """Two messages at nearly the same time would else seem to be a great speed."""
    reader = ValueReader(ValueConfig(name="rate", field="x", difference_s=0.2))
    reader.take(reader.read(SimpleNamespace(x=1.0)), 5.0)
    assert reader.value == 0.0
    reader.take(reader.read(SimpleNamespace(x=1.01)), 5.001)
    assert reader.value == pytest.approx(0.01 / 0.2)


def test_angles_are_compared_across_the_half_turn() -> None:
    element = ValueConfig(name="turn_rate", field="pose.orientation", transform="yaw", difference_s=0.1)
    reader = ValueReader(element)
    for tick in range(80):
        yaw = math.remainder(1.5 * tick * 0.05, math.tau)
        if abs(yaw) > 3.1:
            continue  # The test's own quaternions fail at half a turn.
        reader.take(reader.read(pose((0, 0, 0), rotation(yaw=yaw))), 0.05 * tick)
        assert tick < 2 or reader.value == pytest.approx(1.5)


def test_a_reset_and_a_long_silence_are_no_motion() -> None:
    observer = Observer(robot({"name": "ahead", "difference_s": 0.1} | WALK))
    for tick in range(10):
        observer.receive("tracker", pose((0.5 * tick * 0.05, 0, 0)), 0.05 * tick)
    assert values(observer, 0.45)["ahead"] == pytest.approx(0.5)
    # The simulator puts it back to its start; its first reading may be there before the reset is said to be over.
    observer.receive("tracker", pose((-7.0, 0, 0)), 0.5)
    observer.begin(0.46)
    assert values(observer, 0.5)["ahead"] == 0.0
    observer.receive("tracker", pose((-6.98, 0, 0)), 0.55)
    assert values(observer, 0.55)["ahead"] == pytest.approx(0.02 / 0.1)
    observer.receive("tracker", pose((3.0, 0, 0)), 2.0)
    assert values(observer, 2.0)["ahead"] == 0.0


def test_the_same_reading_again_changes_no_difference() -> None:
    """As a simulator in lockstep repeats what it waits with."""
    reader = ValueReader(ValueConfig(name="rate", field="x", difference_s=0.1))
    for tick in range(5):
        for _ in range(3):
            reader.take(reader.read(SimpleNamespace(x=0.2 * tick * 0.05)), 0.05 * tick)
    assert reader.value == pytest.approx(0.2)


def test_an_orientation_without_a_direction_is_refused() -> None:
    observer = Observer(robot(WALK | {"name": "ahead"}))
    message = pose((1, 2, 3))
    message.pose.orientation = SimpleNamespace(x=0.0, y=0.0, z=0.0, w=0.0)
    with pytest.raises(MessageError, match="ahead is not finite"):
        observer.receive("tracker", message, 1.0)


@pytest.mark.parametrize(
    ("element", "vector", "complaint"),
    [
        ({"name": "x", "field": "pose.position.x"}, {}, r"source: \['x'\] have none; name one for the whole vector"),
        ({"name": "x", "field": "pose.position", "transform": "body_x"}, {"source": "tracker"}, "which need it"),
        ({"name": "x", "field": "pose.position.x", "orientation": "q"}, {"source": "tracker"}, "orientation belongs"),
        ({"name": "x", "field": "position", "joint": "a", "transform": "yaw"}, {"source": "joints"}, "reads a number"),
        ({"name": "x", "field": "position", "joint": "a", "source": "nose"}, {}, "no source named 'nose'"),
    ],
)
def test_what_cannot_be_read_is_named(element: dict[str, Any], vector: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        robot(element, **vector)


def noted(*, synchronised: bool, way_s: float, ahead_s: float = 1000.0) -> float:
    """How old a message counts at its arrival that always took so long."""
    source = SourceConfig.model_validate(SOURCES["tracker"] | {"synchronised": synchronised})
    measured = Measured(source, stamps=True, ahead_s=lambda: ahead_s)
    for tick in range(5):
        arrival_s = 50.0 + 0.05 * tick
        measured.note(pose((0, 0, 0), at_s=arrival_s + 1000.0 - way_s), arrival_s)
    return arrival_s - measured.at_s


def test_readings_of_a_synchronised_clock_are_as_old_as_their_stamps_say() -> None:
    assert noted(synchronised=True, way_s=0.08) == pytest.approx(0.08)
    assert noted(synchronised=False, way_s=0.08) == pytest.approx(0.0)


def test_a_clock_that_is_not_as_it_is_said_to_be_makes_nothing_younger() -> None:
    assert noted(synchronised=True, way_s=-0.5) == pytest.approx(0.0)


def test_pictures_are_cut_by_shares_of_their_size_before_they_are_resized() -> None:
    picture = np.arange(40 * 80 * 3, dtype=np.uint32).reshape(40, 80, 3)
    cut = cut_picture(picture, CropConfig(left=0.25, right=0.75, top=0.1))
    assert np.array_equal(cut, picture[4:40, 20:60])
    camera = CameraConfig.model_validate({"source": "eye", "crop": {"left": 0.25, "right": 0.75, "bottom": 0.5}})
    # A simulated camera takes so large a picture that what is cut out need not be resized.
    whole = np.zeros((camera.taken.height, camera.taken.width, 3))
    assert cut_picture(whole, camera.crop).shape == camera.image.shape
    with pytest.raises(ValidationError, match="nothing is left of the picture"):
        CropConfig(left=0.6, right=0.5)
    assert cut_picture(picture, CropConfig(left=0.999, right=1.0)).shape == (40, 1, 3)
