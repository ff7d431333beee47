"""What is made of a driver's messages."""

import math
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from robot_mbrl import messages
from robot_mbrl.config import RobotConfig
from robot_mbrl.control.observing import Observer, Sensed, Stale
from robot_mbrl.control.readings import fit_picture
from robot_mbrl.errors import MessageError
from robot_mbrl.specs import ImageSpec
from tests.control.robots import COMMANDS, GUARD, joint_state

SOURCES = {
    "joints": {"topic": "joint_states", "type": "sensor_msgs/msg/JointState", "max_age_s": 0.2},
    "imu": {"topic": "imu", "type": "sensor_msgs/msg/Imu", "max_age_s": 0.1},
    "wrench": {"topic": "ft", "type": "geometry_msgs/msg/WrenchStamped", "max_age_s": 0.1},
    "odometry": {"topic": "odom", "type": "nav_msgs/msg/Odometry", "max_age_s": 0.5},
    "program": {"topic": "program_running", "type": "std_msgs/msg/Bool", "max_age_s": None, "latched": True},
    "camera": {"topic": "image_raw", "type": "sensor_msgs/msg/Image", "max_age_s": 0.3},
}
VECTORS = {
    "arm": {
        "source": "joints",
        "elements": [
            {"name": "elbow", "field": "position", "joint": "b"},
            {"name": "elbow_sin", "field": "position", "joint": "b", "transform": "sin"},
            {"name": "shoulder_velocity", "field": "velocity", "joint": "a"},
        ],
    },
    "body": {
        "source": "imu",
        "elements": [
            {"name": "roll", "field": "orientation", "transform": "roll"},
            {"name": "pitch", "field": "orientation", "transform": "pitch"},
            {"name": "yaw", "field": "orientation", "transform": "yaw"},
            {"name": "spin", "field": "angular_velocity.z"},
        ],
    },
    "hand": {"source": "wrench", "elements": [{"name": "force", "field": "wrench.force.z"}]},
    "program": {"source": "program", "elements": [{"name": "program_runs", "field": "data"}]},
    "place": {"source": "odometry", "elements": [{"name": "x", "field": "pose.pose.position.x"}]},
}


def robot(*vectors: str) -> RobotConfig:
    return RobotConfig.model_validate(
        {
            "name": "r",
            "control_rate_hz": 20.0,
            "sources": SOURCES,
            "vectors": {name: VECTORS[name] for name in vectors},
            "cameras": {"eye": {"source": "camera", "image": {"height": 8, "width": 8}}},
            "commands": [COMMANDS["twist"]],
            "guard": GUARD,
        }
    )


def joints(**changes: Any) -> SimpleNamespace:
    # More joints than wanted, in an order of the driver's own, with an effort that it does not measure.
    fields = {"names": ["b", "c", "a"], "position": [0.5, 9.0, 0.1], "velocity": [5.0, 9.0, 1.0]} | changes
    return joint_state(fields["names"], fields["position"], fields["velocity"], [math.nan] * 3)


def imu(roll: float = 0.0, pitch: float = 0.0, yaw: float = 0.0, scale: float = 1.0) -> SimpleNamespace:
    (sr, sp, sy), (cr, cp, cy) = np.sin(np.array([roll, pitch, yaw]) / 2), np.cos(np.array([roll, pitch, yaw]) / 2)
    quaternion = SimpleNamespace(
        x=scale * (sr * cp * cy - cr * sp * sy),
        y=scale * (cr * sp * cy + sr * cp * sy),
        z=scale * (cr * cp * sy - sr * sp * cy),
        w=scale * (cr * cp * cy + sr * sp * sy),
    )
    header = SimpleNamespace(frame_id="imu_link")
    return SimpleNamespace(header=header, orientation=quaternion, angular_velocity=SimpleNamespace(z=0.3))


def image(picture: np.ndarray, encoding: str) -> SimpleNamespace:
    height, width = picture.shape[:2]
    return SimpleNamespace(
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=0,
        step=picture.strides[0],
        data=picture.tobytes(),
    )


