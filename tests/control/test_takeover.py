"""A person takes over from the policy through the guard, and every way in which that goes wrong moves nothing."""

import math
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from robot_mbrl.control.enabling import LET_GO_S
from robot_mbrl.control.stops import Reason
from robot_mbrl.control.takeover import EDGE_S, SILENT_S, Holding
from robot_mbrl.specs import Source
from tests.control.guard_bench import COMMAND_S, RECOVER, GuardBench, real
from tests.control.robots import PERIOD_S

FULL, POLICY = 1.0, -0.5


class Person:
    """Somebody at a guard whose policy goes on acting."""

    def __init__(self, bench: GuardBench) -> None:
        self.bench = bench
        self.holds: bool | None = None
        """What the switch says; None for silence."""
        self.stick: float | None = None
        self.names = list(bench.spec.names)

    def live(self, seconds: float, *, policy: bool = True) -> list[Source]:
        """Control periods with switch and stick at 20 Hz; returns the sources of what was applied in them."""
        bench, count = self.bench, len(self.bench.applied)
        for _ in range(round(seconds / PERIOD_S)):
            if self.holds is not None:
                bench.guard.take_over(self.holds, bench.now_s)
            if self.stick is not None:
                values = [self.stick] * len(self.names)
                bench.guard.steer(SimpleNamespace(name=self.names, position=values), bench.now_s)
            bench.observe()
            if policy:
                bench.act(POLICY, POLICY)
            for _ in range(round(PERIOD_S / COMMAND_S)):
                bench.run(COMMAND_S)
                # A plant that does what it is told.
                kind = bench.robot.commands[0].kind
                if kind == "position" and bench.commands:
                    bench.positions = list(bench.command)
                elif kind == "velocity" and bench.commands:
                    bench.positions = [x + COMMAND_S * v for x, v in zip(bench.positions, bench.command, strict=True)]
        return [action.source for action in bench.applied[count:]]


def beside(kind: str = "effort", bench: GuardBench | None = None) -> Person:
    """A person beside a robot that its policy moves."""
    bench = bench or GuardBench(kind)
    person = Person(bench)
    person.live(1.0)
    assert bench.guard.stopped is None
    return person


def test_while_the_switch_is_held_the_persons_action_is_the_one_that_is_applied() -> None:
    person = beside()
    person.holds, person.stick = True, FULL
    assert set(person.live(1.5)) == {Source.TELEOP}
    assert person.bench.applied[-1].values == pytest.approx([FULL, FULL])
    assert person.bench.guard.acting is Source.TELEOP
    person.holds = False
    assert set(person.live(0.5)) == {Source.POLICY}
    assert person.bench.applied[-1].values == pytest.approx([POLICY, POLICY])
    keys = [action.key for action in person.bench.applied]
    assert len(set(keys)) == len(keys) == person.bench.stamp
    # The policy's own answers to what a person has answered are no faults.
    assert person.bench.counted(Reason.REPEATED) == 0


def test_a_stick_that_has_fallen_silent_before_the_switch_is_pressed_drives_no_longer_than_one_that_has_after() -> None:
    person = beside()
    person.stick = FULL
    person.live(PERIOD_S)
    fell_silent_s, person.stick = person.bench.now_s, None
    person.live(SILENT_S / 2)
    person.holds = True
    while Source.TELEOP in person.live(PERIOD_S):
        assert person.bench.now_s <= fell_silent_s + SILENT_S + 2 * PERIOD_S
    assert person.bench.guard.takeover.state is Holding.LOST


@pytest.mark.parametrize("kind", ["position", "velocity", "effort"])
def test_no_action_jumps_when_the_switch_is_pressed_whatever_the_stick_says(kind: str) -> None:
    bench = GuardBench(kind)
    person = beside(bench=bench)
    count = len(bench.applied)
    person.holds, person.stick = True, FULL
    person.live(0.5)
    values = [action.values for action in bench.applied[count - 1 :]]
    steps = [np.abs(b - a).max() for a, b in pairwise(values)]
    assert max(steps) <= 2.0 * PERIOD_S / EDGE_S + 1e-6


def test_a_stick_without_a_switch_counts_for_nothing() -> None:
    person = beside()
    person.stick = FULL
    assert set(person.live(1.0)) == {Source.POLICY}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"holds": None}, "takeover has not been heard"),
        ({"stick": None}, "teleop has not been heard"),
        ({"stick": math.nan}, "a value is not finite"),
        ({"names": ["x", "y"]}, "it names x, y, not a, b"),
    ],
)
def test_a_switch_or_stick_that_is_lost_stops_the_robot_and_the_policy_does_not_go_on(
    change: dict[str, object], says: str
) -> None:
    person = beside()
    person.holds, person.stick = True, FULL
    person.live(1.0)
    for name, value in change.items():
        setattr(person, name, value)
    sources = person.live(1.5)
    late = round(SILENT_S / PERIOD_S) + 1
    assert set(sources[:late]) <= {Source.TELEOP, Source.STOP}
    assert set(sources[late:]) == {Source.STOP}
    assert says in person.bench.guard.detail
    assert person.bench.guard.state == "stopped: takeover_lost"
    assert person.bench.command == (0.0, 0.0)
    # Not by being there again, but by letting go.
    person.holds, person.stick, person.names = True, FULL, list(person.bench.spec.names)
    assert set(person.live(1.0)) == {Source.STOP}
    person.holds = False
    assert person.live(0.5)[RECOVER:] == [Source.POLICY] * (10 - RECOVER)
    person.holds = True
    assert set(person.live(0.5)) == {Source.TELEOP}


