"""The judge of a recording: he finds nothing in one of a robot that obeys a person, and does in every other."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from benchmarks.campaign.bag_judge import EDGE_S, NOTICED_S, Bag, Verdict, judge
from benchmarks.campaign.hostile import KINDS, LONGEST_S, draw_holds
from robot_mbrl.specs import Source
from robot_mbrl.steps import Action, StepKey
from tests.control.robots import robot

SECONDS, STEP_S, COMMAND_S = 70.0, 0.05, 0.01
HOLD = (10.0, 20.0)
ROBOT = robot("velocity")
FULL = {"a": 1.0, "b": 1.0}
RESTS = np.array([0.0, -0.5], np.float32)
"""Joint b's bounds are -1 and 3."""


@dataclass
class Story:
    """What a person does, and what a robot makes of it."""

    hold: tuple[float, float] = HOLD
    said_until_s: float = HOLD[1]
    """When the switch falls silent; let go it is said to be after the hold."""
    period_s: float = STEP_S
    """Of switch and stick."""
    stick: Callable[[float], dict[str, float]] = lambda at_s: FULL
    crowd: list[tuple[float, int]] = field(default_factory=list)
    source: Callable[[float], Source] = lambda at_s: Source.TELEOP if HOLD[0] < at_s <= HOLD[1] else Source.POLICY
    eases: bool = True
    """Whether actions begin to move towards the stick from the one before."""

    def bag(self) -> Bag:
        """Its recording."""
        bag = Bag(states=[(0.0, "moving")], people=[(0.0, 1), *self.crowd])
        before = RESTS
        for tick in range(round(SECONDS / COMMAND_S)):
            at_s = tick * COMMAND_S
            bag.heard_s.append(at_s)
            bag.commands.append((at_s, {"a": 0.5, "b": 0.5}))
        for tick in range(round(SECONDS / STEP_S)):
            at_s = tick * STEP_S
            source, key = self.source(at_s), StepKey("s", tick)
            bag.observed.append((at_s, key, tick == 0, False))
            wish = np.array([1.0, 1.0], np.float32) if source is Source.TELEOP else RESTS
            if source is Source.TELEOP and self.eases:
                wish = (before + np.clip(wish - before, -2.0 * STEP_S / EDGE_S, 2.0 * STEP_S / EDGE_S)).astype(
                    np.float32
                )
            bag.applied.append((at_s, Action(key, wish, source, 3 if source is Source.POLICY else 0)))
            before = wish
            if tick % 10 == 0:
                bag.updates.append((at_s, tick))
        begin_s, end_s = self.hold
        for tick in range(round((end_s + 1.0 - begin_s) / self.period_s)):
            at_s = begin_s + tick * self.period_s
            if at_s <= self.said_until_s or end_s < at_s:
                bag.switch.append((at_s, at_s <= end_s))
                bag.stick.append((at_s, self.stick(at_s)))
        return bag


def verdict(bag: Bag) -> Verdict:
    return judge(bag, ROBOT, STEP_S)


def by(source: Source, begin_s: float, end_s: float) -> Callable[[float], Source]:
    """As a robot that obeys, but for a while."""
    usual = Story().source
    return lambda at_s: source if begin_s <= at_s < end_s else usual(at_s)


def test_a_robot_that_obeys_is_not_found_fault_with() -> None:
    found = verdict(Story().bag())
    assert found.findings == []
    assert found.takeovers == 1
    # Around both edges it is not sure who has to drive yet.
    assert found.judged["unsure"] <= 2 * NOTICED_S / STEP_S + 2
    assert found.judged["person"] > 150


LOST = by(Source.STOP, 13.4, 21.0)
"""Of a robot that stops once a person is lost at 13 s, until they have let go."""
BROKEN = {"a": math.nan, "b": 1.0}


@pytest.mark.parametrize(
    "story",
    [
        Story(crowd=[(13.0, 2), (15.0, 1)], source=LOST),
        Story(stick=lambda at_s: BROKEN if at_s > 13.0 else FULL, source=LOST),
        Story(stick=lambda at_s: FULL | {"c": 1.0} if at_s > 13.0 else FULL, source=LOST),
        # Two seconds of silence count as let go.
        Story(said_until_s=13.0, source=by(Source.STOP, 13.4, 20.1)),
        Story(period_s=1.0, source=by(Source.STOP, 10.0, 22.1)),
    ],
    ids=["two people", "NaN", "wrong names", "silence", "1 Hz"],
)
def test_who_drives_on_though_a_person_is_lost_is_found_out(story: Story) -> None:
    assert verdict(story.bag()).findings == []
    for source in (Source.TELEOP, Source.POLICY):
        moved = replace(story, source=lambda at_s, s=source: s if 14.35 <= at_s < 14.45 else story.source(at_s))
        findings = verdict(moved.bag()).findings
        assert any(f"{source.name} moves the robot while a person is lost" in finding for finding in findings)


