"""The replay against a list that remembers everything, and the properties that learning relies on."""

import dataclasses
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from robot_mbrl.errors import ExperienceError
from robot_mbrl.experience import replay_files
from robot_mbrl.experience.replay import Replay
from robot_mbrl.specs import ImageSpec, ObservationSpec
from robot_mbrl.steps import Step, StepKey
from tests.experience.lived import ACTION, OBSERVATION, SEEING, STATE, STEP_NS, make_step
from tests.experience.session_files import limited_file_size


def make_replay(capacity: int = 1000) -> Replay:
    return Replay(OBSERVATION, ACTION, capacity, STATE, step_ns=STEP_NS)


def live(replay: Replay, count: int, start: int = 0, session: str = "a") -> None:
    for index in range(start, start + count):
        assert replay.append(make_step(index, session, first=index == 0))


lives = st.lists(
    st.tuples(
        st.sampled_from([1, 1, 1, 1, 1, 0, -1, 2, 7]),  # how far the stamp moves on, in steps
        st.sampled_from("aaaaab"),  # the session
        st.booleans() | st.just(False),  # is_first
        st.sampled_from([False, False, False, True]),  # is_last
    ),
    max_size=60,
)


def remember(life: list[tuple[int, str, bool, bool]], capacity: int) -> tuple[list[Step], list[dict[str, object]]]:
    """Every step offered, and the rows that a replay should have made of them."""
    offered, rows = [], []
    stamp, newest = 0, {"a": -1, "b": -1}
    before: dict[str, dict[str, object]] = {}
    for number, (advance, session, first, last) in enumerate(life):
        stamp = max(0, stamp + advance)
        step = make_step(stamp, session, first=first, last=last, value=float(number))
        offered.append(step)
        if stamp <= newest[session]:
            continue
        newest[session] = stamp
        previous = before.get(session)
        if previous is not None and previous["number"] < len(rows) - capacity:
            previous = None  # The other session has taken its place.
        joined = previous is not None and not previous["last"] and previous["stamp"] == stamp - 1 and not first
        before[session] = row = {
            **{"session": session, "stamp": stamp, "last": last, "first": not joined, "number": len(rows)},
            **{"value": number, "action": step.action.values, "previous": previous["number"] if previous else -1},
            "prev_action": previous["action"] if joined and previous else np.zeros(2),
            "run": previous["run"] if joined and previous else len(rows),
        }
        rows.append(row)
    return offered, rows


def circle(rows: list[dict[str, object]], oldest: int) -> list[int]:
    """The rows that are there in the order in which sequences go on: session by session."""
    names = list(dict.fromkeys(row["session"] for row in rows))
    there = rows[oldest:]
    return [row["number"] for name in names for row in there if row["session"] == name]


@settings(max_examples=150, deadline=None)
@given(life=lives, capacity=st.integers(1, 20), length=st.integers(1, 8), seed=st.integers(0, 9))
def test_every_sample_goes_round_the_circle_of_what_a_list_remembers(life, capacity, length, seed):
    replay = make_replay(capacity)
    offered, rows = remember(life, capacity)
    assert sum(replay.append(step) for step in offered) == len(rows)
    assert (replay.total, len(replay)) == (len(rows), min(len(rows), capacity))
    if len(replay) < length:
        with pytest.raises(ExperienceError, match="too few"):
            replay.sample(np.random.default_rng(seed), 4, length)
        return
    batch = replay.sample(np.random.default_rng(seed), 4, length)
    order = circle(rows, replay.oldest)
    for sequence in range(4):
        begin = order.index(int(batch["row"][sequence, 0]))
        for time in range(length):
            number = int(batch["row"][sequence, time])
            assert number == order[(begin + time) % len(order)]
            expected, row = rows[number], {name: array[sequence, time] for name, array in batch.items()}
            continues = time == 0 or expected["previous"] == batch["row"][sequence, time - 1]
            assert replay.sessions[row["session"]] == expected["session"]
            assert row["stamp_ns"] == (expected["stamp"] + 1) * STEP_NS
            assert row["observation.pose"].tolist() == [expected["value"], -expected["value"]]
            assert row["observation.speed"].tolist() == [2 * expected["value"]]
            assert row["reward"] == np.float32(expected["value"] / 10)
            assert bool(row["is_first"]) == (expected["first"] or not continues)
            assert bool(row["is_last"]) == bool(row["is_terminal"]) == expected["last"]
            assert row["action"].tolist() == expected["action"].tolist()
            assert row["prev_action"].tolist() == (expected["prev_action"].tolist() if continues else [0, 0])
            assert (row["source"], row["mode"], row["policy_version"]) == (2, expected["stamp"] % 2, 3)
            assert (row["previous"], row["run"]) == (expected["previous"], expected["run"])
    numbers = np.array(order)
    ends = [max(row["number"] for row in rows if row["run"] == rows[number]["run"]) for number in order]
    assert replay.run_ends(numbers).tolist() == ends
    whole = [
        number
        for place, number in enumerate(order[: len(order) - length + 1])
        if rows[number]["run"] == rows[order[place + length - 1]]["run"]
    ]
    assert replay.unbroken(length).tolist() == whole


