"""Halves that come in any order the network may deliver become steps in the order they were lived."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from robot_mbrl.experience.joining import StepJoiner
from robot_mbrl.steps import Step
from tests.experience.lived import make_step


def feed(joiner: StepJoiner, parts: list[tuple[str, Step]]) -> list[Step]:
    joined = []
    for kind, step in parts:
        match kind:
            case "observation":
                whole = joiner.add_observation(step.observation)
            case "action":
                whole = joiner.add_action(step.action)
            case _:
                whole = joiner.add_image(kind, step.observation.key, step.observation.images["camera"])
        joined += [whole] if whole is not None else []
    return joined


def stamps(steps: list[Step]) -> list[int]:
    return [step.observation.key.stamp_ns for step in steps]


steps = [make_step(index, images=True) for index in range(8)]


@given(st.data())
def test_however_topics_interleave_every_step_comes_once_and_in_order(data):
    queues = {kind: list(steps) for kind in ("observation", "action", "camera")}
    parts = []
    while any(queues.values()):
        kind = data.draw(st.sampled_from([kind for kind, queue in queues.items() if queue]))
        parts.append((kind, queues[kind].pop(0)))
    joiner = StepJoiner(["camera"])
    joined = feed(joiner, parts)
    assert stamps(joined) == stamps(steps)
    assert all(step.observation.images["camera"][0, 0, 0] == number for number, step in enumerate(joined))
    assert (joiner.dropped, joiner.repeated) == (0, 0)


@given(
    lost=st.sets(st.tuples(st.sampled_from(["observation", "action"]), st.sampled_from(range(7)))), seed=st.integers()
)
def test_steps_that_lost_a_part_are_dropped_and_counted(lost, seed):
    parts = [
        (kind, step)
        for number, step in enumerate(steps)
        for kind in ("observation", "action")
        if (kind, number) not in lost
    ]
    whole = [n for n in range(8) if not {("observation", n), ("action", n)} & lost]
    half = [n for n in range(8) if len({("observation", n), ("action", n)} & lost) == 1]
    joiner = StepJoiner()
    assert stamps(feed(joiner, parts)) == [steps[n].observation.key.stamp_ns for n in whole]
    assert joiner.dropped == len(half)


def test_parts_that_come_again_are_counted_and_change_nothing():
    joiner = StepJoiner()
    parts = [("observation", steps[0]), ("observation", steps[0]), ("action", steps[0])]
    again = [("action", steps[0]), ("observation", steps[0])]
    assert len(feed(joiner, parts + again)) == 1
    assert joiner.repeated == 3


def test_a_late_joiner_may_be_sent_all_of_one_topic_before_the_other():
    life = [make_step(index) for index in range(1000)]
    parts = [("action", step) for step in life] + [("observation", step) for step in life]
    assert stamps(feed(StepJoiner(), parts)) == stamps(life)


def test_sessions_do_not_overtake_each_other():
    joiner = StepJoiner()
    other = make_step(0, "b")
    parts = [("observation", steps[5]), ("observation", other), ("action", other), ("action", steps[5])]
    assert [step.observation.key.session for step in feed(joiner, parts)] == ["b", "a"]


def test_memory_is_bounded():
    joiner = StepJoiner(limit=10)
    life = [make_step(index) for index in range(100)]
    feed(joiner, [("observation", step) for step in life])
    assert joiner.dropped == 90
    assert stamps(feed(joiner, [("action", step) for step in life[90:]])) == stamps(life[90:])


def test_pictures_other_than_the_cameras_waited_for_do_not_complete_a_step():
    joiner = StepJoiner(["camera"])
    assert feed(joiner, [("observation", steps[0]), ("action", steps[0])]) == []
    assert np.array_equal(
        feed(joiner, [("camera", steps[0])])[0].observation.images["camera"], steps[0].observation.images["camera"]
    )
