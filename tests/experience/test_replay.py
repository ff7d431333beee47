"""The replay against a list that remembers everything, and the properties that learning relies on."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from robot_mbrl.errors import ExperienceError
from robot_mbrl.experience.replay import Replay
from robot_mbrl.specs import ImageSpec, ObservationSpec
from robot_mbrl.steps import Step, StepKey
from tests.experience.lived import ACTION, OBSERVATION, SEEING, STATE, STEP_NS, live, make_replay, make_step

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