def sensed(observer: Observer, now_s: float) -> Sensed:
    result = observer.assemble(now_s)
    assert isinstance(result, Sensed), result
    return result


def test_joints_are_read_by_name_and_transformed() -> None:
    observer = Observer(robot("arm"))
    observer.receive("joints", joints(), 1.0)
    values = sensed(observer, 1.05).values
    assert values == {"elbow": 0.5, "elbow_sin": pytest.approx(math.sin(0.5)), "shoulder_velocity": 1.0}
    assert sensed(observer, 1.05).ages_s == {"joints": pytest.approx(0.05)}


def test_values_stand_in_the_order_of_the_yaml_whatever_order_joints_come_in() -> None:
    observer = Observer(robot("arm", "body"))
    observer.receive("joints", joint_state(["a"], [0.1], [1.0]), 1.0)
    observer.receive("joints", joint_state(["b"], [0.5]), 1.0)
    observer.receive("imu", imu(), 1.0)
    assert list(sensed(observer, 1.0).values) == [
        *("elbow", "elbow_sin", "shoulder_velocity"),
        *("roll", "pitch", "yaw", "spin"),
    ]


def test_latched_source_counts_for_ever_once_it_was_heard() -> None:
    observer = Observer(robot("program"))
    assert isinstance(observer.assemble(1.0), Stale)
    observer.receive("program", SimpleNamespace(data=True), 1.0)
    assert sensed(observer, 1e6).values == {"program_runs": 1.0}
    assert sensed(observer, 1e6).ages_s == {"program": 0.0}
    assert observer.current(1e6, cameras=True)


@pytest.mark.parametrize("angles", [(0.1, -0.2, 0.3), (-3.0, 1.5, 3.0), (0.0, math.pi / 2, 0.0)])
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_angles_are_read_from_quaternions(angles: tuple[float, float, float], scale: float) -> None:
    observer = Observer(robot("body"))
    observer.receive("imu", imu(*angles, scale=scale), 1.0)
    values = sensed(observer, 1.0).values
    assert [values[name] for name in ("roll", "pitch", "yaw")] == pytest.approx(angles, abs=1e-6)
    assert values["spin"] == 0.3


def test_nested_fields_are_read_by_path() -> None:
    observer = Observer(robot("hand", "place"))
    observer.receive("wrench", SimpleNamespace(wrench=SimpleNamespace(force=SimpleNamespace(z=-2.0))), 1.0)
    position = SimpleNamespace(position=SimpleNamespace(x=4.0))
    observer.receive("odometry", SimpleNamespace(pose=SimpleNamespace(pose=position)), 1.0)
    assert sensed(observer, 1.0).values == {"force": -2.0, "x": 4.0}


def test_source_that_was_never_heard_or_is_too_old_is_named() -> None:
    observer = Observer(robot("arm", "body"))
    observer.receive("joints", joints(), 1.0)
    never = observer.assemble(1.0)
    assert never == Stale("imu", math.inf)
    assert "'imu' has sent nothing" in str(never)
    observer.receive("imu", imu(), 1.0)
    assert sensed(observer, 1.05).ages_s["imu"] == pytest.approx(0.05)
    stale = observer.assemble(1.15)
    assert isinstance(stale, Stale)
    assert (stale.source, stale.age_s) == ("imu", pytest.approx(0.15))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_message_with_a_wanted_value_that_is_not_finite_is_refused_as_a_whole(bad: float) -> None:
    observer = Observer(robot("arm"))
    observer.receive("joints", joints(), 1.0)
    with pytest.raises(MessageError, match="not finite"):
        observer.receive("joints", joints(position=[bad, 0.0, 0.7]), 1.1)
    assert sensed(observer, 1.1).values["elbow"] == 0.5
    assert observer.newest_s("joints") == 1.0


def test_quaternion_without_a_direction_is_refused() -> None:
    with pytest.raises(MessageError, match="roll is not finite"):
        Observer(robot("body")).receive("imu", imu(scale=0.0), 1.0)


