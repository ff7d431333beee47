"""When observations begin, pause and go on with a guard that comes, dies and is started again."""

import pytest

from robot_mbrl.control.guard_link import ACQUAINTANCE_S, SILENT_S, TRANSITIONS, GuardLink, Link, LinkEvent

OLD, NEW = "guard", "guard after a restart"
STEP_S = 0.05


class Session:
    """A link over time, and a guard that answers while it lives."""

    def __init__(self, **settings: float) -> None:
        self.link = GuardLink(**settings)
        self.now_s = 100.0

    def pass_time(self, duration_s: float, graph: set[str], *, answers: bool) -> None:
        """Let time pass with a graph that shows these guards, observing whenever the link allows."""
        for _ in range(round(duration_s / STEP_S)):
            self.now_s += STEP_S
            self.link.look(graph, self.now_s)
            if self.link.heard:
                self.link.asked(self.now_s)
                if answers:
                    self.link.answered()


def test_nothing_is_observed_before_a_guard_has_been_there_for_a_while() -> None:
    session = Session()
    session.pass_time(10.0, set(), answers=False)
    assert not session.link.heard
    session.pass_time(ACQUAINTANCE_S - STEP_S, {OLD}, answers=False)
    assert not session.link.heard
    session.pass_time(3 * STEP_S, {OLD}, answers=True)
    assert session.link.heard


def test_a_killed_guard_is_noticed_although_the_graph_still_shows_it() -> None:
    session = Session()
    session.pass_time(2.0, {OLD}, answers=True)
    session.pass_time(SILENT_S - 2 * STEP_S, {OLD}, answers=False)
    assert session.link.heard
    session.pass_time(20.0, {OLD}, answers=False)
    assert not session.link.heard


def test_a_restarted_guard_is_heard_while_the_graph_still_shows_the_dead_one() -> None:
    session = Session()
    session.pass_time(2.0, {OLD}, answers=True)
    session.pass_time(5.0, {OLD}, answers=False)
    session.pass_time(ACQUAINTANCE_S - STEP_S, {OLD, NEW}, answers=True)
    assert not session.link.heard
    session.pass_time(3 * STEP_S, {OLD, NEW}, answers=True)
    assert session.link.heard


@pytest.mark.parametrize("away_s", [0.2, 0.5, 0.9, 1.0, 1.5])
def test_a_guard_that_is_started_anew_need_not_answer_for_the_one_before(away_s: float) -> None:
    session = Session()
    session.pass_time(2.0, {OLD}, answers=True)
    # It dies with an observation unanswered, and the graph knows.
    session.pass_time(STEP_S, {OLD}, answers=False)
    session.pass_time(away_s, set(), answers=False)
    session.pass_time(ACQUAINTANCE_S + 3 * STEP_S, {NEW}, answers=True)
    assert session.link.heard


def test_a_guard_that_was_out_of_reach_and_is_back_is_heard() -> None:
    session = Session()
    session.pass_time(2.0, {OLD}, answers=True)
    session.pass_time(20.0, {OLD}, answers=False)
    session.pass_time(5.0, set(), answers=False)
    session.pass_time(ACQUAINTANCE_S + 3 * STEP_S, {OLD}, answers=True)
    assert session.link.heard


def test_a_guard_that_leaves_properly_is_missed_at_once_and_its_successor_gets_to_know_us_first() -> None:
    session = Session()
    session.pass_time(2.0, {OLD}, answers=True)
    session.pass_time(STEP_S, {NEW}, answers=True)
    assert not session.link.heard
    session.pass_time(ACQUAINTANCE_S + STEP_S, {NEW}, answers=True)
    assert session.link.heard


def test_a_guard_that_was_held_up_is_heard_again_when_it_answers() -> None:
    session = Session()
    session.pass_time(2.0, {OLD}, answers=True)
    session.pass_time(3.0, {OLD}, answers=False)
    assert not session.link.heard
    session.link.answered()
    session.pass_time(STEP_S, {OLD}, answers=True)
    assert session.link.heard


def test_in_lockstep_a_policy_may_take_its_time() -> None:
    session = Session(silent_s=float("inf"))
    session.pass_time(2.0, {OLD}, answers=True)
    session.pass_time(100.0, {OLD}, answers=False)
    assert session.link.heard


@pytest.mark.parametrize("state", Link)
def test_every_state_has_a_way_out(state: Link) -> None:
    assert any(before is state and after is not state for (before, _), after in TRANSITIONS.items())
    assert {event for _, event in TRANSITIONS} == set(LinkEvent)
