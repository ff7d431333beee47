"""New experience is read once before chance decides, against a list that cuts each session into windows."""

from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from robot_mbrl.experience.draws import Sequences
from robot_mbrl.experience.replay import Replay
from tests.experience.lived import ACTION, OBSERVATION, STATE, STEP_NS, make_step

BATCH = 3
events = st.lists(st.sampled_from("aaaaaabbc.."), max_size=50)
"""Steps by their session, and reads (.)."""


class Life:
    """A replay, and what it should have handed out."""

    def __init__(self, length: int, capacity: int) -> None:
        self.replay = Replay(OBSERVATION, ACTION, capacity, STATE, step_ns=STEP_NS)
        self.draw = Sequences(BATCH, length, newest=True)
        self.rows: dict[str, list[int]] = {"a": [], "b": [], "c": []}
        self.offered: set[int] = set()
        self.rng = np.random.default_rng(0)

    def step(self, session: str) -> None:
        self.rows[session].append(self.replay.total)
        assert self.replay.append(make_step(self.replay.total, session))

    def expected(self) -> list[list[int]]:
        """The windows of each session that are complete, still there and were never offered, but for the oldest."""
        length = self.draw.length
        complete = [
            rows[start : start + length]
            for rows in self.rows.values()
            for start in range(0, len(rows) - length + 1, length)
            if rows[start] not in self.offered and rows[start] >= self.replay.oldest
        ]
        self.offered |= {window[0] for window in complete}
        return sorted(complete)[-BATCH:]

    def read(self) -> list[list[int]]:
        rows: list[list[int]] = self.draw.read(self.replay, self.rng)["row"].tolist()
        return rows


@settings(max_examples=60, deadline=None)
@given(events=events, length=st.integers(1, 6))
def test_each_window_of_each_session_is_read_once_as_soon_as_it_is_there(events: list[str], length: int) -> None:
    life = Life(length, capacity=1000)
    for event in events:
        if event != ".":
            life.step(event)
        elif len(life.replay) >= length:
            expected = life.expected()
            assert life.read()[: len(expected)] == expected


@settings(max_examples=40, deadline=None)
@given(events=events, length=st.integers(1, 4), capacity=st.integers(4, 12))
def test_of_a_ring_only_windows_that_are_wholly_there_are_read(events: list[str], length: int, capacity: int) -> None:
    life = Life(length, capacity)
    for event in events:
        if event != ".":
            life.step(event)
        elif len(life.replay) >= length:
            replay = life.replay
            drawn = life.draw.read(replay, life.rng)
            assert (drawn["row"] >= replay.oldest).all()
            assert (drawn["observation.pose"][..., 0] == drawn["row"]).all()


def test_the_rest_of_a_batch_is_left_to_chance_and_so_is_what_came_at_once() -> None:
    life = Life(length=5, capacity=1000)
    for _ in range(100):
        life.step("a")
    assert life.read() == [list(range(start, start + 5)) for start in (85, 90, 95)]
    for _ in range(5):
        life.step("a")
    starts = np.array([life.read()[number] for number in (0, 1, 1, 2)])[:, 0]
    assert starts[0] == 100
    assert len(set(starts.tolist()) - {100}) > 0


def test_a_resumed_replay_offers_what_was_not_read_and_nothing_twice(tmp_path: Path) -> None:
    life, resumed = Life(length=5, capacity=1000), Life(length=5, capacity=1000)
    for session in "aabaaabaaba":
        life.step(session)
    life.read()
    for session in "babaaab":
        life.step(session)
    life.replay.save(tmp_path / "replay.npz")
    resumed.replay.restore(tmp_path / "replay.npz")
    resumed.rng.bit_generator.state = life.rng.bit_generator.state
    for one in (life, resumed):
        one.rows = {name: [] for name in "abc"}
        for session in "aab":
            one.step(session)
    for _ in range(3):
        assert life.read() == resumed.read()


def test_without_it_no_sequence_comes_before_the_others() -> None:
    life = Life(length=5, capacity=1000)
    for _ in range(100):
        life.step("a")
    plain = Sequences(2000, 5).read(life.replay, np.random.default_rng(1))["row"][:, 0]
    assert np.bincount(plain, minlength=100).min() > 0
