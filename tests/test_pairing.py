"""Joining halves by key: in order, none twice, and none waited for in vain."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from robot_mbrl.pairing import ObservationPairing, StepPairing
from robot_mbrl.steps import Action, Observation, StepKey

PICTURE = np.zeros((8, 8, 3), np.uint8)


def observation(stamp: int, session: str = "s") -> Observation:
    return Observation(StepKey(session, stamp), {"x": float(stamp)}, {})


def test_without_pictures_every_observation_is_whole() -> None:
    assert ObservationPairing().add_observation(observation(1)) == observation(1)


def test_halves_meet_in_whatever_order_they_come() -> None:
    pairing = ObservationPairing(["camera"])
    assert pairing.add_observation(observation(1)) is None
    whole = pairing.add_image("camera", StepKey("s", 1), PICTURE)
    assert whole is not None
    assert whole.images["camera"] is PICTURE
    assert pairing.add_image("camera", StepKey("s", 2), PICTURE) is None
    assert pairing.add_observation(observation(2)) is not None
    assert pairing.half_pairs == 0


def test_half_whose_other_half_was_lost_is_dropped_and_counted() -> None:
    pairing = ObservationPairing(["camera"])
    pairing.add_observation(observation(1))
    pairing.add_observation(observation(2))
    assert pairing.add_image("camera", StepKey("s", 2), PICTURE) is not None
    assert pairing.half_pairs == 1
    # A picture that comes alone, after the observations have moved on.
    pairing.add_observation(observation(4))
    assert pairing.add_image("camera", StepKey("s", 3), PICTURE) is None
    assert pairing.half_pairs == 2


def test_repeats_are_recognised() -> None:
    pairing = StepPairing()
    action = Action(StepKey("s", 1), np.zeros(1, np.float32))
    pairing.add_observation(observation(1))
    assert pairing.add_action(action) is not None
    assert pairing.add_observation(observation(1)) is None
    assert pairing.add_action(action) is None
    assert pairing.half_pairs == 0


def test_histories_that_arrive_one_after_the_other_are_joined() -> None:
    """What a late joiner gets: first all of one topic, then all of the other."""
    pairing = StepPairing(["camera"])
    for stamp in range(1, 101):
        assert pairing.add_observation(observation(stamp)) is None
    for stamp in range(1, 101):
        assert pairing.add_action(Action(StepKey("s", stamp), np.zeros(1, np.float32))) is None
    steps = [pairing.add_image("camera", StepKey("s", stamp), PICTURE) for stamp in range(81, 101)]
    assert [step.observation.key.stamp_ns for step in steps if step is not None] == list(range(81, 101))
    assert pairing.half_pairs == 80


def test_session_that_begins_at_an_earlier_time_is_later_all_the_same() -> None:
    pairing = ObservationPairing(["camera"])
    pairing.add_observation(observation(1000, "first"))
    pairing.add_image("camera", StepKey("first", 1000), PICTURE)
    pairing.add_observation(observation(5, "second"))
    assert pairing.add_image("camera", StepKey("second", 5), PICTURE) is not None


def test_silent_topic_cannot_fill_the_memory() -> None:
    pairing = ObservationPairing(["camera"], capacity=10)
    for stamp in range(1, 101):
        pairing.add_observation(observation(stamp))
    assert pairing.half_pairs == 90
    assert pairing.add_image("camera", StepKey("s", 95), PICTURE) is not None


def test_sensor_and_then_learner_that_restart_lose_none_of_what_comes() -> None:
    """The new sensor's history begins with the second session, the guard's still holds the first one too."""
    pairing = StepPairing()
    assert pairing.add_observation(observation(1, "second")) is None
    for session in ("first", "second"):
        for stamp in (1, 2):
            step = pairing.add_action(Action(StepKey(session, stamp), np.zeros(1, np.float32)))
            assert (step is not None) == (session == "second" and stamp == 1)
    assert pairing.add_observation(observation(2, "second")) is not None
    assert pairing.half_pairs == 2


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.data())
def test_any_interleaving_of_histories_with_losses_gives_the_common_steps_in_order(data: st.DataObject) -> None:
    # Sessions' clocks may be set back between them.
    lived = [(session, stamp) for session in ("x", "a", "m") for stamp in (1, 2, 3, 4)]
    topics = {}
    for part in ("o", "a", "c"):
        history = lived[data.draw(st.integers(0, len(lived))) :]
        topics[part] = [key for key in history if data.draw(st.integers(0, 4))]
    queue = data.draw(st.permutations([part for part, seen in topics.items() for _ in seen]))
    pairing, came = StepPairing(["camera"]), []
    waiting = {part: iter(seen) for part, seen in topics.items()}
    for part in queue:
        session, stamp = next(waiting[part])
        match part:
            case "o":
                step = pairing.add_observation(observation(stamp, session))
            case "a":
                step = pairing.add_action(Action(StepKey(session, stamp), np.zeros(1, np.float32)))
            case _:
                step = pairing.add_image("camera", StepKey(session, stamp), PICTURE)
        if step is not None:
            assert step.observation.key == step.action.key
            came.append((step.action.key.session, step.action.key.stamp_ns))
    assert came == [key for key in lived if all(key in seen for seen in topics.values())]


def test_a_history_as_long_as_the_topics_offer_waits_for_its_other_half() -> None:
    pairing = StepPairing()
    for stamp in range(1, 1001):
        pairing.add_action(Action(StepKey("s", stamp), np.zeros(1, np.float32)))
    steps = [pairing.add_observation(observation(stamp)) for stamp in range(1, 1001)]
    assert all(step is not None for step in steps)
