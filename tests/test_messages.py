"""Between plain values and messages: what is written is read again, and what cannot be meant is an error."""

import math
import struct
import zlib
from contextlib import suppress
from typing import Any

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import Twist, TwistStamped, Vector3
from hypothesis import given, settings
from hypothesis import strategies as st
from sensor_msgs.msg import CompressedImage, Image, Imu, JointState
from std_msgs.msg import Bool, Float64MultiArray, MultiArrayDimension, UInt8MultiArray

from robot_mbrl import messages
from robot_mbrl.errors import MessageError
from robot_mbrl.specs import ActionSpec, Mode, Source
from robot_mbrl.steps import Action, Observation, StepKey

KEY = StepKey("session", 1_234_567_890_123_456_789)
SPEC = ActionSpec(names=("left", "right"))


def action_message(**changes: float) -> JointState:
    """An action as another node may send it: in any order."""
    message = JointState()
    messages.write_key(message, KEY)
    values = {"policy_version": 3.0, "right": 0.5, "source": 2.0, "left": -1.0} | changes
    messages.write_named(message, values)
    return message


def test_observation_is_read_as_it_was_written() -> None:
    observation = Observation(
        KEY,
        {"x": 0.25, "y": -3.0},
        {},
        reward=0.5,
        is_last=True,
        mode=Mode.EVALUATE,
        success=True,
        ages_s={"imu": 0.01},
    )
    message = JointState()
    messages.write_observation(message, observation)
    assert messages.read_observation(message) == observation


@pytest.mark.parametrize("missing", ["reward", "is_first", "mode"])
def test_observation_without_a_reserved_element_is_an_error(missing: str) -> None:
    message = JointState()
    messages.write_observation(message, Observation(KEY, {"x": 0.0}, {}))
    values = messages.read_named(message)
    del values[missing]
    messages.write_named(message, values)
    with pytest.raises(MessageError, match=missing):
        messages.read_observation(message)


def test_action_is_matched_by_name() -> None:
    action = messages.read_action(action_message(), SPEC)
    assert (action.key, action.source, action.policy_version) == (KEY, Source.RANDOM, 3)
    assert action.values.tolist() == [-1.0, 0.5]


def test_action_is_read_as_it_was_written() -> None:
    message = JointState()
    messages.write_action(message, Action(KEY, np.array([0.5, -0.25], np.float32), Source.LATE, 7), SPEC)
    action = messages.read_action(message, SPEC)
    assert (action.values.tolist(), action.source, action.policy_version) == ([0.5, -0.25], Source.LATE, 7)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"left": float("nan")}, "not finite"),
        ({"left": float("inf")}, "not finite"),
        ({"source": 9.0}, "9"),
        ({"source": float("nan")}, "not valid"),
        ({"elbow": 0.0}, "elbow"),
    ],
)
def test_action_that_cannot_be_meant_is_an_error(changes: dict[str, float], complaint: str) -> None:
    with pytest.raises(MessageError, match=complaint):
        messages.read_action(action_message(**changes), SPEC)


def test_repeated_and_unmatched_names_are_errors() -> None:
    with pytest.raises(MessageError, match="different"):
        messages.read_named(JointState(name=["x", "x"], position=[0.0, 1.0]))
    with pytest.raises(MessageError, match="1 positions"):
        messages.read_named(JointState(name=["x", "y"], position=[0.0]))


@pytest.mark.parametrize(("dtype", "channels", "encoding"), [(np.uint8, 3, "rgb8"), (np.uint16, 1, "16UC1")])
def test_picture_is_read_as_it_was_written(dtype: type[np.generic], channels: int, encoding: str) -> None:
    picture = np.arange(4 * 6 * channels).reshape(4, 6, channels).astype(dtype)
    message = Image()
    messages.write_image(message, KEY, picture)
    assert message.encoding == encoding
    assert messages.read_key(message) == KEY
    np.testing.assert_array_equal(messages.read_image(message), picture)


def test_padded_rows_and_bgr_are_understood() -> None:
    picture = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    rows = np.pad(picture[..., ::-1].reshape(2, 9), ((0, 0), (0, 7)))
    message = Image(height=2, width=3, step=16, encoding="bgr8", data=rows.tobytes())
    np.testing.assert_array_equal(messages.read_image(message), picture)


def test_pictures_that_cannot_be_read_are_errors() -> None:
    with pytest.raises(MessageError, match="bayer"):
        messages.read_image(Image(height=2, width=2, step=2, encoding="bayer_rggb8", data=bytes(4)))
    with pytest.raises(MessageError, match="too short"):
        messages.read_image(Image(height=2, width=2, step=6, encoding="rgb8", data=bytes(11)))
    with pytest.raises(MessageError, match="cannot be decoded"):
        messages.read_image(CompressedImage(format="jpeg", data=b"no picture"))
    with pytest.raises(MessageError, match="cannot be decoded"):
        messages.read_image(CompressedImage(format="jpeg"))
    with pytest.raises(MessageError, match="3x0 pixels is empty"):
        messages.read_image(Image(height=0, width=3, step=9, encoding="rgb8"))


