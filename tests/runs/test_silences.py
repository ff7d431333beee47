"""Whoever was heard and falls silent is named, until it is heard again; who never was is not missed."""

from robot_mbrl.runs.silences import Silences


def test_who_falls_silent_is_named_until_heard_again() -> None:
    silences = Silences(3.0)
    assert silences.silent(100.0) == {}
    silences.hear("sensor", 100.0)
    silences.hear("learner", 100.5)
    assert silences.silent(103.0) == {}
    assert silences.silent(103.25) == {"sensor": 3.25}
    assert silences.silent(105.0) == {"learner": 4.5, "sensor": 5.0}
    silences.hear("sensor", 105.0)
    assert silences.silent(106.0) == {"learner": 5.5}
