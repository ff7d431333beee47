"""What changes too often is told in part, and that more was left out."""

from robot_mbrl.runs.throttle import Throttle


def test_few_texts_come_at_once_and_the_newest_of_many_later() -> None:
    throttle = Throttle(burst=2, period_s=5.0)
    said = []
    for number in range(6):
        throttle.offer(f"change {number}")
        said.append(throttle.due(10.0 + 0.1 * number))
    assert said == ["change 0", "change 1", None, None, None, None]
    assert throttle.due(14.0) is None
    assert throttle.due(15.1) == "change 5 (3 more before that)"
    assert throttle.due(16.0) is None


def test_after_a_rest_a_few_come_at_once_again() -> None:
    throttle = Throttle(burst=2, period_s=5.0)
    for now_s in (0.0, 0.0, 100.0, 100.0):
        throttle.offer("a change")
        assert throttle.due(now_s) == "a change"


def test_nothing_is_said_of_nothing() -> None:
    assert Throttle(burst=1, period_s=1.0).due(0.0) is None


def test_what_is_urgent_is_said_at_once_however_much_was_said_before() -> None:
    throttle = Throttle(burst=1, period_s=5.0)
    throttle.offer("a change")
    assert throttle.due(0.0) == "a change"
    throttle.offer("another")
    assert throttle.due(0.1) is None
    throttle.offer("latched", urgent=True)
    assert throttle.due(0.2) == "latched (1 more before that)"
