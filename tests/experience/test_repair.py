"""What a killed writer left: torn at any byte, repaired, read by the stock reader."""

import random
import threading

import pytest
from mcap.reader import make_reader

from robot_mbrl.errors import ExperienceError
from robot_mbrl.experience import repair as repairing
from robot_mbrl.experience import session as sessions
from robot_mbrl.experience.cdr import JointState
from robot_mbrl.experience.message_files import read_messages
from robot_mbrl.experience.repair import lock, repair, repair_folder
from robot_mbrl.experience.session import SessionWriter
from tests.experience.lived import STEP_NS, make_step
from tests.experience.session_files import KEYED, read_stock, rewrite_chunked, tear, write_life


class TestRepair:
    life = [make_step(index, images=True) for index in range(4)]

    def test_whatever_byte_a_file_is_torn_at_all_whole_messages_survive(self, tmp_path):
        path = write_life(tmp_path, self.life)
        torn = tear(path)
        whole = len(list(read_messages(path)))
        assert whole == 12
        previous = 0
        for size in sorted({*random.Random(0).sample(range(9, len(torn)), 60), len(torn)}):
            path.write_bytes(torn[:size])
            ours = len(list(read_messages(path)))
            done = repair(path)
            assert done is not None
            assert done.messages == len(read_stock(path)) == ours == len(list(read_messages(path)))
            assert ours >= previous
            assert repair(path) is None
            previous = ours
        assert previous == whole

    def test_zeros_and_rubbish_at_the_end_are_cut_off(self, tmp_path):
        path = write_life(tmp_path, self.life)
        torn = tear(path)
        for rubbish in (bytes(4096), b"\xff" * 100):
            path.write_bytes(torn + rubbish)
            done = repair(path)
            assert done is not None
            assert (done.messages, done.lost_bytes) == (12, len(rubbish))
            assert len(read_stock(path)) == 12

    def test_a_crash_during_repair_is_repaired(self, tmp_path):
        path = write_life(tmp_path, self.life)
        tear(path)
        repair(path)
        repaired = path.read_bytes()
        path.write_bytes(repaired[:-10])
        assert repair(path) is not None
        assert path.read_bytes() == repaired

    def test_the_summary_counts_what_is_there(self, tmp_path):
        path = write_life(tmp_path, self.life)
        tear(path)
        repair(path)
        with path.open("rb") as file:
            summary = make_reader(file).get_summary()
        assert summary is not None
        assert summary.statistics is not None
        assert summary.statistics.message_count == 12
        assert {channel.topic for channel in summary.channels.values()} == KEYED
        assert (summary.statistics.message_start_time, summary.statistics.message_end_time) == (STEP_NS, 4 * STEP_NS)

    def test_a_file_that_is_being_written_is_left_alone(self, tmp_path):
        with SessionWriter(tmp_path / "a.mcap") as writer:
            assert repair(writer.path) is None
        assert repair(writer.path) is None
        assert read_stock(writer.path) == []

    def test_a_repair_that_comes_between_a_files_creation_and_its_lock_costs_nothing(self, tmp_path, monkeypatch):
        path = tmp_path / "a.mcap"
        repaired = []

        def lock_late(file, *, wait=False):
            if not repaired:
                repaired.append(repair(path))
                assert not path.exists()
            return lock(file, wait=wait)

        monkeypatch.setattr(sessions, "lock", lock_late)
        with SessionWriter(path) as writer:
            writer.write("/robot/topic", "sensor_msgs/msg/JointState", JointState().serialise(), STEP_NS)
            assert repair(path) is None
        assert repaired == [None]
        assert len(list(read_messages(path))) == 1

    def test_a_new_session_waits_for_a_repair_that_has_its_file(self, tmp_path, monkeypatch):
        path = tmp_path / "a.mcap"
        waited = []

        def lock_late(file, *, wait=False):
            with path.open("r+b") as other:
                assert lock(other)
                waiting = threading.Timer(0.1, other.close)
                waiting.start()
                waited.append(lock(file, wait=wait))
                waiting.join()
            return waited[-1]

        monkeypatch.setattr(sessions, "lock", lock_late)
        SessionWriter(path).close()
        assert waited == [True]
        assert read_stock(path) == []

    def test_a_file_that_another_repair_has_removed_or_replaced_is_left_alone(self, tmp_path, monkeypatch):
        path = tmp_path / "a.mcap"
        path.touch()

        def replaced(file, **kwargs):
            path.unlink()
            path.touch()
            return lock(file, **kwargs)

        monkeypatch.setattr(repairing, "lock", replaced)
        assert repair(path) is None
        assert path.exists()
        assert repair(tmp_path / "gone.mcap") is None

    def test_a_file_without_even_its_first_bytes_is_removed(self, tmp_path):
        path = tmp_path / "a.mcap"
        for beginning in (b"", b"\x89MCAP"):
            path.write_bytes(beginning)
            assert list(read_messages(path)) == []
            assert repair_folder(tmp_path) == []
            assert not path.exists()

    def test_a_file_of_another_format_is_named(self, tmp_path):
        path = tmp_path / "a.mcap"
        path.write_bytes(b"something else altogether")
        with pytest.raises(ExperienceError, match=r"a\.mcap is not an MCAP file"):
            repair(path)
        unread: dict[str, str] = {}
        assert repair_folder(tmp_path, unread) == []
        assert unread == {str(path): "cannot be read or repaired (is not an MCAP file)"}

    def test_what_follows_a_page_that_a_loss_of_power_has_zeroed_is_kept_and_every_reader_gets_at_it(self, tmp_path):
        path = write_life(tmp_path, [make_step(index) for index in range(100)])
        torn = bytearray(tear(path))
        torn[8192:12288] = bytes(4096)
        path.write_bytes(torn)
        done = repair(path)
        assert 3800 <= done.lost_bytes < 4500  # Its first bytes ended a message that is still a record.
        read = read_stock(path)
        assert done.messages == len(read)
        assert read[-1][1] == 100 * STEP_NS
        assert 200 - 4096 // 150 - 2 < len(read) < 200

    def test_a_torn_file_of_a_chunking_recorder_can_be_read_by_the_stock_reader(self, tmp_path):
        path = rewrite_chunked(write_life(tmp_path, self.life), tmp_path / "chunked.mcap")
        tear(path)
        repair(path)
        assert len(read_stock(path)) == 12
