"""Sessions of ours and of other recorders, read back as steps and into a replay."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from robot_mbrl.experience.cdr import JointState
from robot_mbrl.experience.filling import fill_replay, newest_stamps
from robot_mbrl.experience.message_files import read_messages
from robot_mbrl.experience.replay import Replay
from robot_mbrl.experience.session import SessionWriter
from robot_mbrl.messages import write_action, write_observation
from robot_mbrl.specs import Element, ImageSpec, ObservationSpec, VectorSpec
from robot_mbrl.topics import JOINT_STATE
from tests.experience.lived import ACTION, OBSERVATION, SEEING, STEP_NS, make_step
from tests.experience.session_files import rewrite_chunked, tear, write_life


def bytes_read() -> int:
    """What this process has read by system calls, whether or not it came from the disk itself."""
    return int(Path("/proc/self/io").read_text().split()[1])


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
        rows = replay.read(np.arange(8))
        assert [replay.sessions[index] for index in rows["session"]] == ["a"] * 5 + ["b"] * 3
        assert rows["is_first"].tolist() == [1, 0, 0, 0, 0, 1, 0, 0]
        assert replay.robots == ["robot", "robot"]

    def test_two_robots_recorded_at_once_are_told_apart_and_neither_cuts_the_other(self, tmp_path):
        with SessionWriter(tmp_path / "both.mcap") as session:
            for index in range(40):
                for robot in ("left", "right"):
                    step = make_step(index, f"of-{robot}", first=index == 0)
                    message = JointState()
                    write_observation(message, step.observation)
                    session.write(f"/{robot}/observation", JOINT_STATE, message.serialise(), index)
                    write_action(message, step.action, ACTION)
                    session.write(f"/{robot}/applied_action", JOINT_STATE, message.serialise(), index)
        replay = self.replay()
        filling = fill_replay(replay, tmp_path)
        assert (filling.steps, filling.dropped) == (80, 0)
        assert dict(zip(replay.sessions, replay.robots, strict=True)) == {"of-left": "left", "of-right": "right"}
        assert replay.unbroken(40).size == 2

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
        replay = self.replay()
        replay.restore(tmp_path / "replay.npz")
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
            with SessionWriter(tmp_path / "bags" / f"{number}.mcap") as writer:
                for message in part:
                    writer.write(message.topic, message.type_name, message.data, 0)
        replay = self.replay()
        assert fill_replay(replay, tmp_path / "bags").steps == 3

    def test_pictures_come_with_their_step_also_from_compressed_chunks(self, tmp_path):
        life = [make_step(index, images=True) for index in range(4)]
        path = write_life(tmp_path / "plain", life)
        (tmp_path / "chunked").mkdir()
        rewrite_chunked(path, tmp_path / "chunked" / "a.mcap")
        for folder in ("plain", "chunked"):
            replay = Replay(SEEING, ACTION, 100, step_ns=STEP_NS)
            assert fill_replay(replay, tmp_path / folder).steps == 4
            pictures = replay.read(np.arange(4))["observation.camera"]
            assert pictures[:, 0, 0, 0].tolist() == [0, 1, 2, 3]

    def test_a_malformed_message_costs_its_step_only(self, tmp_path):
        messages = list(read_messages(write_life(tmp_path / "whole", [make_step(index) for index in range(3)])))
        with SessionWriter(tmp_path / "bags" / "a.mcap") as writer:
            for number, message in enumerate(messages):
                data = message.data[:40] if number == 2 else message.data
                writer.write(message.topic, message.type_name, data, 0)
        filling = fill_replay(self.replay(), tmp_path / "bags")
        assert (filling.steps, filling.dropped, sum(filling.malformed.values())) == (2, 1, 1)

    def test_a_step_that_does_not_fit_costs_itself_only(self, tmp_path):
        life = [make_step(index, images=True) for index in range(4)]
        odd = replace(life[2].observation, images={"camera": np.zeros((9, 9, 3), np.uint8)})
        write_life(tmp_path, [*life[:2], replace(life[2], observation=odd), life[3]])
        filling = fill_replay(Replay(SEEING, ACTION, 100, step_ns=STEP_NS), tmp_path)
        assert filling.steps == 3
        assert sum(filling.malformed.values()) == 1
        assert "picture 'camera'" in next(iter(filling.malformed))

    def test_sessions_that_do_not_fit_at_all_are_told_with_the_reason(self, tmp_path):
        write_life(tmp_path, [make_step(index) for index in range(3)])
        other = ObservationSpec(vectors={"pose": VectorSpec(elements=(Element(name="z"),))})
        filling = fill_replay(Replay(other, ACTION, 100, step_ns=STEP_NS), tmp_path)
        assert (filling.steps, sum(filling.malformed.values())) == (0, 3)
        assert "'z'" in next(iter(filling.malformed))

    def test_newest_stamps_are_found_without_reading_the_pictures(self, tmp_path):
        side = 128
        picture = {"camera": np.zeros((side, side, 3), np.uint8)}
        life = [make_step(index) for index in range(20)]
        path = write_life(tmp_path, [replace(s, observation=replace(s.observation, images=picture)) for s in life])
        before = bytes_read()
        newest = newest_stamps(tmp_path, lambda topic: True, enough=1, unread={})
        assert bytes_read() - before < path.stat().st_size / 3
        assert set(newest.values()) == {20 * STEP_NS}

    def test_a_session_of_another_robot_says_what_is_missing(self, tmp_path):
        write_life(tmp_path, [make_step(0)])
        replay = Replay(
            SEEING.model_copy(update={"images": {}}), ACTION.model_copy(update={"names": ("up",)}), 9, step_ns=1
        )
        filling = fill_replay(replay, tmp_path)
        assert filling.steps == 0
        assert "'up'" in next(iter(filling.malformed))