def test_joint_states_of_another_device_on_the_same_topic_are_ignored() -> None:
    observer = Observer(robot("arm"))
    observer.receive("joints", joint_state(["gripper"], [0.2]), 1.0)
    assert isinstance(observer.assemble(1.0), Stale)


def test_a_velocity_that_the_driver_does_not_measure_is_said_to_be_missing() -> None:
    """Many drivers leave the field empty: to call that "not finite" sends people looking in the wrong place."""
    with pytest.raises(MessageError, match="velocity of joint 'a' is not given"):
        Observer(robot("arm")).receive("joints", joints(velocity=[]), 1.1)


def test_joint_state_that_names_a_joint_twice_is_refused() -> None:
    observer = Observer(robot("arm"))
    with pytest.raises(MessageError, match="joint 'b' is named twice"):
        observer.receive("joints", joints(names=["b", "a", "b"]), 1.0)
    assert isinstance(observer.assemble(1.0), Stale)


def test_joints_are_gathered_over_messages_each_with_its_own_age() -> None:
    observer = Observer(robot("arm"))
    assert str(observer.assemble(1.0)) == "source 'joints' has sent nothing yet"
    observer.receive("joints", joint_state(["b"], [0.5]), 1.0)
    assert str(observer.assemble(1.0)) == "source 'joints' has sent nothing of joint 'a' yet"
    observer.receive("joints", joint_state(["a"], [0.1], [1.0]), 1.1)
    assert sensed(observer, 1.12).values["elbow"] == 0.5
    assert sensed(observer, 1.12).values["shoulder_velocity"] == 1.0
    # Whoever of the two is silent makes the source old.
    assert sensed(observer, 1.12).ages_s == {"joints": pytest.approx(0.12)}
    observer.receive("joints", joint_state(["a"], [0.1], [1.0]), 1.25)
    stale = observer.assemble(1.25)
    assert isinstance(stale, Stale)
    assert (stale.source, stale.part, stale.age_s) == ("joints", "joint 'b'", pytest.approx(0.25))


def stamped(message: SimpleNamespace, stamp_s: float) -> SimpleNamespace:
    messages.write_stamp(message.header.stamp, round(stamp_s * 1e9))
    return message


def test_a_driver_that_repeats_old_values_under_an_old_stamp_grows_stale() -> None:
    observer = Observer(robot("arm"), stamps=True)
    observer.receive("joints", stamped(joints(), 50.0), 1.0)
    assert isinstance(observer.assemble(1.0), Sensed)
    for k in range(1, 31):
        with pytest.raises(MessageError, match="stands still"):
            observer.receive("joints", stamped(joints(position=[9.0, 9.0, 9.0]), 50.0), 1.0 + 0.01 * k)
    assert observer.refused["joints"] == 30
    stale = observer.assemble(1.3)
    assert isinstance(stale, Stale)
    assert "refused: its stamp stands still" in str(stale)
    # The driver comes to itself: what it says counts, and is told to be old no longer.
    observer.receive("joints", stamped(joints(position=[0.7, 0.0, 0.0]), 50.31), 1.31)
    assert sensed(observer, 1.31).values["elbow"] == 0.7
    assert sensed(observer, 1.31).ages_s["joints"] == pytest.approx(0.0, abs=1e-3)


def test_two_devices_may_stamp_their_joints_alike() -> None:
    observer = Observer(robot("arm"), stamps=True)
    for k in range(20):
        observer.receive("joints", stamped(joint_state(["a"], [0.1], [1.0]), 50.0 + 0.1 * k), 1.0 + 0.1 * k)
        observer.receive("joints", stamped(joint_state(["b"], [0.5]), 50.0 + 0.1 * k), 1.0 + 0.1 * k)
    assert observer.refused == {}
    assert isinstance(observer.assemble(2.9), Sensed)


def test_a_driver_that_never_stamps_is_told_how_to_be_heard() -> None:
    observer = Observer(robot("arm"), stamps=True)
    observer.receive("joints", joints(), 1.0)
    with pytest.raises(MessageError, match="stamped: false"):
        observer.receive("joints", joints(), 1.1)
    sources = {**SOURCES, "joints": {**SOURCES["joints"], "stamped": False}}
    unstamped = Observer(RobotConfig.model_validate(robot("arm").model_dump() | {"sources": sources}), stamps=True)
    unstamped.receive("joints", joints(), 1.0)
    unstamped.receive("joints", joints(), 1.1)
    assert sensed(unstamped, 1.1).ages_s == {"joints": 0.0}


