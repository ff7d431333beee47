"""Sessions on disk: written, torn at any byte, repaired, read by the stock reader and by ours."""

import errno
import random
import resource
import threading
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mcap.reader import make_reader
from mcap.writer import Writer
from mcap_ros2.decoder import DecoderFactory

from robot_mbrl.errors import ExperienceError, MessageError
from robot_mbrl.experience import recording as recordings
from robot_mbrl.experience import repair as repairing
from robot_mbrl.experience import session as sessions
from robot_mbrl.experience.cdr import Header, Image, JointState, Time, read_joint_state, read_key
from robot_mbrl.experience.definitions import DEFINITIONS
from robot_mbrl.experience.reading import StepReader, fill_replay, read_messages
from robot_mbrl.experience.recording import Recording
from robot_mbrl.experience.repair import lock, repair, repair_folder
from robot_mbrl.experience.replay import Replay
from robot_mbrl.experience.session import SessionWriter, StepWriter
from robot_mbrl.specs import ImageSpec, ObservationSpec
from robot_mbrl.steps import Step, StepKey
from tests.experience.lived import ACTION, OBSERVATION, SEEING, STEP_NS, make_step

KEYED = frozenset({"/robot/observation", "/robot/applied_action", "/robot/observation/camera"})


def write_life(folder: Path, steps: list[Step]) -> Path:
    with StepWriter(folder, ACTION, "/robot") as writer:
        for step in steps:
            writer.write(step)
    return max(folder.glob("*.mcap"))


@contextmanager
def limited_file_size(size: int) -> Iterator[None]:
    """What a full disk does: no file of this process can grow beyond so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def tear(path: Path) -> bytes:
    """What a killed writer would have left of a finished file: all up to the end of its data."""
    content = path.read_bytes()
    with path.open("rb") as file:
        summary_start = make_reader(file).get_summary() and int.from_bytes(content[-28:-20], "little")
    torn = content[: summary_start - 13]  # the record that ends the data section
    path.write_bytes(torn)
    return torn


def read_stock(path: Path) -> list[tuple[str, int, dict[str, float]]]:
    """Topic, stamp and named values of each message, as the format's own reader gives them."""
    with path.open("rb") as file:
        reader = make_reader(file, decoder_factories=[DecoderFactory()], validate_crcs=True)
        assert reader.get_header().profile == "ros2"
        return [
            (
                channel.topic,
                decoded.header.stamp.sec * 10**9 + decoded.header.stamp.nanosec,
                dict(zip(decoded.name, decoded.position, strict=True)) if hasattr(decoded, "name") else {},
            )
            for _, channel, _, decoded in reader.iter_decoded_messages(log_time_order=False)
        ]


def same(ours: Step, theirs: Step) -> bool:
    images = (ours.observation.images, theirs.observation.images)
    alike = images[0].keys() == images[1].keys()
    alike = alike and all(np.array_equal(images[0][name], images[1][name]) for name in images[0])
    bare = [(s.observation.key, s.observation.values, s.observation.reward, s.observation.mode) for s in (ours, theirs)]
    flags = [(s.observation.is_first, s.observation.is_last, s.observation.ages_s) for s in (ours, theirs)]
    actions = [(s.action.values.tolist(), s.action.source, s.action.policy_version) for s in (ours, theirs)]
    return bool(alike and bare[0] == bare[1] and flags[0] == flags[1] and actions[0] == actions[1])


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
        assert failed.wait(10)
        writer._syncing.join()
        with pytest.raises(ExperienceError, match=r"a\.mcap cannot be written: .*Input/output error"):
            writer.write("/topic", "sensor_msgs/msg/JointState", JointState().serialise(), 0)
        writer.close()

    def test_an_unknown_type_is_named(self, tmp_path):
        with SessionWriter(tmp_path / "a.mcap") as writer, pytest.raises(ExperienceError, match="std_msgs/msg/Empty"):
            writer.write("/topic", "std_msgs/msg/Empty", b"", 0)


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
        (tmp_path / "a.mcap").write_bytes(b"something else altogether")
        with pytest.raises(ExperienceError, match=r"a\.mcap is not an MCAP file"):
            repair_folder(tmp_path)

    def test_a_torn_file_of_a_chunking_recorder_can_be_read_by_the_stock_reader(self, tmp_path):
        path = rewrite_chunked(write_life(tmp_path, self.life), tmp_path / "chunked.mcap")
        tear(path)
        repair(path)
        assert len(read_stock(path)) == 12


def bytes_read() -> int:
    """What this process has read by system calls, whether or not it came from the disk itself."""
    return int(Path("/proc/self/io").read_text().split()[1])


def rewrite_chunked(path: Path, target: Path) -> Path:
    """The same messages as another recorder would write them: in compressed chunks."""
    with target.open("wb") as file:
        writer = Writer(file, chunk_size=2000)
        writer.start("ros2")
        for message in read_messages(path):
            schema = writer.register_schema(message.type_name, "ros2msg", DEFINITIONS[message.type_name].encode())
            channel = writer.register_channel(message.topic, "cdr", schema)
            writer.add_message(channel, message.log_time_ns, message.data, message.log_time_ns)
        writer.finish()
    return target


