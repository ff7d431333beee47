"""What agents draw from replay, against a walk through the life that it was filled with."""

import numpy as np
import pytest
from scipy import stats

from robot_mbrl.errors import ExperienceError
from robot_mbrl.experience.draws import HELD_OUT_BLOCK, HELD_OUT_OF, Sequences, Transitions
from robot_mbrl.experience.replay import Replay
from tests.experience.lived import ACTION, OBSERVATION, STATE, STEP_NS, make_step


def lived(episodes: list[int], capacity: int = 10_000) -> Replay:
    """A replay of episodes of these lengths; the value of each step is its row."""
    replay = Replay(OBSERVATION, ACTION, capacity, STATE, step_ns=STEP_NS)
    for length in episodes:
        start = replay.total
        for row in range(start, start + length):
            assert replay.append(make_step(row, first=row == start, last=row == start + length - 1))
    return replay


def test_a_sequence_begins_with_the_latents_before_it_or_afresh() -> None:
    replay = lived([30])
    rows = np.arange(10)
    deter = np.repeat(rows[:, None], 3, -1).astype(np.float32)
    replay.write_state(rows, {"deter": deter, "stoch": np.zeros((10, 2), np.uint8)})
    drawn = Sequences(200, 4).read(replay, np.random.default_rng(0))
    starts = drawn["row"][:, 0]
    known = (starts >= 1) & (starts <= 10)
    assert known.any()
    assert not known.all()
    assert (drawn["is_first"][:, 0] == ~known).all()
    assert (drawn["is_first"][:, 1:] == (drawn["row"][:, 1:] == 0)).all()  # After the newest row come the oldest.
    assert (drawn["before.deter"][:, 0] == np.where(known, starts - 1, 0)).all()
    assert drawn["valid"].all()


@pytest.mark.parametrize("steps", [1, 3])
def test_transitions_are_all_those_within_episodes_and_each_as_likely(steps: int) -> None:
    episodes = [7, 1, 2, 12]
    replay = lived(episodes, capacity=20)  # the first two rows are gone
    ends = np.cumsum(episodes)
    last = {row: int(ends[np.searchsorted(ends, row, side="right")]) - 1 for row in range(2, 22)}
    drawn = Transitions(20_000, steps).read(replay, np.random.default_rng(1))
    starts, counts = np.unique(drawn["row"][:, 0], return_counts=True)
    assert starts.tolist() == [row for row in range(2, 22) if row < last[row]]
    assert stats.chisquare(counts).pvalue > 0.01
    for row, valid in zip(drawn["row"], drawn["valid"], strict=True):
        expected = list(range(row[0], row[0] + steps + 1))
        assert valid.tolist() == [number <= last[row[0]] for number in expected]
        assert row[valid].tolist() == [number for number in expected if number <= last[row[0]]]
    there = drawn["valid"]
    assert (drawn["action"][..., 0][there] == drawn["row"][there]).all()
    np.testing.assert_allclose(drawn["reward"][there], drawn["row"][there] / 10, rtol=1e-6)


def test_what_is_held_out_is_never_fitted_and_both_together_are_all() -> None:
    replay = lived([400, 800])
    parts = {
        part: set(np.unique(Transitions(40_000, 2, part).read(replay, np.random.default_rng(2))["row"][:, 0]).tolist())
        for part in ("fit", "held_out", "all")
    }
    assert not parts["fit"] & parts["held_out"]
    assert parts["fit"] | parts["held_out"] < parts["all"]
    # What is in neither leads from one part to the other.
    between = parts["all"] - parts["fit"] - parts["held_out"]
    assert all((row + 1) % HELD_OUT_BLOCK == 0 for row in between)
    blocks = {row // HELD_OUT_BLOCK for row in parts["held_out"]}
    assert {block % HELD_OUT_OF for block in blocks} == {HELD_OUT_OF - 1}
    drawn = Transitions(500, 5, "fit").read(replay, np.random.default_rng(3))
    assert not (drawn["row"][drawn["valid"]] // HELD_OUT_BLOCK % HELD_OUT_OF == HELD_OUT_OF - 1).any()


@pytest.mark.parametrize(
    ("episodes", "draw"),
    [([3], Transitions(2, steps=3)), ([499], Transitions(2, part="held_out")), ([1] * 50, Transitions(2))],
    ids=["too few", "nothing held out", "episodes of one step"],
)
def test_where_there_are_no_such_transitions_it_is_said(episodes: list[int], draw: Transitions) -> None:
    with pytest.raises(ExperienceError, match="Transitions"):
        draw.read(lived(episodes), np.random.default_rng(0))


def test_each_draw_says_what_it_needs_and_what_it_replays() -> None:
    assert (Sequences(4, 8).fewest, Sequences(4, 8).replayed) == (8, 32)
    assert (Transitions(5, 3).fewest, Transitions(5, 3).replayed) == (4, 5)
    for draw in (Sequences(2, 8), Transitions(2, 3), Transitions(2, part="held_out")):
        assert len(draw.read(lived([draw.fewest]), np.random.default_rng(0))["row"]) == 2