def test_a_message_older_than_one_before_does_not_bring_the_past_back() -> None:
    observer = Observer(robot("arm"))
    observer.receive("joints", joints(), 2.0)
    with pytest.raises(MessageError, match="older"):
        observer.receive("joints", joints(position=[9.0, 9.0, 9.0]), 1.9)
    assert sensed(observer, 2.0).values["elbow"] == 0.5


@pytest.mark.parametrize("field", ["orientation", "angular_velocity"])
def test_what_an_imu_says_it_does_not_measure_is_not_taken_for_zero(field: str) -> None:
    message = imu()
    setattr(message, f"{field}_covariance", np.array([-1.0, *8 * [0.0]]))
    with pytest.raises(MessageError, match=rf"measures no {field} \({field}_covariance\[0\] is -1\)"):
        Observer(robot("body")).receive("imu", message, 1.0)


def test_an_imu_that_knows_no_covariance_is_believed() -> None:
    message = imu(yaw=0.5)
    message.orientation_covariance = np.zeros(9)
    observer = Observer(robot("body"))
    observer.receive("imu", message, 1.0)
    assert sensed(observer, 1.0).values["yaw"] == pytest.approx(0.5)


def test_elements_of_lists_are_read_by_index_and_strings_that_are_numbers_as_numbers() -> None:
    raw = robot("hand").model_dump()
    raw["vectors"]["hand"]["elements"] = [{"name": "volts", "field": "status[1].values[0].value"}]
    observer = Observer(RobotConfig.model_validate(raw))
    status = [SimpleNamespace(values=[]), SimpleNamespace(values=[SimpleNamespace(key="voltage", value="24.5")])]
    observer.receive("wrench", SimpleNamespace(status=status), 1.0)
    assert sensed(observer, 1.0).values == {"volts": 24.5}
    with pytest.raises(MessageError, match="only 1 elements"):
        observer.receive("wrench", SimpleNamespace(status=status[:1]), 1.1)


@pytest.mark.parametrize("path", ["angular_velocity.w", "angular_velocity", "header.frame_id"])
def test_field_that_is_not_there_or_no_number_is_named(path: str) -> None:
    raw = robot("body").model_dump()
    raw["vectors"]["body"]["elements"] = [{"name": "spin", "field": path}]
    with pytest.raises(MessageError, match=path):
        Observer(RobotConfig.model_validate(raw)).receive("imu", imu(), 1.0)


def test_every_message_must_be_newer_than_the_reset_and_cameras_may_be_excepted() -> None:
    observer = Observer(robot("arm"), ["eye"])
    observer.receive("joints", joints(), 2.0)
    observer.receive("camera", image(np.zeros((8, 8, 3), np.uint8), "rgb8"), 1.9)
    assert sensed(observer, 2.05).oldest_s == pytest.approx(1.9)
    assert observer.current(2.0, cameras=False)
    assert not observer.current(2.0, cameras=True)


def test_cameras_are_resized_and_their_colours_ordered() -> None:
    observer = Observer(robot("arm"), ["eye"])
    blue = np.zeros((480, 640, 3), np.uint8)
    blue[..., 0] = 200  # In a bgr8 picture.
    observer.receive("camera", image(blue, "bgr8"), 1.0)
    observer.receive("joints", joints(), 1.0)
    picture = sensed(observer, 1.0).images["eye"]
    assert picture.shape == (8, 8, 3)
    assert picture.dtype == np.uint8
    assert np.array_equal(picture[0, 0], [0, 0, 200])


