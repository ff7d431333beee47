"""A verdict that comes late changes a stored step as if it had come in time, and lasts."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from robot_mbrl.experience.replay import Replay
from robot_mbrl.experience.replay_files import SEGMENT
from robot_mbrl.labels import Labels, LateLabels
from robot_mbrl.steps import Step, StepKey
from tests.experience.lived import ACTION, OBSERVATION, STATE, STEP_NS, make_step


def lived(count: int = 20, episode: int = 10, session: str = "a") -> list[Step]:
    return [
        make_step(index, session, first=index % episode == 0, last=index % episode == episode - 1)
        for index in range(count)
    ]


def filled(steps: list[Step], capacity: int = 100) -> Replay:
    replay = Replay(OBSERVATION, ACTION, capacity, STATE, step_ns=STEP_NS)
    for step in steps:
        assert replay.append(step)
    return replay


def label(replay: Replay, index: int, said: Labels, session: str = "a", earned: float = 0.0) -> bool:
    """Label step number `index`."""
    late = LateLabels(StepKey(session, (index + 1) * STEP_NS), said)
    found = replay.find(late.key)
    assert found is not None
    return replay.correct(found[0], late, earned)


def rows(replay: Replay) -> dict[str, np.ndarray]:
    return replay.read(np.arange(replay.oldest, replay.total))


def test_a_verdict_on_the_last_step_gives_what_it_would_have_given_in_time():
    steps = lived()
    late = filled([replace(s, observation=replace(s.observation, is_terminal=False)) for s in steps])
    assert label(late, 9, Labels(reward=2.0, failure=True), earned=2.0)
    last = steps[9].observation
    steps[9] = replace(steps[9], observation=replace(last, reward=last.reward + 2.0, is_terminal=True))
    steps[9] = replace(steps[9], action=replace(steps[9].action, values=np.zeros(2, np.float32)))
    steps[19] = replace(steps[19], observation=replace(steps[19].observation, is_terminal=False))
    for name, values in rows(filled(steps)).items():
        np.testing.assert_array_equal(rows(late)[name], values, err_msg=name)


def test_said_again_it_is_the_same():
    replay = filled(lived())
    assert label(replay, 3, Labels(reward=1.0), earned=1.0)
    assert not label(replay, 3, Labels(reward=1.0), earned=1.0)
    assert rows(replay)["reward"][3] == pytest.approx(1.3)
    assert label(replay, 3, Labels(reward=2.0), earned=2.0)
    assert rows(replay)["reward"][3] == pytest.approx(3.3)


def test_an_episode_that_ended_in_its_middle_is_two_runs_from_then_on():
    replay = filled(lived())
    label(replay, 4, Labels(end=True))
    stored = rows(replay)
    np.testing.assert_array_equal(stored["is_last"][:10], [0, 0, 0, 0, 1, 0, 0, 0, 0, 1])
    np.testing.assert_array_equal(stored["is_first"][:10], [1, 0, 0, 0, 0, 1, 0, 0, 0, 0])
    assert stored["is_terminal"][4] == 0
    assert not stored["action"][4].any()
    assert not stored["prev_action"][5].any()
    np.testing.assert_array_equal(replay.run_ends(np.arange(20)), [4] * 5 + [9] * 5 + [19] * 10)
    assert set(replay.unbroken(5)) == {0, 5, *range(10, 16)}
    assert not replay.after(np.array([4]))[1][0]


def test_a_latent_state_is_not_read_across_the_new_cut():
    replay = filled(lived())
    state = {"deter": np.ones((20, 3), np.float32), "stoch": np.ones((20, 2), np.uint8)}
    replay.write_state(np.arange(20), state)
    assert replay.state_before(np.array([5]))[1][0]
    label(replay, 4, Labels(failure=True))
    assert not replay.state_before(np.array([5]))[1][0]


def test_what_ends_the_newest_step_cuts_before_the_one_to_come():
    steps = lived(episode=1000)
    replay = filled(steps[:5])
    label(replay, 4, Labels(end=True))
    replay.append(steps[5])
    assert rows(replay)["is_first"][5] == 1


@pytest.mark.parametrize("saved_before", [True, False])
def test_it_outlasts_a_save_whenever_its_row_was_written(tmp_path: Path, saved_before: bool):
    replay = filled(lived(SEGMENT + 50, episode=40), capacity=2 * SEGMENT)
    if saved_before:
        replay.save(tmp_path / "replay-1.npz")
    label(replay, 20, Labels(reward=5.0, failure=True), earned=5.0)
    label(replay, SEGMENT + 10, Labels(reward=7.0), earned=7.0)
    replay.save(tmp_path / "replay-2.npz")
    restored = Replay(OBSERVATION, ACTION, 2 * SEGMENT, STATE, step_ns=STEP_NS)
    restored.restore(tmp_path / "replay-2.npz")
    for name, values in rows(replay).items():
        np.testing.assert_array_equal(rows(restored)[name], values, err_msg=name)
    numbers = np.arange(replay.total)
    np.testing.assert_array_equal(restored.run_ends(numbers), replay.run_ends(numbers))
    assert not label(restored, 20, Labels(reward=5.0, failure=True), earned=5.0)


def test_the_step_that_a_stamp_means_is_the_newest_at_or_before_it():
    replay = filled([*lived(), *lived(session="b")])
    assert replay.find(StepKey("a", 5 * STEP_NS)) == (4, 5 * STEP_NS)
    assert replay.find(StepKey("a", 5 * STEP_NS + STEP_NS // 2)) == (4, 5 * STEP_NS)
    assert replay.find(StepKey("b", 10**18)) == (39, 20 * STEP_NS)
    assert replay.find(StepKey("", 10**18)) in ((19, 20 * STEP_NS), (39, 20 * STEP_NS))
    assert replay.find(StepKey("a", 1)) is None
    assert replay.find(StepKey("c", 10**18)) is None


def test_labels_of_rows_that_have_left_the_ring_are_forgotten():
    steps = lived(60)
    replay = filled(steps[:20], capacity=25)
    label(replay, 3, Labels(reward=1.0), earned=1.0)
    for step in steps[20:]:
        replay.append(step)
    assert replay.find(StepKey("a", 4 * STEP_NS)) is None
    assert replay._corrections.state(replay.oldest) == {"known": {}, "rows": []}