class TestReading:
    def replay(self) -> Replay:
        return Replay(OBSERVATION, ACTION, 1000, step_ns=STEP_NS)

    def test_a_folder_of_sessions_fills_a_replay_in_the_order_they_were_lived(self, tmp_path):
        write_life(tmp_path, [make_step(index, "a") for index in range(5)])
        write_life(tmp_path, [make_step(index, "b") for index in range(3)])
        tear(max(tmp_path.glob("*.mcap")))
        replay = self.replay()
        filling = fill_replay(replay, tmp_path)
        assert (filling.files, filling.steps, filling.dropped, filling.malformed) == (2, 8, 0, {})
        batch = replay.sample(np.random.default_rng(0), 1, 8)
        assert [replay.sessions[index] for index in batch["session"][0]] == ["a"] * 5 + ["b"] * 3
        assert batch["is_first"][0].tolist() == [1, 0, 0, 0, 0, 1, 0, 0]

    def test_the_pictures_of_known_steps_are_not_even_read_from_the_disk(self, tmp_path):
        side = 128
        seeing = ObservationSpec(images={"camera": ImageSpec(height=side, width=side)})
        picture = {"camera": np.zeros((side, side, 3), np.uint8)}
        life = [make_step(index) for index in range(20)]
        life = [replace(step, observation=replace(step.observation, images=picture)) for step in life]
        path = write_life(tmp_path, life)
        replay = Replay(seeing, ACTION, 1000, step_ns=STEP_NS)
        before = bytes_read()
        assert fill_replay(replay, tmp_path).steps == 20
        once = bytes_read()
        assert fill_replay(replay, tmp_path).steps == 0
        assert once - before > path.stat().st_size
        assert bytes_read() - once < path.stat().st_size / 3

    def test_files_that_a_replay_has_been_through_are_passed_over_also_after_a_restart(self, tmp_path):
        bags = tmp_path / "bags"
        for first in (0, 5):
            write_life(bags, [make_step(index) for index in range(first, first + 5)])
        older, newest = sorted(bags.glob("*.mcap"))
        replay = self.replay()
        assert fill_replay(replay, bags).steps == 10
        replay.save(tmp_path / "replay.npz")
        replay = Replay.load(tmp_path / "replay.npz", OBSERVATION, ACTION, 1000, step_ns=STEP_NS)
        # Nothing of its content is looked at; it still ends as a finished file does.
        older.write_bytes(bytes(older.stat().st_size - 37) + older.read_bytes()[-37:])
        write_life(bags, [make_step(index) for index in range(10, 15)])
        assert fill_replay(replay, bags).steps == 5
        assert list(replay.files_read) == [str(older), str(newest)]

    def test_a_step_whose_second_half_lies_in_a_later_file_is_not_lost_to_that(self, tmp_path):
        whole = write_life(tmp_path / "whole", [make_step(index) for index in range(3)])
        parts = list(read_messages(whole))
        replay = self.replay()
        for number, some in enumerate((parts[:5], parts[5:])):
            with SessionWriter(tmp_path / "halves" / f"{number}.mcap") as writer:
                for part in some:
                    writer.write(part.topic, part.type_name, part.data, part.log_time_ns)
            fill_replay(replay, tmp_path / "halves")
        assert len(replay) == 3

    def test_only_what_a_replay_lacks_is_read(self, tmp_path):
        life = [make_step(index) for index in range(10)]
        write_life(tmp_path, life)
        replay = self.replay()
        for step in life[:6]:
            replay.append(step)
        assert fill_replay(replay, tmp_path).steps == 4
        assert fill_replay(replay, tmp_path).steps == 0
        assert replay.total == 10
        assert not replay.refused

    def test_a_step_may_begin_in_one_file_and_end_in_the_next(self, tmp_path):
        messages = list(read_messages(write_life(tmp_path / "whole", [make_step(index) for index in range(3)])))
        for number, part in enumerate([messages[:3], messages[3:]]):
            with SessionWriter(tmp_path / f"{number}.mcap") as writer:
                for message in part:
                    writer.write(message.topic, message.type_name, message.data, 0)
        replay = self.replay()
        assert fill_replay(replay, tmp_path).steps == 3

    def test_pictures_come_with_their_step_also_from_compressed_chunks(self, tmp_path):
        life = [make_step(index, images=True) for index in range(4)]
        path = write_life(tmp_path / "plain", life)
        (tmp_path / "chunked").mkdir()
        rewrite_chunked(path, tmp_path / "chunked" / "a.mcap")
        for folder in ("plain", "chunked"):
            replay = Replay(SEEING, ACTION, 100, step_ns=STEP_NS)
            assert fill_replay(replay, tmp_path / folder).steps == 4
            pictures = replay.sample(np.random.default_rng(0), 1, 4)["observation.camera"]
            assert pictures[0, :, 0, 0, 0].tolist() == [0, 1, 2, 3]

    def test_a_malformed_message_costs_its_step_only(self, tmp_path):
        messages = list(read_messages(write_life(tmp_path / "whole", [make_step(index) for index in range(3)])))
        with SessionWriter(tmp_path / "a.mcap") as writer:
            for number, message in enumerate(messages):
                data = message.data[:40] if number == 2 else message.data
                writer.write(message.topic, message.type_name, data, 0)
        filling = fill_replay(self.replay(), tmp_path)
        assert (filling.steps, filling.dropped, sum(filling.malformed.values())) == (2, 1, 1)

    def test_a_session_of_another_robot_says_what_is_missing(self, tmp_path):
        write_life(tmp_path, [make_step(0)])
        replay = Replay(
            SEEING.model_copy(update={"images": {}}), ACTION.model_copy(update={"names": ("up",)}), 9, step_ns=1
        )
        filling = fill_replay(replay, tmp_path)
        assert filling.steps == 0
        assert "'up'" in next(iter(filling.malformed))


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