def test_compressed_pictures_are_decoded() -> None:
    observer = Observer(robot("arm"), ["eye"])
    red = np.zeros((48, 64, 3), np.uint8)
    red[..., 2] = 250
    data = cv2.imencode(".png", red)[1].tobytes()
    observer.receive("camera", SimpleNamespace(format="png", data=data), 1.0)
    observer.receive("joints", joints(), 1.0)
    assert np.array_equal(sensed(observer, 1.0).images["eye"][3, 3], [250, 0, 0])


def test_damaged_pictures_are_missing_pictures() -> None:
    observer = Observer(robot("arm"), ["eye"])
    observer.receive("camera", image(np.full((8, 8, 3), 7, np.uint8), "rgb8"), 1.0)
    observer.receive("joints", joints(), 1.1)
    assert sensed(observer, 1.1).images["eye"].max() == 7
    observer.receive("camera", SimpleNamespace(format="jpeg", data=b"no picture"), 1.1)
    observer.receive("joints", joints(), 1.2)
    # The one before counts, and grows older.
    assert sensed(observer, 1.2).images["eye"].max() == 7
    assert sensed(observer, 1.2).ages_s["camera"] == pytest.approx(0.2)
    assert observer.refused == {"camera": 1}
    observer.receive("camera", SimpleNamespace(format="jpeg", data=b"no picture"), 1.4)
    observer.receive("joints", joints(), 1.4)
    stale = observer.assemble(1.4)
    assert isinstance(stale, Stale)
    assert "source 'camera' is stale" in str(stale)
    assert "cannot be decoded" in str(stale)


def test_only_the_newest_picture_is_decoded() -> None:
    observer = Observer(robot("arm"), ["eye"])
    for arrival_s, encoding in ((1.0, "what nobody can read"), (1.1, "rgb8")):
        observer.receive("camera", image(np.zeros((8, 8, 3), np.uint8), encoding), arrival_s)
    observer.receive("joints", joints(), 1.1)
    assert isinstance(observer.assemble(1.1), Sensed)
    assert observer.refused == {}


def test_pictures_may_be_decoded_ahead_by_another_thread() -> None:
    observer = Observer(robot("arm"), ["eye"])
    observer.receive("joints", joints(), 1.0)
    observer.receive("camera", image(np.full((8, 8, 3), 1, np.uint8), "rgb8"), 0.9)
    observer.decode("camera")
    observer.receive("camera", image(np.full((8, 8, 3), 2, np.uint8), "rgb8"), 1.0)
    ahead = observer.assemble(1.0, decoded=True)
    assert isinstance(ahead, Sensed)
    assert (ahead.images["eye"].max(), ahead.ages_s["camera"]) == (1, pytest.approx(0.1))


def test_only_observed_cameras_are_needed() -> None:
    assert Observer(robot("arm")).sources == ("joints",)
    assert Observer(robot("arm"), ["eye"]).sources == ("joints", "camera")


def test_depths_are_never_averaged() -> None:
    depths = np.full((16, 16, 1), 1000, np.uint16)
    depths[::2] = 3000
    small = fit_picture(depths, ImageSpec(height=8, width=8, encoding="16UC1"))
    assert small.shape == (8, 8, 1)
    assert small.dtype == np.uint16
    assert set(np.unique(small)) <= {1000, 3000}


def test_grey_pictures_become_coloured_but_depths_do_not() -> None:
    spec = ImageSpec(height=8, width=8)
    grey = fit_picture(np.full((8, 8, 1), 7, np.uint8), spec)
    assert np.array_equal(grey, np.full((8, 8, 3), 7, np.uint8))
    with pytest.raises(MessageError, match="cannot become rgb8"):
        fit_picture(np.zeros((8, 8, 1), np.uint16), spec)


def test_pictures_do_not_share_memory_with_the_message() -> None:
    data = bytearray(np.zeros((8, 8, 3), np.uint8).tobytes())
    message = image(np.zeros((8, 8, 3), np.uint8), "rgb8")
    message.data = data
    observer = Observer(robot("arm"), ["eye"])
    observer.receive("joints", joints(), 1.0)
    observer.receive("camera", message, 1.0)
    observer.decode("camera")
    data[:] = bytes([255]) * len(data)
    assert sensed(observer, 1.0).images["eye"].max() == 0
