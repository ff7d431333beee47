"""What a person's switches do to the guard, also when they fall silent."""

from typing import Any

import pytest

from robot_mbrl.control.enabling import LET_GO_S, TRANSITIONS, EnableEvent, EnableSwitch, Enabling
from robot_mbrl.control.stops import Reason
from robot_mbrl.specs import Source
from tests.control.guard_bench import RECOVER, GuardBench
from tests.control.robots import PERIOD_S

TIMEOUT_S = 0.3


def supervised(**guard: Any) -> GuardBench:
    bench = GuardBench(enabled=False, guard=guard)
    bench.run(0.3)
    return bench


def release_switches(bench: GuardBench, duration_s: float) -> None:
    """Live on while nobody says true."""
    for _ in range(round(duration_s / PERIOD_S) + 1):
        assert bench.step(0.5, 0.5).source is Source.STOP


def step(bench: GuardBench, *, enable: bool | None = None, pressed: bool | None = None) -> Source:
    """A control period in which the switches say this, or nothing."""
    if enable is not None:
        bench.guard.enable(enable, bench.now_s)
    if pressed is not None:
        bench.guard.emergency_stop(pressed, bench.now_s)
    return bench.step(0.5, 0.5).source


def test_robot_stays_enabled_without_a_timeout() -> None:
    bench = supervised()
    bench.guard.enable(True, bench.now_s)
    assert [step(bench) for _ in range(50)][-1] is Source.POLICY


def test_enabling_that_is_not_repeated_runs_out_and_comes_back_by_a_new_act() -> None:
    bench = supervised(enable_timeout_s=TIMEOUT_S)
    assert [step(bench, enable=True) for _ in range(20)][-1] is Source.POLICY
    silent_s = bench.now_s
    while bench.guard.stopped is None:
        bench.step(0.5, 0.5)
    assert bench.guard.stopped is Reason.DISABLED
    assert bench.now_s - silent_s <= TIMEOUT_S + 0.05
    bench.run(0.1)
    assert bench.command == (0.0, 0.0)
    # The connection is back, and with it the stream of a switch that nobody may be holding any more.
    assert {step(bench, enable=True) for _ in range(20)} == {Source.STOP}
    step(bench, enable=False)
    release_switches(bench, TIMEOUT_S)
    assert [step(bench, enable=True) for _ in range(RECOVER)][-1] is Source.POLICY


def test_release_of_a_latched_stop_moves_nothing_until_a_person_enables_the_robot_again() -> None:
    bench = supervised()
    bench.guard.enable(True, bench.now_s)
    assert [step(bench) for _ in range(20)][-1] is Source.POLICY
    step(bench, pressed=True)
    step(bench, enable=True, pressed=False)  # Too early: nobody enables a robot that is latched.
    assert bench.guard.reset_stop(bench.now_s)
    assert {step(bench) for _ in range(20)} == {Source.STOP}
    assert bench.guard.stopped is Reason.DISABLED
    release_switches(bench, LET_GO_S)
    assert [step(bench, enable=True) for _ in range(RECOVER)][-1] is Source.POLICY


@pytest.mark.parametrize("let_go", [False, True], ids=["held", "let go"])
def test_dead_man_switch_counts_after_a_latched_stop_once_it_was_let_go(*, let_go: bool) -> None:
    bench = supervised(enable_timeout_s=TIMEOUT_S)
    assert [step(bench, enable=True) for _ in range(20)][-1] is Source.POLICY
    step(bench, enable=True, pressed=True)
    step(bench, enable=not let_go, pressed=False)
    assert bench.guard.reset_stop(bench.now_s)
    if not let_go:
        assert {step(bench, enable=True) for _ in range(20)} == {Source.STOP}
        step(bench, enable=False)
    release_switches(bench, TIMEOUT_S)
    assert [step(bench, enable=True) for _ in range(RECOVER)][-1] is Source.POLICY


def test_silent_emergency_stop_latches() -> None:
    bench = supervised(emergency_stop_timeout_s=TIMEOUT_S)
    bench.guard.emergency_stop(False, bench.now_s)
    bench.guard.enable(True, bench.now_s)
    assert [step(bench, pressed=False) for _ in range(20)][-1] is Source.POLICY
    while bench.guard.stopped is None:
        bench.step(0.5, 0.5)
    assert bench.guard.stopped is Reason.EMERGENCY_SILENT
    assert "0.3 s" in bench.guard.watch.fault
    assert not bench.guard.reset_stop(bench.now_s)
    assert [step(bench, pressed=False) for _ in range(2 * RECOVER)][-1] is Source.STOP
    assert bench.guard.reset_stop(bench.now_s)
    assert {step(bench, pressed=False) for _ in range(45)} == {Source.STOP}
    assert [step(bench, pressed=False, enable=True) for _ in range(RECOVER)][-1] is Source.POLICY