def test_fields_have_the_documented_types():
    replay = Replay(SEEING, ACTION, 100, step_ns=STEP_NS)
    for index in range(5):
        replay.append(make_step(index, images=True))
    batch = replay.sample(np.random.default_rng(0), 2, 3)
    floats = ["observation.pose", "observation.speed", "action", "prev_action"]
    floats += ["reward", "is_first", "is_last", "is_terminal"]
    assert {name: array.dtype for name, array in batch.items()} == {
        **dict.fromkeys(floats, np.float32),
        **dict.fromkeys(["stamp_ns", "previous", "run", "row"], np.int64),
        **dict.fromkeys(["session", "policy_version"], np.int32),
        **dict.fromkeys(["source", "mode", "observation.camera"], np.uint8),
    }
    assert batch["observation.camera"].shape == (2, 3, 8, 8, 3)
    assert (batch["observation.camera"][..., 0, 0, 0] == batch["row"]).all()
    assert all(array.flags.c_contiguous for name, array in batch.items() if name != "observation.camera")
    assert all(array.flags.aligned for array in batch.values())


def test_a_repeat_and_an_older_step_are_refused_and_counted():
    replay = make_replay()
    assert replay.append(make_step(4))
    assert replay.append(make_step(6))
    assert not replay.append(make_step(6))
    assert not replay.append(make_step(5))
    assert replay.append(make_step(5, "b"))
    assert replay.refused == {"repeat": 1, "late": 1}
    assert replay.newest_ns("a") == 7 * STEP_NS
    assert replay.newest_ns("c") is None


def test_a_step_that_is_not_finite_is_refused_and_leaves_a_cut():
    replay = make_replay()
    live(replay, 3)
    assert not replay.append(make_step(3, value=float("nan")))
    assert replay.append(make_step(4))
    assert replay.read(np.arange(4))["is_first"].tolist() == [1, 0, 0, 1]
    assert replay.refused == {"not_finite": 1}


def test_what_is_not_finite_is_named():
    replay = make_replay()
    live(replay, 3)
    step = make_step(3)
    for number in range(4):
        observation = dataclasses.replace(step.observation, reward=float("nan"), key=StepKey("a", 4 * STEP_NS + number))
        assert not replay.append(dataclasses.replace(step, observation=observation))
    assert replay.not_finite == {"reward": 4}
    assert replay.refused == {"not_finite": 4}


def test_a_step_without_an_observed_value_names_it():
    step = make_step(0)
    observation = dataclasses.replace(step.observation, values={"x": 0.0, "v": 0.0})
    with pytest.raises(ExperienceError, match="'y'"):
        make_replay().append(dataclasses.replace(step, observation=observation))


def test_a_jittering_stamp_is_no_gap():
    replay = make_replay()
    live(replay, 1)
    step = make_step(1)
    late = dataclasses.replace(step.observation.key, stamp_ns=int(2.4 * STEP_NS))
    replay.append(dataclasses.replace(step, observation=dataclasses.replace(step.observation, key=late)))
    assert replay.read(np.arange(2))["is_first"].tolist() == [1, 0]


@pytest.mark.parametrize("interleaved", [False, True], ids=["one session", "two at once"])
@pytest.mark.parametrize("appended", [40, 130], ids=["growing", "ring gone round"])
def test_every_row_up_to_the_newest_is_drawn_equally_often_at_every_place(appended, interleaved):
    replay = make_replay(capacity=50)
    for index in range(appended):
        replay.append(make_step(index, "ab"[index % 2] if interleaved else "a", first=index < 2))
    rows = replay.sample(np.random.default_rng(7), 20_000, 8)["row"]
    for place in (0, 3, 7):
        values, counts = np.unique(rows[:, place], return_counts=True)
        assert values.tolist() == list(range(replay.oldest, appended))
        assert stats.chisquare(counts).pvalue > 0.01


def test_two_robots_that_live_at_once_do_not_cut_each_others_sequences():
    replay = make_replay()
    for index in range(50):
        for session in "ab":
            replay.append(make_step(index, session, first=index == 0))
    batch = replay.sequences(np.array([20, 21]), 30)
    assert batch["is_first"].sum() == 0
    assert [set(batch["session"][robot].tolist()) for robot in (0, 1)] == [{0}, {1}]
    assert (np.diff(batch["stamp_ns"], axis=1) == STEP_NS).all()
    assert (batch["prev_action"][:, 1:] == batch["action"][:, :-1]).all()


def test_a_session_knows_its_robot():
    replay = Replay(OBSERVATION, ACTION, 100, STATE, step_ns=STEP_NS, robot="ours")
    replay.tell_robot("b", "theirs")
    for session in "abc":
        replay.append(make_step(0, session))
    batch = replay.sample(np.random.default_rng(0), 30, 1)
    assert {replay.sessions[index]: replay.robots[index] for index in batch["session"].ravel()} == {
        **{"a": "ours", "b": "theirs", "c": "ours"}
    }


