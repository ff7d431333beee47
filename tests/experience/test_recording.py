"""A recorder's choice of what it writes: each step once, without end, also on a full disk."""

from array import array
from pathlib import Path

import pytest

from robot_mbrl.errors import ExperienceError
from robot_mbrl.experience import recording as recordings
from robot_mbrl.experience.cdr import Header, JointState, Time, read_key
from robot_mbrl.experience.message_files import read_messages
from robot_mbrl.experience.recording import Recording
from robot_mbrl.experience.repair import repair_folder
from robot_mbrl.steps import StepKey
from tests.experience.lived import STEP_NS
from tests.experience.session_files import KEYED, limited_file_size, read_stock, tear


class TestRecording:
    def add(self, recording: Recording, indices: range, session: str = "a") -> int:
        new = 0
        for index in indices:
            key = StepKey(session, (index + 1) * STEP_NS)
            header = Header(Time(*divmod(key.stamp_ns, 10**9)), key.session)
            for topic in ("/robot/observation", "/robot/applied_action"):
                data = JointState(header, ["x"], array("d", [0.0])).serialise()
                new += recording.add(topic, "sensor_msgs/msg/JointState", data)
        return new

    def keys(self, folder: Path) -> list[tuple[str, StepKey]]:
        return [
            (message.topic, read_key(message.data))
            for path in sorted(folder.glob("*.mcap"))
            for message in read_messages(path)
        ]

    def test_a_recorder_that_restarts_and_is_sent_everything_again_writes_only_what_is_new(self, tmp_path):
        recording = Recording(tmp_path, KEYED, 10**9, history=1000)
        assert self.add(recording, range(5)) == 10
        recording.close()
        torn = tear(max(tmp_path.glob("*.mcap")))
        max(tmp_path.glob("*.mcap")).write_bytes(torn[:-20])  # its last message, an applied action, is torn
        again = Recording(tmp_path, KEYED, 10**9, history=1000)
        assert [done.messages for done in again.repairs] == [9]
        assert self.add(again, range(7)) == 5
        assert again.repeated == 9
        again.close()
        keys = self.keys(tmp_path)
        assert len(keys) == len(set(keys)) == 14

    def test_a_message_without_a_key_is_always_new(self, tmp_path):
        recording = Recording(tmp_path, KEYED, 10**9, history=1000)
        data = JointState().serialise()
        assert all(recording.add("/robot/feedback", "sensor_msgs/msg/JointState", data) for _ in range(3))
        recording.close()

    def test_a_file_that_has_grown_to_its_limit_is_finished_and_another_begun(self, tmp_path):
        recording = Recording(tmp_path, KEYED, max_file_bytes=2000, history=1000)
        self.add(recording, range(40))
        recording.close()
        paths = sorted(tmp_path.glob("*.mcap"))
        assert len(paths) > 2
        assert sum(len(read_stock(path)) for path in paths) == 80
        assert all(path.stat().st_size < 4000 for path in paths)
        assert self.add(Recording(tmp_path, KEYED, 10**9, history=30), range(40)) == 0

    def test_a_full_disk_costs_what_it_does_not_take_and_no_more(self, tmp_path, monkeypatch):
        monkeypatch.setattr(recordings, "RETRY_S", 0.0)
        recording = Recording(tmp_path, KEYED, 10**9, history=1000)
        self.add(recording, range(5))
        with limited_file_size(recording.path.stat().st_size + 100):
            assert self.add(recording, range(5, 6)) == 1
        with limited_file_size(20):
            assert self.add(recording, range(6, 9)) == 0
        assert recording.lost == 7
        assert "File too large" in recording.fault
        assert self.add(recording, range(9, 12)) == 6
        assert recording.fault == ""
        recording.close()
        assert len(list(tmp_path.glob("*.mcap"))) == 2
        assert [done.messages for done in repair_folder(tmp_path)] == [11]
        stamps = {key.stamp_ns // STEP_NS - 1 for _, key in self.keys(tmp_path)}
        assert stamps == {0, 1, 2, 3, 4, 5, 9, 10, 11}

    def test_a_full_disk_is_left_alone_for_a_while(self, tmp_path):
        recording = Recording(tmp_path, KEYED, 10**9, history=1000)
        with limited_file_size(20):
            self.add(recording, range(1))
        assert self.add(recording, range(1, 2)) == 0
        assert recording.lost == 4
        assert list(tmp_path.iterdir()) == []

    def test_nothing_received_leaves_no_file(self, tmp_path):
        Recording(tmp_path / "bags", KEYED, 10**9, history=1000).close()
        assert list((tmp_path / "bags").iterdir()) == []

    def test_below_the_limit_of_free_disk_the_file_is_finished_and_recording_goes_on_when_there_is_room(
        self, tmp_path, monkeypatch
    ):
        free = [1000]
        monkeypatch.setattr(recordings, "free_bytes", lambda folder: free[0])
        monkeypatch.setattr(recordings, "RETRY_S", 0.0)
        monkeypatch.setattr(recordings, "MEASURE_S", 0.0)
        recording = Recording(tmp_path, KEYED, 10**9, history=1000, min_free_bytes=500)
        assert self.add(recording, range(5)) == 10
        free[0] = 499
        assert self.add(recording, range(5, 8)) == 0
        assert "shall stay free: make room, or lower min_free_mb" in recording.fault
        (path,) = tmp_path.glob("*.mcap")
        assert len(read_stock(path)) == 10  # Whole, as any reader demands.
        free[0] = 501
        assert self.add(recording, range(8, 9)) == 0  # Not before there is some more room than that.
        free[0] = 600
        assert self.add(recording, range(9, 12)) == 6
        assert (recording.fault, recording.lost) == ("", 8)
        recording.close()

    def test_each_file_begins_with_the_states_that_last(self, tmp_path):
        recording = Recording(
            tmp_path, KEYED, max_file_bytes=2000, history=1000, lasting_topics=frozenset({"/robot/state"})
        )
        for number in (1, 2):
            recording.add(
                "/robot/state",
                "sensor_msgs/msg/JointState",
                JointState(name=[f"state {number}"], position=array("d", [0.0])).serialise(),
            )
        self.add(recording, range(40))
        recording.close()
        paths = sorted(tmp_path.glob("*.mcap"))
        assert len(paths) > 2
        for path in paths:
            first = next(read_messages(path))
            assert first.topic == "/robot/state"
            assert first.decode().name == ["state 1" if path == paths[0] else "state 2"]
        assert [topic for path in paths for topic, *_ in read_stock(path)].count("/robot/observation") == 40

    def test_a_folder_that_cannot_be_made_is_named(self, tmp_path):
        (tmp_path / "bags").write_text("a file")
        with pytest.raises(ExperienceError, match="bags: nothing can be recorded there"):
            Recording(tmp_path / "bags", KEYED, 10**9, history=1000)
