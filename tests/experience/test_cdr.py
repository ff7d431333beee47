"""Messages as ROS serialises them, written and read without ROS."""

from array import array

import pytest

from robot_mbrl.errors import MessageError
from robot_mbrl.experience.cdr import Header, Image, JointState, Time, read_joint_state, read_key
from robot_mbrl.steps import StepKey


class TestSerialising:
    def test_ros_reads_named_values_as_they_were_written(self):
        serialization = pytest.importorskip("rclpy.serialization")
        from sensor_msgs.msg import JointState as RosJointState

        for session, names in [("", []), ("20261123T175000Z-ab12cd", ["x"]), ("s", ["längd", "b", "cc"])]:
            theirs = RosJointState(name=names, position=array("d", range(len(names))))
            theirs.header.frame_id, theirs.header.stamp.sec, theirs.header.stamp.nanosec = session, 12, 34
            ours = JointState(Header(Time(12, 34), session), names, array("d", range(len(names))))
            # Not compared byte by byte: ROS leaves what was in memory between the fields.
            assert serialization.deserialize_message(ours.serialise(), RosJointState) == theirs
            for data in (ours.serialise(), serialization.serialize_message(theirs)):
                assert read_key(data) == StepKey(session, 12_000_000_034)
                again = read_joint_state(data)
                assert again is not None
                assert (list(again.name), again.position, again.header) == (names, ours.position, ours.header)

    def test_ros_reads_pictures_as_they_were_written(self):
        serialization = pytest.importorskip("rclpy.serialization")
        from sensor_msgs.msg import Image as RosImage

        content = {
            "height": 2,
            "width": 3,
            "encoding": "16UC1",
            "is_bigendian": 0,
            "step": 6,
            "data": array("B", range(12)),
        }
        ours = Image(Header(Time(1, 2), "session"), **content)
        theirs = RosImage(**content)
        theirs.header.frame_id, theirs.header.stamp.sec, theirs.header.stamp.nanosec = "session", 1, 2
        assert serialization.deserialize_message(ours.serialise(), RosImage) == theirs
        assert len(ours.serialise()) == len(serialization.serialize_message(theirs))

    def test_named_values_cut_anywhere_are_refused(self):
        data = JointState(Header(Time(1, 2), "s"), ["x", "y"], array("d", [1.0, 2.0])).serialise()
        whole = len(data) - 8  # the empty velocities and efforts at the end are not looked at
        for size in range(16, whole):
            with pytest.raises(MessageError):
                read_joint_state(data[:size])
        assert read_joint_state(data[:whole]) is not None

    def test_big_endian_named_values_are_left_to_the_general_decoder(self):
        assert read_joint_state(b"\x00\x00\x00\x00" + bytes(40)) is None

    def test_a_message_too_short_for_a_header_is_refused(self):
        with pytest.raises(MessageError, match="5 bytes"):
            read_key(b"\x00\x01\x00\x00\x01")