def test_a_switch_at_1_hz_moves_nothing_but_for_its_timeout() -> None:
    person = beside()
    person.stick = FULL
    sources = []
    for _ in range(5):
        person.holds = True
        sources += person.live(PERIOD_S)
        person.holds = None
        sources += person.live(1.0 - PERIOD_S)
    late = round(SILENT_S / PERIOD_S) + 2
    assert Source.TELEOP not in sources[late:]
    assert set(sources[late:]) == {Source.STOP}


def test_of_two_people_neither_moves_it() -> None:
    person = beside()
    person.holds, person.stick = True, FULL
    person.live(0.5)
    person.bench.guard.takeover.contest("2 publishers of /arm/teleop: /joy, /console", person.bench.now_s)
    assert set(person.live(0.5)) == {Source.STOP}
    assert "/joy, /console" in person.bench.guard.detail
    person.holds = False
    assert person.live(0.5)[-1] is Source.POLICY, "two people who let go keep no policy from driving"
    person.holds = True
    assert set(person.live(0.5)) == {Source.STOP}
    person.holds = False
    person.live(0.5)
    person.bench.guard.takeover.contest("", person.bench.now_s)
    person.holds = True
    assert set(person.live(0.5)) == {Source.TELEOP}


def test_of_two_people_who_say_opposite_things_neither_gives_the_robot_back_to_its_policy() -> None:
    person = beside()
    person.holds, person.stick = True, FULL
    person.live(0.5)
    guard = person.bench.guard
    guard.takeover.contest("2 publishers of /arm/takeover: /joy, /console", person.bench.now_s)
    for period in range(40):
        # One of them holds on and says so five times a second, the other has long let go and says that with each step.
        person.holds = period % 4 == 0
        assert set(person.live(PERIOD_S)) == {Source.STOP}
    person.holds = False
    assert person.live(1.0)[-1] is Source.POLICY


def test_a_person_who_holds_the_switch_while_the_robot_stands_does_not_make_it_jump_when_it_may_move() -> None:
    bench = GuardBench("effort")
    person = Person(bench)
    bench.guard.emergency_stop(True, bench.now_s)
    person.holds, person.stick = False, FULL
    person.live(0.1)
    person.holds = True
    assert set(person.live(1.5 * EDGE_S)) == {Source.STOP}
    bench.guard.emergency_stop(False, bench.now_s)
    assert bench.guard.reset_stop(bench.now_s)
    count = len(bench.applied)
    person.live(1.5 * EDGE_S)
    driven = [action.values for action in bench.applied[count:] if action.source is Source.TELEOP]
    rest = bench.applied[count - 1].values
    assert all(abs(b - a).max() <= 2.0 * PERIOD_S / EDGE_S + 1e-6 for a, b in pairwise([rest, *driven]))
    assert driven[-1] == pytest.approx([FULL, FULL])


def test_a_switch_that_was_held_before_the_guard_was_there_must_be_let_go() -> None:
    bench = GuardBench(fresh=True)
    person = Person(bench)
    person.holds, person.stick = True, FULL
    sources = person.live(1.0)
    assert sources[RECOVER:] == [Source.POLICY] * (20 - RECOVER)
    person.holds = False
    person.live(0.1)
    person.holds = True
    assert set(person.live(0.5)) == {Source.TELEOP}


def test_a_real_robot_whose_person_is_lost_is_disabled_and_can_be_enabled_again_without_that_joystick() -> None:
    bench = real("velocity")
    person = beside(bench=bench)
    person.holds, person.stick = True, 0.0
    person.live(0.5)
    person.holds = person.stick = None
    person.live(SILENT_S + 1.5)
    assert bench.guard.state == "disabled"
    person.live(LET_GO_S)
    assert bench.guard.takeover.state is Holding.FREE
    bench.guard.enable(True, bench.now_s)
    person.live(0.5)
    assert bench.guard.state == "moving"


def test_a_person_moves_a_robot_whose_policy_has_died() -> None:
    person = beside()
    person.holds, person.stick = True, FULL
    assert set(person.live(1.0, policy=False)) == {Source.TELEOP}
    person.holds = False
    assert person.live(1.0, policy=False)[-1] is Source.STOP


def test_a_person_is_stopped_like_anybody_else() -> None:
    person = beside()
    person.holds, person.stick = True, FULL
    person.live(0.5)
    person.bench.guard.emergency_stop(True, person.bench.now_s)
    assert set(person.live(0.5)) == {Source.STOP}
    disabled = beside(bench=real("velocity"))
    disabled.bench.guard.enable(False, disabled.bench.now_s)
    disabled.holds, disabled.stick = True, FULL
    assert set(disabled.live(0.5)) == {Source.STOP}


def test_limits_hold_for_a_stick_that_is_thrown_about() -> None:
    bench = GuardBench("effort")
    person = beside(bench=bench)
    rng = np.random.default_rng(0)
    count = len(bench.commands)
    for _ in range(60):
        person.holds = bool(rng.random() < 0.7)
        person.stick = float(rng.choice([-5.0, -1.0, 0.0, 1.0, 5.0]))
        person.live(PERIOD_S * int(rng.integers(1, 5)))
    joint = bench.robot.joints[0]
    values = [command[0] for command in bench.commands[count:]]
    assert max(abs(b - a) for a, b in pairwise(values)) <= joint.max_rate * COMMAND_S * (1 + 1e-6)
    assert all(joint.low <= value <= joint.high for value in values)
    assert all(np.abs(action.values).max() <= 1.0 for action in bench.applied)
