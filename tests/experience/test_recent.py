"""The newest steps, against a list that remembers everything."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robot_mbrl.errors import ExperienceError
from robot_mbrl.experience.draws import Recent
from robot_mbrl.experience.replay import Replay
from robot_mbrl.specs import Mode, Source
from robot_mbrl.steps import Step
from tests.experience.lived import ACTION, OBSERVATION, STATE, STEP_NS, make_step

lives = st.lists(
    st.tuples(
        st.sampled_from("aaab"),
        st.sampled_from([False, False, False, True]),  # is_last
        st.sampled_from([Source.POLICY, Source.POLICY, Source.RANDOM, Source.TELEOP]),
        st.sampled_from([Mode.EXPLORE, Mode.EXPLORE, Mode.EVALUATE]),
        st.integers(1, 4),  # the policy's version
    ),
    max_size=30,
)


def acted(index: int, session: str, last: bool, source: Source, mode: Mode, version: int) -> Step:
    step = make_step(index, session, last=last)
    observation = dataclasses.replace(step.observation, mode=mode)
    return Step(observation, dataclasses.replace(step.action, source=source, policy_version=version))


@settings(max_examples=40, deadline=None)
@given(life=lives, steps=st.integers(1, 12), versions=st.sampled_from([None, 1, 2]), capacity=st.sampled_from([12, 99]))
def test_they_are_what_a_list_remembers(life, steps: int, versions: int | None, capacity: int) -> None:  # type: ignore[no-untyped-def]
    replay = Replay(OBSERVATION, ACTION, capacity, STATE, step_ns=STEP_NS)
    counts = {"a": 0, "b": 0}
    for session, *others in life:
        assert replay.append(acted(counts[session], session, *others))
        counts[session] += 1
    draw = Recent(steps, versions)
    if len(life) < steps:
        with pytest.raises(ExperienceError, match="too few"):
            draw.read(replay, np.random.default_rng(0))
        return
    drawn = draw.read(replay, np.random.default_rng(0))
    newest = list(range(len(life) - steps, len(life)))
    names = list(dict.fromkeys(session for session, *_ in life))
    order = sorted(newest, key=lambda row: (names.index(life[row][0]), row))
    assert drawn["row"].tolist() == [order]
    own = [life[row][2] is Source.POLICY and life[row][3] is Mode.EXPLORE for row in order]
    if versions is not None:
        known = sorted({life[row][4] for row, is_own in zip(order, own, strict=True) if is_own})[-versions:]
        own = [is_own and life[row][4] in known for row, is_own in zip(order, own, strict=True)]
    assert drawn["valid"].tolist() == [own]
    for place, row in enumerate(order):
        same = [other for other in range(row) if life[other][0] == life[row][0]]
        continues = place > 0 and same[-1:] == order[place - 1 : place] and not life[order[place - 1]][1]
        assert bool(drawn["is_first"][0, place]) is not continues
        if place:
            assert (drawn["prev_action"][0, place] == (drawn["action"][0, place - 1] if continues else 0.0)).all()
        assert (
            drawn["action"][0, place, 0]
            == make_step(sum(life[other][0] == life[row][0] for other in range(row))).action.values[0]
        )


def test_they_begin_with_the_latents_before_them_where_these_are_known() -> None:
    replay = Replay(OBSERVATION, ACTION, 100, STATE, step_ns=STEP_NS)
    for index in range(20):
        replay.append(make_step(index))
    replay.write_state(np.array([14]), {"deter": np.full((1, 3), 7.0, np.float32), "stoch": np.zeros((1, 2), np.uint8)})
    known, unknown = (Recent(steps).read(replay, np.random.default_rng(0)) for steps in (5, 6))
    assert (known["before.deter"].tolist(), known["is_first"][0, 0]) == ([[7.0] * 3], 0.0)
    assert (unknown["before.deter"].tolist(), unknown["is_first"][0, 0]) == ([[0.0] * 3], 1.0)
    assert (Recent(5).fewest, Recent(5).replayed) == (5, 5)
