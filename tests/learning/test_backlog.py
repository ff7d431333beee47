"""What was lived while a learner was away is told from what it lives to see, whatever the clocks show."""

import pytest

from robot_mbrl.learning.backlog import Backlog
from robot_mbrl.steps import StepKey

HOUR_NS = 3600 * 10**9


def key(index: int, session: str = "a", origin_ns: int = 0) -> StepKey:
    return StepKey(session, origin_ns + index * 50_000_000)


@pytest.mark.parametrize("origin_ns", [0, HOUR_NS, 10**6 * HOUR_NS])
def test_the_backlog_ends_with_the_first_step_that_was_witnessed(origin_ns: int) -> None:
    backlog = Backlog()
    assert [backlog.includes(key(k, origin_ns=origin_ns)) for k in range(3)] == [True] * 3
    backlog.witness(key(5, origin_ns=origin_ns))
    backlog.witness(key(6, origin_ns=origin_ns))
    assert [backlog.includes(key(k, origin_ns=origin_ns)) for k in range(3, 8)] == [True, True, False, False, False]


def test_a_step_that_went_by_unheard_does_not_make_the_present_a_backlog() -> None:
    backlog = Backlog()
    backlog.witness(key(5))
    assert not backlog.includes(key(7))


def test_sessions_of_a_history_are_a_backlog_also_where_their_stamps_are_later() -> None:
    backlog = Backlog()
    backlog.witness(key(5, "b"))
    assert backlog.includes(key(1000, "a"))
    assert backlog.includes(key(4, "b"))
    assert not backlog.includes(key(5, "b"))


def test_what_comes_after_the_first_witnessed_step_is_present_in_every_session() -> None:
    backlog = Backlog()
    backlog.witness(key(0, "a"))
    assert not backlog.includes(key(0, "a"))
    assert not backlog.includes(key(0, "b"))


def test_each_robot_has_a_backlog_of_its_own() -> None:
    backlog = Backlog()
    backlog.witness(key(5, "left"))
    assert not backlog.includes(key(5, "left"), robot=0)
    assert backlog.includes(key(900, "right"), robot=1)
    backlog.witness(key(901, "right"))
    assert not backlog.includes(key(901, "right"), robot=1)