@pytest.mark.parametrize(
    ("story", "complaint"),
    [
        (Story(source=by(Source.POLICY, 15.0, 15.1)), "POLICY drives under a held switch"),
        (Story(source=by(Source.LATE, 15.0, 15.1)), "LATE drives under a held switch"),
        (Story(source=by(Source.TELEOP, 30.0, 30.1)), "a person drives who has let go"),
        (Story(source=by(Source.TELEOP, 20.0, 22.0)), "a person drives who has let go"),
        (Story(source=by(Source.STOP, 11.0, 19.0)), "only .* are the person's"),
        (Story(eases=False), "the action leaps by 1.50 as a person takes over"),
    ],
)
def test_steps_of_the_wrong_source_are_found_out(story: Story, complaint: str) -> None:
    assert re.search(complaint, " ".join(verdict(story.bag()).findings))


def test_a_stop_of_another_reason_under_a_held_switch_is_none_of_the_persons() -> None:
    bag = Story(source=by(Source.STOP, 11.0, 19.0)).bag()
    bag.states += [(11.0, "stopped: no_observation"), (19.0, "moving")]
    assert verdict(bag).findings == []


def test_an_action_that_the_stick_has_not_said_is_found_out() -> None:
    bag = Story().bag()
    index = next(n for n, (at_s, _) in enumerate(bag.applied) if at_s > 15.0)
    at_s, action = bag.applied[index]
    bag.applied[index] = (at_s, replace(action, values=np.array([0.9, 1.0], np.float32)))
    (finding,) = verdict(bag).findings
    assert "is not what the stick has said" in finding


def test_each_observation_has_one_applied_action_and_no_other_has() -> None:
    bag = Story().bag()
    _, missing = bag.applied.pop(300)
    bag.applied.append(bag.applied[200])
    bag.applied.append((69.0, replace(bag.applied[0][1], key=StepKey("s", 10**6))))
    findings = " ".join(verdict(bag).findings)
    assert f"{missing.key} has no applied action" in findings
    assert f"{bag.applied[200][1].key} has 2 applied actions" in findings
    assert "was answered and never observed" in findings


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        # Joint a may change by 20 a second and stay within 2.
        ([2.5], "a is commanded 2.5"),
        ([math.nan], "a is commanded nan"),
        ([1.5], "a changes by 1.000 within 0.0100 s"),
        # Each of them is within what jitter may explain, and all of them together are not.
        ([0.5 - 0.35 * n for n in range(1, 8)] + [-1.95] * 8, "within 0.1000 s"),
    ],
)
def test_commands_beyond_their_limits_are_found_out(values: list[float], complaint: str) -> None:
    bag = Story().bag()
    for number, value in enumerate(values, 3000):
        at_s, command = bag.commands[number]
        bag.commands[number] = (at_s, command | {"a": value})
    assert any(complaint in finding for finding in verdict(bag).findings)


def test_a_learner_that_rests_is_found_out() -> None:
    bag = Story().bag()
    bag.updates = [(at_s, min(count, 10)) for at_s, count in bag.updates]
    assert any("no update was made within the minute" in finding for finding in verdict(bag).findings)
    assert "the learner has made no update" in verdict(replace(bag, updates=[])).findings


def test_a_learner_that_rests_from_some_time_on_is_found_out_by_the_last_minute() -> None:
    bag = Story().bag()
    bag.updates = [(at_s, min(count, 180)) for at_s, count in bag.updates]
    (finding,) = verdict(bag).findings
    assert finding == "no update was made within the minute from 10 s on"


def test_where_the_recorder_was_held_up_nothing_is_sure() -> None:
    """What it has heard of late may have been long before."""
    bag = Story(source=by(Source.POLICY, 15.0, 15.1)).bag()
    bag.heard_s = [at_s for at_s in bag.heard_s if not 14.5 < at_s < 15.0]
    assert verdict(bag).findings == []


def test_the_hostile_person_does_all_there_is_to_do_and_has_let_go_before_the_next() -> None:
    holds = draw_holds(600.0, 20, np.random.default_rng(4))
    assert {hold.kind for hold in holds} == set(KINDS)
    assert all(a.end_s < b.begin_s for a, b in zip(holds, holds[1:], strict=False))
    assert holds[-1].end_s < 600.0
    assert holds != draw_holds(600.0, 20, np.random.default_rng(5))
    with pytest.raises(ValueError, match="do not fit into 60 s: give more minutes, or fewer"):
        draw_holds(60.0, math.ceil(60.0 / LONGEST_S) + 1, np.random.default_rng(4))
