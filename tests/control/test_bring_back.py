"""The way back of joints found out of bounds or range: slow, asked for by a person, and ended by whatever is amiss."""

from collections.abc import Callable
from itertools import pairwise

import pytest

from robot_mbrl.control.stops import Reason
from tests.control.guard_bench import RECOVER, GuardBench, follow, real

ASKS_EVERY_S = 0.3


def beyond(kind: str = "position", **changes: object) -> GuardBench:
    """A robot whose joint b, or a, was found beyond its bounds."""
    bench = GuardBench(kind, enabled=False, **changes)
    bench.positions = [0.0, 2.1] if kind == "position" else [1.8, 0.0]
    bench.run(0.6)
    assert bench.guard.state == "latched: joint_limit"
    return bench


def ask(bench: GuardBench, duration_s: float) -> bool:
    """Ask for the way back as the operator's command does, of an arm that obeys; returns whether it is there."""
    end_s = bench.now_s + duration_s
    while bench.now_s < end_s:
        if bench.guard.bring_back(bench.now_s):
            return True
        for _ in range(round(ASKS_EVERY_S / 0.01)):
            count = len(bench.commands)
            bench.run(0.01)
            if len(bench.commands) > count:
                bench.positions = list(bench.command)
    return False


@pytest.mark.parametrize("kind", ["position", "velocity"])
def test_a_joint_found_out_of_bounds_is_brought_back_slowly_and_only_while_a_person_asks(kind: str) -> None:
    bench = GuardBench(kind, enabled=False)
    bench.positions = [0.0, 1.95] if kind == "position" else [1.6, 0.0]
    bench.run(0.3)
    joint = 1 if kind == "position" else 0
    assert bench.guard.state == "latched: joint_limit"
    assert "bring-back" in bench.guard.detail
    start_s, path = bench.now_s, []

    def live(duration_s: float) -> None:
        for _ in range(round(duration_s / 0.01)):
            bench.run(0.01)
            if kind == "position":
                bench.positions = list(bench.command)
            else:
                bench.positions = [x + 0.01 * v for x, v in zip(bench.positions, bench.command, strict=True)]
            path.append(bench.positions[joint])

    bench.guard.bring_back(bench.now_s)
    live(0.5)
    moved = path[0] - path[-1]
    live(3.0)
    # Nobody asked any more: it went on for a second at most.
    assert path[-1] == pytest.approx(path[-100], abs=1e-6)
    assert 0.0 < moved < 0.12
    while not bench.guard.bring_back(bench.now_s):
        live(0.3)
        assert bench.now_s - start_s < 30.0
    live(2.0)
    assert all(new <= old + 1e-9 for old, new in pairwise(path))
    assert path[-1] <= (1.8 if kind == "position" else 1.5) + 0.03
    assert bench.guard.reset_stop(bench.now_s)
    bench.run(2.5)
    bench.guard.enable(True, bench.now_s)
    follow(bench, 0.0, 0.0, steps=2 * RECOVER)
    assert bench.guard.state == "moving", bench.guard.detail


def test_nothing_is_brought_back_while_the_emergency_stop_is_pressed_or_joints_are_stale() -> None:
    bench = GuardBench("position", enabled=False)
    bench.positions = [0.0, 1.95]
    bench.run(0.3)
    bench.guard.emergency_stop(True, bench.now_s)
    assert not bench.guard.bring_back(bench.now_s)
    bench.run(0.5)
    assert bench.commands == []
    bench.guard.emergency_stop(False, bench.now_s)
    bench.run(0.5, sensing=False)
    assert not bench.guard.bring_back(bench.now_s)
    bench.run(0.5, sensing=False)
    assert bench.commands == []


def test_an_arm_blocked_on_its_way_back_is_not_pushed() -> None:
    bench = GuardBench("position", enabled=False)
    bench.positions = [0.0, 1.95 + 0.4]
    bench.run(0.3)
    for _ in range(60):
        bench.guard.bring_back(bench.now_s)
        bench.run(0.3)
    assert bench.guard.state == "latched: following_error"
    assert bench.commands and min(values[1] for values in bench.commands) > 1.95 + 0.4 - 0.3


@pytest.mark.parametrize("how", ["by hand", "by command"])
def test_an_arm_brought_back_into_its_range_waits_to_be_enabled(how: str) -> None:
    bench = real("position")
    follow(bench, 0.0, -0.6, steps=5)
    bench.observe(is_last=True)
    bench.run(1.0)
    bench.carry(1.6, 0.0)
    bench.run(0.1)
    assert bench.guard.state == "disabled"
    assert "not within [-1.0, 1.0]" in bench.guard.detail
    if how == "by hand":
        bench.carry(0.5, 0.0)
    else:
        for _ in range(100):
            if bench.guard.bring_back(bench.now_s):
                break
            for _ in range(30):
                bench.run(0.01)
                bench.positions = list(bench.command)
            # Observations go on meanwhile.
            bench.observe()
    follow(bench, 0.5, -0.6, steps=2 * RECOVER)
    assert bench.guard.state == "disabled"


