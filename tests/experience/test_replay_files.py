"""A replay that is saved and read back goes on as if it had not been, whatever happens to its files."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from robot_mbrl.errors import ExperienceError
from robot_mbrl.experience import replay_files
from robot_mbrl.experience.replay import Replay
from tests.experience.lived import ACTION, SEEING, STATE, STEP_NS, live, make_replay, make_step
from tests.experience.session_files import limited_file_size


class TestSaving:
    def load(self, path: Path, capacity: int = 1000) -> Replay:
        replay = make_replay(capacity)
        replay.restore(path)
        return replay

    def go_on(self, replay: Replay, seed: int) -> list[np.ndarray]:
        """Everything a learner sees of a replay while it samples, writes states and appends."""
        rng, seen = np.random.default_rng(seed), []
        for index in range(replay.total, replay.total + 30):
            replay.append(make_step(index))
            batch = replay.sample(rng, 3, 5)
            states, known = replay.state_before(batch["row"][:, 0])
            seen += [*batch.values(), *states.values(), known]
            deter = batch["observation.pose"].sum(-1, keepdims=True) + rng.normal(size=(3, 5, 3)).astype(np.float32)
            replay.write_state(batch["row"], {"deter": deter, "stoch": (deter[..., :2] * 10).astype(np.uint8)})
        return seen

    @pytest.fixture(autouse=True)
    def small_segments(self, monkeypatch):
        monkeypatch.setattr(replay_files, "SEGMENT", 16)

    @pytest.mark.parametrize("lived", [5, 16, 150, 1017])
    @pytest.mark.parametrize("capacity", [12, 100, 1000])
    def test_a_loaded_replay_goes_on_bit_for_bit(self, tmp_path, lived, capacity):
        replay = make_replay(capacity)
        live(replay, lived)
        self.go_on(replay, seed=1)
        replay.save(tmp_path / "replay.npz")
        loaded = self.load(tmp_path / "replay.npz", capacity)
        for ours, theirs in zip(self.go_on(replay, seed=2), self.go_on(loaded, seed=2), strict=True):
            assert ours.dtype == theirs.dtype
            assert ours.tobytes() == theirs.tobytes()
        assert not loaded.append(make_step(0))
        assert loaded.reward_bound.state == replay.reward_bound.state
        assert (loaded.sessions, loaded.robots) == (replay.sessions, replay.robots)

    def test_an_empty_replay_is_saved_and_loaded(self, tmp_path):
        make_replay().save(tmp_path / "replay.npz")
        assert len(self.load(tmp_path / "replay.npz")) == 0

    def test_each_full_segment_is_written_once(self, tmp_path):
        replay = make_replay()
        live(replay, 40)
        replay.save(tmp_path / "replay.npz")
        written = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("rows-*")}
        assert sorted(written) == ["rows-000000.npy", "rows-000001.npy"]
        live(replay, 10, start=40)
        replay.save(tmp_path / "replay.npz")
        assert len(list(tmp_path.glob("rows-*"))) == 3
        assert all((tmp_path / name).stat().st_mtime_ns == time for name, time in written.items())

    def test_an_older_file_stays_loadable_until_the_files_it_needs_are_removed(self, tmp_path):
        replay = make_replay(capacity=32)
        live(replay, 32)
        self.go_on(replay, seed=0)
        replay.save(tmp_path / "1.npz")
        live(replay, 32, start=62)
        self.go_on(replay, seed=1)
        newer = replay.snapshot(tmp_path / "2.npz")
        newer.write()
        assert self.load(tmp_path / "1.npz", 32).total == 62
        newer.prune()
        assert self.load(tmp_path / "2.npz", 32).total == 124
        with pytest.raises(ExperienceError, match="rows-000001"):
            self.load(tmp_path / "1.npz", 32)

    def test_of_the_latent_states_those_are_written_that_have_changed(self, tmp_path):
        replay = make_replay()
        live(replay, 200)
        rows = np.arange(200)
        values = {"deter": np.ones((200, 3), np.float32), "stoch": np.ones((200, 2), np.uint8)}
        replay.write_state(rows, values)
        replay.save(tmp_path / "replay.npz")
        replay.write_state(rows[50:53], {name: 2 * value[:3] for name, value in values.items()})
        replay.save(tmp_path / "replay.npz")
        first, second = sorted(tmp_path.glob("latents-*"))
        assert (len(np.load(first)), len(np.load(second))) == (200, 3)
        replay.save(tmp_path / "replay.npz")
        assert len(list(tmp_path.glob("latents-*"))) == 2
        states, _ = self.load(tmp_path / "replay.npz").state_before(np.array([50, 51, 53, 54]))
        assert states["deter"][:, 0].tolist() == [1, 2, 2, 1]
        for _ in range(20):
            replay.write_state(rows, values)
            replay.save(tmp_path / "replay.npz")
        assert sum(len(np.load(path)) for path in tmp_path.glob("latents-*")) <= 400
        states, _ = self.load(tmp_path / "replay.npz").state_before(np.array([51]))
        assert states["deter"][0, 0] == 1

    def test_what_changes_while_a_snapshot_is_written_is_not_in_it(self, tmp_path):
        replay, untouched = make_replay(64), make_replay(64)
        for one in (replay, untouched):
            live(one, 60)
            self.go_on(one, seed=3)
        snapshot = replay.snapshot(tmp_path / "replay.npz")
        self.go_on(replay, seed=4)
        replay.write_state(np.arange(replay.oldest, replay.total), {
            "deter": np.full((64, 3), 9, np.float32), "stoch": np.full((64, 2), 9, np.uint8)
        })  # fmt: skip
        snapshot.write()
        for ours, theirs in zip(
            self.go_on(untouched, 5), self.go_on(self.load(tmp_path / "replay.npz", 64), 5), strict=True
        ):
            assert ours.tobytes() == theirs.tobytes()

    def test_a_save_that_fails_loses_no_latent_states_for_the_next(self, tmp_path, monkeypatch):
        replay = make_replay()
        live(replay, 40)
        values = {"deter": np.ones((40, 3), np.float32), "stoch": np.ones((40, 2), np.uint8)}
        replay.write_state(np.arange(40), values)
        replay.save(tmp_path / "replay.npz")
        replay.write_state(np.arange(5), {name: 2 * value[:5] for name, value in values.items()})
        with limited_file_size(20), pytest.raises(OSError, match="too large"):
            replay.save(tmp_path / "replay.npz")
        assert self.load(tmp_path / "replay.npz").state_before(np.array([4]))[0]["deter"][0, 0] == 1
        replay.save(tmp_path / "replay.npz")
        assert self.load(tmp_path / "replay.npz").state_before(np.array([4]))[0]["deter"][0, 0] == 2

    def test_rows_that_a_small_ring_overwrites_before_they_are_written_are_missed(self, tmp_path, monkeypatch):
        monkeypatch.setattr(replay_files, "MARGIN", 0)
        replay = make_replay(64)
        live(replay, 60)
        snapshot = replay.snapshot(tmp_path / "replay.npz")
        live(replay, 30, start=60)
        with pytest.raises(ExperienceError, match=r"rows-000000\.npy: its rows were overwritten"):
            snapshot.write()
        replay.save(tmp_path / "replay.npz")
        assert self.load(tmp_path / "replay.npz", 64).total == 90

    def test_segments_of_an_abandoned_future_are_rewritten(self, tmp_path):
        replay = make_replay()
        live(replay, 10)
        replay.save(tmp_path / "1.npz")
        live(replay, 30, start=10)
        replay.save(tmp_path / "2.npz")  # as a learner killed before it had saved the weights that go with it
        resumed = self.load(tmp_path / "1.npz")
        live(resumed, 30, session="b")
        resumed.save(tmp_path / "2.npz")
        loaded = self.load(tmp_path / "2.npz").sample(np.random.default_rng(0), 8, 30)
        assert (loaded["session"] == resumed.sample(np.random.default_rng(0), 8, 30)["session"]).all()

    def test_damage_is_named(self, tmp_path):
        replay = make_replay()
        live(replay, 10)
        path = tmp_path / "replay.npz"
        with pytest.raises(ExperienceError, match=r"replay\.npz"):
            self.load(path)
        replay.save(path)
        path.write_bytes(path.read_bytes()[:-200])
        with pytest.raises(ExperienceError, match="damaged"):
            self.load(path)

    def test_another_kind_of_replay_is_refused(self, tmp_path):
        replay = make_replay()
        live(replay, 10)
        replay.save(tmp_path / "replay.npz")
        with pytest.raises(ExperienceError, match="other observations"):
            Replay(SEEING, ACTION, 1000, STATE, step_ns=STEP_NS).restore(tmp_path / "replay.npz")

    @pytest.mark.parametrize("lived", [20, 100])
    @pytest.mark.parametrize("capacity", [12, 50, 70, 1000])
    def test_a_ring_of_another_capacity_goes_on_with_the_newest_steps(self, tmp_path, lived, capacity):
        replay = make_replay(60)
        live(replay, lived)
        rows = np.arange(replay.oldest, replay.total)
        stoch = np.stack([rows % 256] * 2, -1).astype(np.uint8)
        replay.write_state(rows, {"deter": np.stack([rows] * 3, -1).astype(np.float32), "stoch": stoch})
        replay.save(tmp_path / "replay.npz")
        loaded = self.load(tmp_path / "replay.npz", capacity)
        kept = min(lived, 60, capacity)
        assert (len(loaded), loaded.total) == (kept, lived)
        live(loaded, 5, start=lived)
        assert len(loaded) == min(kept + 5, capacity)
        loaded.save(tmp_path / "again.npz")
        for one in (loaded, self.load(tmp_path / "again.npz", capacity)):
            batch = one.sample(np.random.default_rng(0), 40, 4)
            assert batch["row"].min() >= one.oldest
            assert (batch["stamp_ns"] == (batch["row"] + 1) * STEP_NS).all()
            states, known = one.state_before(batch["row"][:, 0])
            before = batch["row"][:, 0] - 1
            assert (known == (before < lived) & (before >= one.oldest)).all()
            assert (states["deter"][known][:, 0] == before[known]).all()

    @pytest.mark.parametrize("name", ["replay.npz", "rows-000001.npy", "latents-000001.npy"])
    def test_a_changed_byte_is_noticed(self, tmp_path, name):
        replay = make_replay()
        live(replay, 40)
        self.go_on(replay, seed=0)
        replay.save(tmp_path / "replay.npz")
        content = bytearray((tmp_path / name).read_bytes())
        content[len(content) // 2] ^= 1
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ExperienceError, match=name):
            self.load(tmp_path / "replay.npz")

    def test_memory_is_claimed_at_the_start_and_stays_under_that_however_long_the_robot_lives(self):
        replay = make_replay(capacity=200)
        ceiling = replay.most_bytes
        live(replay, 300)
        tracemalloc.start()
        live(replay, 2000, start=300)
        grown, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert replay.most_bytes == ceiling
        assert grown < ceiling / 2