class TestRewards:
    def pay(self, replay: Replay, rewards: list[float]) -> np.ndarray:
        """The rewards of all rows after these were paid."""
        for reward in rewards:
            step = make_step(replay.total)
            observation = dataclasses.replace(step.observation, reward=reward)
            assert replay.append(dataclasses.replace(step, observation=observation))
        return replay.read(np.arange(replay.total))["reward"]

    def test_one_that_is_absurd_is_bounded_counted_and_named(self):
        replay, rng = make_replay(2000), np.random.default_rng(0)
        rewards = rng.uniform(0, 1, 1500)
        rewards[700] = 1e6
        found = self.pay(replay, rewards.tolist())
        assert found[700] == 100.0
        assert (np.delete(found, 700) == np.delete(rewards, 700).astype(np.float32)).all()
        assert replay.figures["bounded_rewards"] == 1
        assert "1 of the rewards in replay are beyond ±100" in replay.warnings["reward"]

    @pytest.mark.parametrize("scale", [1e-3, 1.0, 16.0, 1e4])
    def test_those_of_a_task_that_pays_in_another_currency_are_left_alone(self, scale):
        rewards = (-scale * np.random.default_rng(0).uniform(0, 1, 1500)).astype(np.float32)
        replay = make_replay(2000)
        assert (self.pay(replay, rewards.tolist()) == rewards).all()
        assert not replay.warnings

    def test_a_rare_bonus_beside_small_ones_is_left_alone(self):
        rewards = [0.001] * 500 + [50.0]
        assert self.pay(make_replay(), rewards)[-1] == 50.0

    def test_the_scale_that_the_task_gives_decides(self):
        replay = Replay(OBSERVATION, ACTION, 1000, step_ns=STEP_NS, reward_scale=0.1)
        assert self.pay(replay, [1.0] * 200 + [9.0, 11.0])[-3:].tolist() == [1.0, 9.0, 10.0]


def test_depths_beyond_what_agents_can_tell_apart_are_told():
    observation = ObservationSpec(images={"depth": ImageSpec(height=8, width=8, encoding="16UC1")})
    replay = Replay(observation, ACTION, 100, step_ns=STEP_NS)
    for index in range(4):
        step = make_step(index)
        picture = np.full((8, 8, 1), 5000, np.uint16)
        picture[: 2 * index] = 5001
        replay.append(
            dataclasses.replace(step, observation=dataclasses.replace(step.observation, images={"depth": picture}))
        )
    assert replay.figures["depth_beyond_limit.depth"] == pytest.approx(0.375)
    assert replay.warnings["depth.depth"].startswith("38% of the pixels of camera 'depth' are beyond 5 m")


def test_memory_grows_with_use():
    replay = make_replay(capacity=10_000_000)
    live(replay, 5000)
    assert (replay.sample(np.random.default_rng(0), 64, 50)["observation.pose"][..., 0] < 5000).all()


class TestLatentStates:
    def values(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        return {
            "deter": np.repeat(rows[..., None], 3, -1).astype(np.float32),
            "stoch": np.repeat(rows[..., None] % 256, 2, -1).astype(np.uint8),
        }

    def test_a_written_state_is_read_back_for_the_sequence_that_continues_it(self):
        replay = make_replay()
        live(replay, 20)
        rows = np.arange(4, 12).reshape(2, 4)
        replay.write_state(rows, self.values(rows))
        states, known = replay.state_before(np.array([4, 5, 12, 13]))
        assert known.tolist() == [False, True, True, False]
        assert states["deter"].tolist() == [[0] * 3, [4] * 3, [11] * 3, [0] * 3]
        assert states["stoch"].tolist() == [[0] * 2, [4] * 2, [11] * 2, [0] * 2]

    def test_nothing_continues_across_a_cut_or_before_the_first_row(self):
        replay = make_replay()
        live(replay, 5)
        live(replay, 5, start=8)
        rows = np.arange(10)
        replay.write_state(rows, self.values(rows))
        _, known = replay.state_before(np.array([0, 4, 5, 6]))
        assert known.tolist() == [False, True, False, True]

    def test_a_state_for_an_overwritten_row_is_neither_written_nor_read(self):
        replay = make_replay(capacity=8)
        live(replay, 8)
        rows = np.arange(8)
        replay.write_state(rows, self.values(rows))
        live(replay, 3, start=8)  # rows 0, 1, 2 are gone, their slots hold rows 8, 9, 10
        replay.write_state(rows, self.values(rows + 100))
        states, known = replay.state_before(np.array([3, 4, 8, 9, 10]))
        assert known.tolist() == [False, True, True, False, False]
        assert states["deter"][:, 0].tolist() == [0, 103, 107, 0, 0]

    def test_of_a_row_written_twice_at_once_the_last_counts(self):
        replay = make_replay()
        live(replay, 6)
        rows = np.array([[1, 2], [2, 3]])
        values = self.values(rows)
        values["deter"][1, 0] = 50
        replay.write_state(rows, values)
        assert replay.state_before(np.array([3]))[0]["deter"].tolist() == [[50] * 3]


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
