"""Sessions on disk as they are written: complete at every moment, readable by the format's own reader."""

import errno
import threading
from array import array

import pytest

from robot_mbrl.errors import ExperienceError
from robot_mbrl.experience import session as sessions
from robot_mbrl.experience.cdr import JointState
from robot_mbrl.experience.reading import StepReader, read_messages
from robot_mbrl.experience.session import SessionWriter
from tests.experience.lived import ACTION, STEP_NS, make_step
from tests.experience.session_files import read_stock, same, write_life


class TestWriting:
    def test_steps_are_read_back_as_they_were(self, tmp_path):
        life = [make_step(index, first=index == 0, last=index == 9, images=True) for index in range(10)]
        path = write_life(tmp_path, life)
        read = list(StepReader(ACTION, ["camera"]).read([path]))
        assert all(same(ours, theirs) for ours, theirs in zip(life, read, strict=True))

    def test_the_stock_reader_opens_a_finished_session(self, tmp_path):
        messages = read_stock(write_life(tmp_path, [make_step(3, images=True)]))
        assert [(topic, stamp) for topic, stamp, _ in messages] == [
            ("/robot/observation/camera", 4 * STEP_NS),
            ("/robot/observation", 4 * STEP_NS),
            ("/robot/applied_action", 4 * STEP_NS),
        ]
        assert messages[1][2]["x"] == 3.0
        assert messages[2][2] == {"left": 3.0, "right": 3.5, "source": 2.0, "policy_version": 3.0}

    def test_every_message_is_in_the_file_when_write_returns(self, tmp_path):
        writer = SessionWriter(tmp_path / "a.mcap")
        message = JointState(name=["x"], position=array("d", [1.0]))
        for count in range(1, 4):
            writer.write("/topic", "sensor_msgs/msg/JointState", message.serialise(), count)
            assert len(list(read_messages(writer.path))) == count
        writer.close()

    def test_a_session_is_never_overwritten(self, tmp_path):
        SessionWriter(tmp_path / "a.mcap").close()
        with pytest.raises(ExperienceError, match=r"a\.mcap exists"):
            SessionWriter(tmp_path / "a.mcap")

    def test_a_disk_that_fails_while_nobody_writes_is_reported_to_the_next_who_does(self, tmp_path, monkeypatch):
        failed = threading.Event()

        def fail(descriptor):
            failed.set()
            raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr(sessions, "SYNC_PERIOD_S", 0.0)
        monkeypatch.setattr(sessions.os, "fsync", fail)
        writer = SessionWriter(tmp_path / "a.mcap")
        assert failed.wait(60)
        writer._syncing.join()
        with pytest.raises(ExperienceError, match=r"a\.mcap cannot be written: .*Input/output error"):
            writer.write("/topic", "sensor_msgs/msg/JointState", JointState().serialise(), 0)
        writer.close()

    def test_an_unknown_type_is_named(self, tmp_path):
        with SessionWriter(tmp_path / "a.mcap") as writer, pytest.raises(ExperienceError, match="std_msgs/msg/Empty"):
            writer.write("/topic", "std_msgs/msg/Empty", b"", 0)