def test_nobody_enables_a_robot_whose_emergency_stop_was_not_heard_of() -> None:
    """So that a guard that is started anew while the switch is pressed learns of it first."""
    bench = supervised(emergency_stop_timeout_s=TIMEOUT_S)
    assert not bench.guard.watch.may_enable
    bench.guard.enable(True, bench.now_s)
    assert {step(bench) for _ in range(45)} == {Source.STOP}
    assert "emergency_stop" in bench.guard.detail
    assert not bench.guard.machine.latched
    assert not bench.guard.may_reset
    # Plugged in, it moves nothing: the person enables anew.
    assert {step(bench, pressed=False) for _ in range(2 * RECOVER)} == {Source.STOP}
    bench.guard.enable(True, bench.now_s)
    assert [step(bench, pressed=False) for _ in range(RECOVER)][-1] is Source.POLICY


def test_a_switch_held_since_before_the_guard_was_started_does_not_count() -> None:
    for timeout_s in (None, TIMEOUT_S):
        bench = GuardBench(enabled=False, guard={"enable_timeout_s": timeout_s}, fresh=True)
        assert {step(bench, enable=True) for _ in range(100)} == {Source.STOP}
        assert bench.guard.watch.held_off


@pytest.mark.parametrize(("timeout_s", "released"), [(None, True), (TIMEOUT_S, False)])
def test_switch_that_is_let_go_does_not_speak_for_one_that_repeats_itself(
    timeout_s: float | None, released: bool
) -> None:
    bench = supervised(emergency_stop_timeout_s=timeout_s)
    for _ in range(5):
        step(bench, pressed=True)
        step(bench, pressed=False)
    assert bench.guard.reset_stop(bench.now_s) is released
    bench.run(TIMEOUT_S)
    bench.guard.emergency_stop(False, bench.now_s)
    assert bench.guard.reset_stop(bench.now_s)


def test_robot_that_enables_itself_expects_nobody() -> None:
    bench = GuardBench(guard={"enable_timeout_s": TIMEOUT_S, "emergency_stop_timeout_s": TIMEOUT_S})
    bench.move()
    assert [step(bench) for _ in range(20)][-1] is Source.POLICY


def test_false_wins_over_every_switch_that_is_held() -> None:
    """One person holds the switch, another says stop: everybody lets go before anybody enables again."""
    bench = supervised(enable_timeout_s=TIMEOUT_S)
    assert [step(bench, enable=True) for _ in range(20)][-1] is Source.POLICY
    step(bench, enable=False)
    assert {step(bench, enable=True) for _ in range(200)} == {Source.STOP}
    assert bench.guard.watch.held_off
    assert "let go" in bench.guard.detail
    # Who held it lets go and presses anew; a second one beside it, still held, would keep the robot where it is.
    step(bench, enable=False)
    release_switches(bench, TIMEOUT_S)
    assert not bench.guard.watch.held_off
    assert [step(bench, enable=True) for _ in range(RECOVER)][-1] is Source.POLICY


def test_false_wins_over_a_publisher_that_goes_on_without_a_timeout() -> None:
    bench = supervised()
    bench.guard.enable(True, bench.now_s)
    assert [step(bench) for _ in range(20)][-1] is Source.POLICY
    step(bench, enable=False)
    for _ in range(20):
        # As `ros2 topic pub` does, once a second.
        assert step(bench, enable=True) is Source.STOP
        assert {step(bench) for _ in range(19)} == {Source.STOP}
    release_switches(bench, LET_GO_S)
    step(bench, enable=True)
    assert [step(bench) for _ in range(RECOVER)][-1] is Source.POLICY


def test_nothing_but_a_persons_true_after_everybody_has_let_go_leads_to_on() -> None:
    assert [key for key, to in TRANSITIONS.items() if to is Enabling.ON] == [(Enabling.OFF, EnableEvent.TRUE)]
    assert [key for key, to in TRANSITIONS.items() if to is Enabling.OFF] == [(Enabling.HELD_OFF, EnableEvent.LET_GO)]
    for event in (EnableEvent.FALSE, EnableEvent.TIMEOUT, EnableEvent.REVOKED):
        assert TRANSITIONS[Enabling.ON, event] is Enabling.HELD_OFF


def test_switch_of_a_simulated_robot_counts_at_once() -> None:
    switch = EnableSwitch(on=True, timeout_s=None)
    switch.revoke()
    assert switch.is_on(0.0)
    switch.hear(False, 1.0)
    assert not switch.is_on(1.0)
    switch.hear(True, 1.1)
    assert switch.is_on(1.1)