def test_bundle_is_read_as_it_was_written_and_damage_on_its_way_is_noticed() -> None:
    message = UInt8MultiArray()
    messages.write_bundle(message, MultiArrayDimension(), b"a policy")
    assert messages.read_bundle(message) == b"a policy"
    message.data[3] ^= 1
    with pytest.raises(MessageError, match="hash differs"):
        messages.read_bundle(message)


def test_bundle_of_a_writer_that_gives_no_hash_is_read() -> None:
    assert messages.read_bundle(UInt8MultiArray(data=b"a policy")) == b"a policy"


def compressed(kind: str, height: int | None = None, width: int | None = None) -> CompressedImage:
    """A small picture, whose size field may tell otherwise."""
    data = bytearray(cv2.imencode(f".{kind}", np.full((8, 6, 3), 90, np.uint8))[1].tobytes())
    if height is not None and width is not None:
        if kind == "jpg":
            struct.pack_into(">HH", data, data.index(b"\xff\xc0") + 5, height, width)
        else:
            struct.pack_into(">II", data, 16, width, height)
            struct.pack_into(">I", data, 29, zlib.crc32(data[12:29]))
    return CompressedImage(format=kind, data=bytes(data))


@pytest.mark.parametrize("kind", ["jpg", "png"])
def test_a_picture_with_a_wrong_size_field_is_an_error_before_it_takes_the_memory(kind: str) -> None:
    assert messages.read_image(compressed(kind)).shape == (8, 6, 3)
    with pytest.raises(MessageError, match="claims to have 900000000 pixels"):
        messages.read_image(compressed(kind, 30000, 30000))


@settings(deadline=None, derandomize=True, database=None, max_examples=300)
@given(st.sampled_from(["jpg", "png"]), st.data())
def test_whatever_is_damaged_in_a_picture_is_an_error_or_a_picture(kind: str, data: st.DataObject) -> None:
    message = compressed(kind)
    for _ in range(data.draw(st.integers(1, 8))):
        message.data[data.draw(st.integers(0, len(message.data) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(message.data)))
    with suppress(MessageError):
        assert messages.read_image(CompressedImage(format=kind, data=message.data[:cut])).ndim == 3


def diagnostics() -> DiagnosticArray:
    values = [KeyValue(key="temperature", value="41.5"), KeyValue(key="program", value="running")]
    return DiagnosticArray(status=[DiagnosticStatus(level=DiagnosticStatus.WARN, name="arm", values=values)])


@pytest.mark.parametrize(
    ("message", "path", "value"),
    [
        (TwistStamped(twist=Twist(linear=Vector3(x=0.5))), "twist.linear.x", 0.5),
        (Float64MultiArray(data=[0.0, 1.0, 2.0, 3.0]), "data[3]", 3.0),
        (diagnostics(), "status[0].level", 1),
        (diagnostics(), "status[0].values[1].value", "running"),
        (Bool(data=True), "data", True),
        (Imu(orientation_covariance=[-1.0] + [0.0] * 8), "orientation_covariance[0]", -1.0),
    ],
)
def test_fields_are_read_by_dotted_path_with_index(message: Any, path: str, value: Any) -> None:
    read = messages.read_field(message, path)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("status[1].level", "only 1 elements"),
        ("status[0].levels", "no field"),
        ("header[0]", "no list"),
        ("status.0.level", "no path of fields"),
        ("status[-1]", "no path of fields"),
        ("", "no path of fields"),
    ],
)
def test_fields_that_are_not_there_are_errors(path: str, complaint: str) -> None:
    with pytest.raises(MessageError, match=complaint):
        messages.read_field(diagnostics(), path)


def test_joint_that_is_missing_named_twice_or_not_measured_is_an_error() -> None:
    joints = JointState(name=["a", "b", "b"], position=[0.1, 0.2, 0.3], velocity=[float("nan")])
    assert messages.read_joint(joints, "a", "position") == 0.1
    assert math.isnan(messages.read_joint(joints, "a", "velocity"))
    for joint, field, complaint in (
        ("c", "position", "'c' is not among"),
        ("b", "position", "'b' is named twice"),
        ("a", "effort", "effort of joint 'a' is not given"),
    ):
        with pytest.raises(MessageError, match=complaint):
            messages.read_joint(joints, joint, field)