def test_nothing_is_inside_before_it_was_measured() -> None:
    bench = GuardBench("position", enabled=False)
    assert not bench.guard.bring_back(bench.now_s)


WORDS: dict[str, tuple[Callable[[GuardBench], None], Callable[[GuardBench], None]]] = {
    "enable: false": (lambda b: b.guard.enable(False, b.now_s), lambda b: None),
    "emergency stop": (
        lambda b: b.guard.emergency_stop(True, b.now_s),
        lambda b: b.guard.emergency_stop(False, b.now_s),
    ),
    "second publisher": (
        lambda b: b.guard.note(Reason.SECOND_PUBLISHER, "a second policy", b.now_s),
        lambda b: b.guard.note(Reason.SECOND_PUBLISHER, "", b.now_s),
    ),
}


@pytest.mark.parametrize("word", WORDS)
def test_what_ends_a_way_back_is_not_outlasted_by_whoever_goes_on_asking(word: str) -> None:
    bench = beyond()
    assert not ask(bench, 0.6)
    assert bench.positions[1] < 2.1
    happen, pass_by = WORDS[word]
    happen(bench)
    ask(bench, 1.5)
    place = bench.positions[1]
    pass_by(bench)
    ask(bench, 10.0)
    assert bench.positions[1] == pytest.approx(place, abs=0.01)
    assert bench.guard.moves.bring_back_refusal.startswith("called off: ")


def test_a_way_back_that_was_called_off_can_be_asked_for_anew() -> None:
    bench = beyond()
    ask(bench, 0.6)
    bench.guard.enable(False, bench.now_s)
    bench.run(1.5)
    assert ask(bench, 20.0)
    assert bench.positions[1] < 1.85


def test_an_emergency_stop_during_the_way_back_latches_and_has_to_be_released() -> None:
    bench = beyond()
    ask(bench, 0.6)
    bench.guard.emergency_stop(True, bench.now_s)
    assert bench.guard.state == "latched: emergency_stop"
    assert not bench.guard.reset_stop(bench.now_s)
    bench.guard.emergency_stop(False, bench.now_s)
    bench.run(3.0)
    assert bench.guard.state == "latched: emergency_stop"
    assert not ask(bench, 5.0)
    assert bench.guard.reset_stop(bench.now_s)
    bench.run(1.5)
    # It is still where it must not be.
    assert bench.guard.state == "latched: joint_limit"
    assert ask(bench, 20.0)


def test_a_way_back_waits_for_an_emergency_switch_that_is_expected() -> None:
    bench = beyond(guard={"emergency_stop_timeout_s": 0.5})
    assert not ask(bench, 3.0)
    assert bench.commands == []
    assert "emergency_stop" in bench.guard.moves.bring_back_refusal


def test_a_glitch_while_latched_does_not_bar_the_way_back() -> None:
    bench = beyond()
    place = list(bench.positions)
    bench.positions = [0.6, 2.1]
    bench.run(0.02)
    bench.positions = place
    bench.run(2.0)
    assert ask(bench, 20.0)


def test_an_arm_is_not_inside_before_it_is_and_the_policy_cannot_drive_it_meanwhile() -> None:
    bench = GuardBench("position", enabled=False)
    bench.positions = [1.0, 0.0]
    bench.run(0.5)
    bench.carry(1.35, 0.0)
    bench.run(0.5)
    assert not ask(bench, 0.4)
    bench.run(3.0)
    bench.guard.enable(True, bench.now_s)
    follow(bench, -1.0, 0.0, steps=2 * RECOVER)
    assert bench.guard.state == "disabled"
    assert ask(bench, 20.0)
    assert bench.positions[0] <= 1.0 + 0.06


def test_the_reason_why_nothing_is_brought_back_is_said() -> None:
    bench = beyond()
    bench.guard.note(Reason.SECOND_PUBLISHER, "a second policy on action", bench.now_s)
    assert not bench.guard.bring_back(bench.now_s)
    assert bench.guard.moves.bring_back_refusal == "a second policy on action"
    bench.guard.note(Reason.SECOND_PUBLISHER, "", bench.now_s)
    bench.run(1.0, sensing=False)
    assert not bench.guard.bring_back(bench.now_s)
    assert "stale" in bench.guard.moves.bring_back_refusal
    bench.run(2.0)
    bench.guard.emergency_stop(True, bench.now_s)
    assert not bench.guard.bring_back(bench.now_s)
    assert bench.guard.moves.bring_back_refusal == "the emergency stop is pressed"
