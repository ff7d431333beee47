"""Whatever people put into a folder of recordings: what can be read is read, the rest is named with its reason."""

import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from mcap.opcode import Opcode
from mcap.writer import Writer

from robot_mbrl.experience.definitions import DEFINITIONS
from robot_mbrl.experience.filling import Filling, fill_replay
from robot_mbrl.experience.folder import find_sessions
from robot_mbrl.experience.message_files import RecordedMessage, read_messages
from robot_mbrl.experience.recording import Recording
from robot_mbrl.experience.records import whole_records
from robot_mbrl.experience.replay import Replay
from robot_mbrl.experience.session import SessionWriter
from tests.experience.lived import ACTION, OBSERVATION, SEEING, STEP_NS, make_step
from tests.experience.session_files import KEYED, rewrite_chunked, write_life


def replay() -> Replay:
    return Replay(OBSERVATION, ACTION, 5000, step_ns=STEP_NS)


def fill(folder: Path) -> tuple[Filling, dict[str, str]]:
    """What came of reading the folder, and what is said of its files by their names."""
    filling = fill_replay(replay(), folder)
    return filling, {str(Path(path).relative_to(folder.resolve())): reason for path, reason in filling.unread.items()}


def write_bag(folder: Path, steps: range, name: str, number: int) -> None:
    """One file of a bag as `ros2 bag record` makes it: in chunks, in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = write_life(folder / "whole", [make_step(index) for index in steps])
    rewrite_chunked(whole, folder / f"{name}_{number}.mcap")
    shutil.rmtree(folder / "whole")


def rewrite(path: Path, messages: list[RecordedMessage]) -> Path:
    """The messages in another order, in a file as other recorders write it."""
    with path.open("wb") as file:
        writer = Writer(file, use_chunking=False)
        writer.start("ros2")
        for message in messages:
            schema = writer.register_schema(message.type_name, "ros2msg", DEFINITIONS[message.type_name].encode())
            channel = writer.register_channel(message.topic, "cdr", schema)
            writer.add_message(channel, message.log_time_ns, message.data, message.log_time_ns)
        writer.finish()
    return path


class TestFolder:
    def test_a_bag_of_ros_is_a_folder_with_files_and_is_read_in_the_order_its_metadata_give(self, tmp_path):
        bag = tmp_path / "session1.mcap"
        for number in range(12):
            write_bag(bag, range(number * 3, number * 3 + 3), "session1", number)
        files = "".join(f"    - session1_{number}.mcap\n" for number in range(12))
        (bag / "metadata.yaml").write_text(f"rosbag2_bagfile_information:\n  relative_file_paths:\n{files}")
        filling, said = fill(tmp_path)
        assert (filling.steps, filling.dropped, said) == (36, 0, {})
        (bag / "metadata.yaml").unlink()
        assert fill(tmp_path)[0].steps == 36

    def test_what_is_no_recording_is_named_with_its_reason_and_stops_nothing(self, tmp_path):
        write_life(tmp_path, [make_step(index) for index in range(5)])
        (tmp_path / "nowhere.mcap").symlink_to(tmp_path / "gone.mcap")
        (tmp_path / "circle.mcap").symlink_to(tmp_path / "circle.mcap")
        for name in ("old.db3", "packed.mcap.zstd", "ros1.bag", "notes.txt", "text.mcap"):
            (tmp_path / name).write_bytes(b"something")
        (tmp_path / "sqlite").mkdir()
        (tmp_path / "sqlite" / "sqlite_0.db3").write_bytes(b"SQLite")
        (tmp_path / "sqlite" / "metadata.yaml").write_text("rosbag2_bagfile_information: 3")
        (tmp_path / "empty.mcap").mkdir()
        (tmp_path / ".hidden.mcap.a8Xz").write_bytes(b"half a copy")
        filling, said = fill(tmp_path)
        assert filling.steps == 5
        expected = {
            "nowhere.mcap": "a link that leads nowhere",
            "circle.mcap": "a link that leads nowhere",
            "old.db3": "ros2 bag convert",
            "packed.mcap.zstd": "zstd -d",
            "ros1.bag": "ROS 1",
            "notes.txt": "end in .mcap",
            "text.mcap": "not an MCAP file",
            "sqlite/sqlite_0.db3": "ros2 bag convert",
            "empty.mcap": "a folder without a file that ends in .mcap",
        }
        assert said.keys() == expected.keys()
        assert all(reason in said[name] for name, reason in expected.items()), said

    def test_a_recorder_starts_and_records_whatever_lies_there(self, tmp_path):
        (tmp_path / "session1.mcap").mkdir()
        (tmp_path / "nowhere.mcap").symlink_to(tmp_path / "gone.mcap")
        (tmp_path / "text.mcap").write_bytes(b"something else")
        recording = Recording(tmp_path, KEYED, 10**9, history=1000)
        assert list(recording.unread) == [str(tmp_path / "text.mcap")]
        data = next(read_messages(write_life(tmp_path / "life", [make_step(0)]))).data
        assert recording.add("/robot/observation", "sensor_msgs/msg/JointState", data)
        recording.close()

    def test_files_that_may_not_be_read_are_named(self, tmp_path, monkeypatch):
        write_life(tmp_path, [make_step(index) for index in range(5)])
        secret = tmp_path / "secret.mcap"
        shutil.copy(min(tmp_path.glob("*.mcap")), secret)
        opened = Path.open

        def refuse(path, *args, **kwargs):
            # The tests may run as a user who may read everything.
            if path.name == secret.name:
                raise PermissionError(13, "Permission denied", str(path))
            return opened(path, *args, **kwargs)

        monkeypatch.setattr(Path, "open", refuse)
        filling, said = fill(tmp_path)
        assert (filling.steps, said) == (5, {"secret.mcap": "cannot be read (Permission denied)"})
        assert list(Recording(tmp_path, KEYED, 10**9, history=1000).unread) == [str(secret)]

    def test_a_bag_without_applied_actions_is_told_to_give_no_steps(self, tmp_path):
        messages = list(read_messages(write_life(tmp_path / "whole", [make_step(index) for index in range(9)])))
        observations = [message for message in messages if message.topic.endswith("observation")]
        (tmp_path / "bags").mkdir()
        rewrite(tmp_path / "bags" / "theirs.mcap", observations)
        filling, said = fill(tmp_path / "bags")
        assert filling.steps == 0
        assert "no steps come of it: it holds nothing on …/applied_action" in said["theirs.mcap"]

    def test_a_bag_without_the_pictures_of_the_task_is_told_to_give_no_steps(self, tmp_path):
        write_life(tmp_path, [make_step(index) for index in range(9)])
        filling = fill_replay(Replay(SEEING, ACTION, 100, step_ns=STEP_NS), tmp_path)
        assert "…/observation/camera" in next(iter(filling.unread.values()))

    def test_a_bag_of_other_topics_is_named_with_them(self, tmp_path):
        message = next(read_messages(write_life(tmp_path / "whole", [make_step(0)])))
        with (tmp_path / "scan.mcap").open("wb") as file:
            writer = Writer(file)
            writer.start("ros2")
            channel = writer.register_channel("/scan", "cdr", 0)
            writer.add_message(channel, 1, message.data, 1)
            writer.finish()
        assert "but on /scan" in fill(tmp_path)[1]["scan.mcap"]

    def test_our_recordings_of_a_robot_that_was_not_running_are_nothing_to_tell(self, tmp_path):
        with SessionWriter(tmp_path / "a.mcap") as writer:
            data = next(read_messages(write_life(tmp_path / "other", [make_step(0)]))).data
            writer.write("/diagnostics", "sensor_msgs/msg/JointState", data, 1)
        shutil.rmtree(tmp_path / "other")
        assert fill(tmp_path)[1] == {}

    def test_files_of_a_bag_come_in_the_order_of_their_numbers(self, tmp_path):
        for number in (10, 9, 2, 1):
            (tmp_path / f"bag_{number}.mcap").touch()
        assert [path.name for path in find_sessions(tmp_path).paths] == [f"bag_{n}.mcap" for n in (1, 2, 9, 10)]


class TestDamage:
    life = [make_step(index, first=index % 100 == 0) for index in range(400)]

    def stamps(self, filled: Replay) -> set[int]:
        return set((filled.read(np.arange(len(filled)))["stamp_ns"] // STEP_NS - 1).tolist())

    @pytest.mark.parametrize("page", range(4, 28, 4))
    def test_a_finished_file_with_a_zeroed_page_costs_that_page_only_and_says_so(self, tmp_path, page):
        path = write_life(tmp_path, self.life)
        content = bytearray(path.read_bytes())
        content[page * 4096 : (page + 1) * 4096] = bytes(4096)
        path.write_bytes(content)
        filled = replay()
        filling = fill_replay(filled, tmp_path)
        (reason,) = filling.unread.values()
        lost = int(reason.split()[0])
        assert "of 800 messages cannot be read" in reason
        assert "bytes of it are damaged" in reason
        assert 4096 // 260 - 2 < lost < 4096 // 100
        assert filling.steps >= 400 - lost
        assert self.stamps(filled) >= {0, 399}
        assert path.read_bytes() == content

    def test_a_finished_file_whose_records_end_early_says_how_many_are_missing(self, tmp_path):
        path = write_life(tmp_path, self.life)
        content = path.read_bytes()
        end = int.from_bytes(content[-28:-20], "little") - 13
        cut = end - 20_000
        # As a copy that was resumed at the wrong place: the end of the file is there, and something before it is not.
        path.write_bytes(content[:cut] + bytes(20_000) + content[end:])
        filling, said = fill(tmp_path)
        (reason,) = said.values()
        assert 250 < filling.steps < 400
        assert int(reason.split()[0]) == 800 - 2 * filling.steps - sum(filling.malformed.values())

    def test_a_damaged_chunk_costs_its_messages_only(self, tmp_path):
        path = rewrite_chunked(write_life(tmp_path / "plain", self.life), tmp_path / "chunked.mcap")
        shutil.rmtree(tmp_path / "plain")
        with path.open("rb") as file:
            chunks = [record for record in whole_records(file) if record.opcode == Opcode.CHUNK]
        content = bytearray(path.read_bytes())
        content[chunks[len(chunks) // 2].end - 50] ^= 0xFF
        path.write_bytes(content)
        filling, said = fill(tmp_path)
        assert 380 < filling.steps < 400
        assert "of 800 messages cannot be read (a chunk is damaged" in said["chunked.mcap"]

    @pytest.mark.parametrize("seed", range(20))
    def test_no_damage_is_an_error(self, tmp_path, seed):
        """Bytes changed, zeroed, left out or put in anywhere: the rest is used, and the file is named."""
        rng = random.Random(seed)
        path = write_life(tmp_path, self.life[:200])
        if seed % 2:
            path = rewrite_chunked(path, tmp_path / "zchunked.mcap")
            next(tmp_path.glob("2*.mcap")).unlink()
        content = bytearray(path.read_bytes())
        for _ in range(rng.randint(1, 4)):
            at, length = rng.randrange(8, len(content)), rng.randint(1, 3000)
            match rng.randrange(4):
                case 0:
                    content[at : at + length] = rng.randbytes(len(content[at : at + length]))
                case 1:
                    content[at : at + length] = bytes(len(content[at : at + length]))
                case 2:
                    del content[at : at + length]
                case 3:
                    content[at:at] = rng.randbytes(length)
        path.write_bytes(content)
        filling = fill_replay(replay(), tmp_path)
        assert filling.steps <= 200
        assert filling.unread or filling.malformed or filling.steps == 200 or not content.endswith(b"\x89MCAP0\r\n")

    @pytest.mark.parametrize("seed", range(5))
    def test_the_order_of_messages_within_a_window_does_not_matter(self, tmp_path, seed):
        rng = random.Random(seed)
        lived = [make_step(index, "a") for index in range(100)] + [make_step(index, "b") for index in range(100)]
        messages = list(read_messages(write_life(tmp_path / "whole", lived)))
        for start in range(0, len(messages), 5):
            window = messages[start : start + 5]
            rng.shuffle(window)
            messages[start : start + 5] = window
        (tmp_path / "bags").mkdir()
        rewrite(tmp_path / "bags" / "shuffled.mcap", messages)
        filled = replay()
        filling = fill_replay(filled, tmp_path / "bags")
        assert (filling.steps, filling.dropped, filling.unread) == (200, 0, {})
        stamps = filled.read(np.arange(200))["stamp_ns"]
        assert (stamps[:100] // STEP_NS - 1 == range(100)).all()
