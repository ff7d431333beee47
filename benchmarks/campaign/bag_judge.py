"""Judges from its recording alone what a robot did while a person took over: it shares no code with the guard.

Times are when the recorder heard of something, so that steps are judged only where that leaves no doubt: a while after
the person did something, and not where the recorder itself was held up.
"""

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

from robot_mbrl import topics
from robot_mbrl.errors import MessageError
from robot_mbrl.experience.message_files import read_messages
from robot_mbrl.messages import NANOSECONDS, read_action, read_key, read_named, read_stamp
from robot_mbrl.robot_config import RobotConfig
from robot_mbrl.specs import ActionSpec, Source
from robot_mbrl.steps import Action, StepKey

NOTICED_S = 0.8
"""After this what the person did has had its effect: timeouts, and whatever a busy machine adds."""
STEADY_S = 0.2
"""Who says something again sooner than this has said it all the while."""
SILENT_S = 0.5
"""Who has said nothing for longer than this is lost for sure: 0.3 s are allowed."""
GONE_S = 2.0
"""Who has said nothing for longer than this counts as having let go."""
ALMOST_GONE_S = 1.5
"""From here on that may be so."""
TICK_S = 0.05
"""How often it is looked at who has fallen silent."""
CALM_S = 0.25
"""A recorder that writes nothing for longer was held up, since commands come all the time."""
EDGE_S = 1.0
"""For so long after an edge actions only move towards the stick, over the range of 2 in no less."""
AIDED = 0.8
"""Least share of the steps under a held switch that are the person's where the robot moves; a stop is told late."""
JITTER_S = 0.02
"""A command's stamp is of a moment later than the time it is shaped for."""
WINDOW = 10
"""Commands over which a rate is judged beside that between two of them, where jitter says less."""
MINUTE_S = 60.0
"""In each of which a learner learns something."""
ENDING_S = 1.0
"""What is observed while the nodes end may have nobody left to answer."""
SAID = "recorder/said"


@dataclass
class Bag:
    """What a recording holds, in the order it was written; times are seconds."""

    heard_s: list[float] = field(default_factory=list)
    """When each message was written, of any topic."""
    observed: list[tuple[float, StepKey, bool, bool]] = field(default_factory=list)
    """When, which, whether it begins and whether it ends an episode."""
    applied: list[tuple[float, Action]] = field(default_factory=list)
    commands: list[tuple[float, dict[str, float]]] = field(default_factory=list)
    """By their own stamps."""
    switch: list[tuple[float, bool]] = field(default_factory=list)
    stick: list[tuple[float, dict[str, float]]] = field(default_factory=list)
    people: list[tuple[float, int]] = field(default_factory=list)
    """How many nodes publish switch or stick, at most."""
    updates: list[tuple[float, int]] = field(default_factory=list)
    states: list[tuple[float, str]] = field(default_factory=list)
    """Of the robot, in a word."""


def read_bag(paths: Iterable[Path], spec: ActionSpec) -> Bag:
    """Read a run's recordings, oldest first."""
    bag = Bag()
    publishers: dict[str, int] = {}
    for path in paths:
        for message in read_messages(path):
            at_s = message.log_time_ns / NANOSECONDS
            bag.heard_s.append(at_s)
            topic = message.topic.strip("/").partition("/")[2]
            if topic == topics.OBSERVATION:
                told = message.decode()
                values = read_named(told)
                bag.observed.append((at_s, read_key(told), bool(values[topics.IS_FIRST]), bool(values[topics.IS_LAST])))
            elif topic == topics.APPLIED_ACTION:
                bag.applied.append((at_s, read_action(message.decode(), spec)))
            elif topic == topics.SENT_COMMAND:
                told = message.decode()
                bag.commands.append((read_stamp(told.header.stamp) / NANOSECONDS, read_named(told)))
            elif topic == topics.TAKEOVER:
                bag.switch.append((at_s, message.decode().data))
            elif topic == topics.TELEOP:
                bag.stick.append((at_s, read_stick(message.decode())))
            elif topic == topics.METRICS:
                bag.updates.append((at_s, int(read_named(message.decode())["updates"])))
            elif topic == topics.STATE:
                bag.states.append((at_s, message.decode().data))
            elif topic == SAID:
                subject, _, nodes = message.decode().status[0].message.partition(" is published by ")
                if subject.rpartition("/")[2] in (topics.TAKEOVER, topics.TELEOP):
                    publishers[subject] = len(nodes.split(", "))
                    bag.people.append((at_s, max(publishers.values())))
    return bag


def read_stick(message: object) -> dict[str, float]:
    """What a stick says; nothing if it says what cannot be read."""
    try:
        return read_named(message)
    except MessageError:
        return {}


@dataclass(frozen=True)
class Verdict:
    """What came of it.

    Attributes:
        findings: what is broken; empty if nothing is.
        sources: steps by whose action was applied.
        takeovers: how often the person came to drive, by the steps that are theirs.
        judged: steps of which it is sure who had to drive, by who that was.
        steepest: greatest change of a command over a window of them, as a share of what its limit allows in it.
        updates: of the learner, in all.
    """

    findings: list[str]
    sources: Counter[str]
    takeovers: int
    judged: Counter[str]
    steepest: float
    updates: int


def judge(bag: Bag, robot: RobotConfig, step_s: float) -> Verdict:
    """Judge a recording of a robot with continuous actions that commands no positions.

    Args:
        bag: what was recorded.
        robot: its limits.
        step_s: duration of a step.
    """
    people = _People(bag, robot.action_spec().names)
    rest = np.array([-1.0 - 2.0 * joint.low / (joint.high - joint.low) for joint in robot.joints])
    findings = [*_answers(bag), *_learning(bag)]
    judged: Counter[str] = Counter()
    aided = owed = takeovers = 0
    for taken in _taken(bag):
        holder = people.holder(taken.at_s)
        judged[holder] += 1
        takeovers += taken.driven_s == 0.0
        if holder == "person" and people.may_move(taken.at_s):
            owed += 1
            aided += taken.driven_s >= 0.0
        findings += [*_step(taken, holder, people), *_edge(taken, rest, step_s)]
    if aided < AIDED * owed:
        findings.append(f"of {owed} steps under a held switch, of a robot that moves, only {aided} are the person's")
    steepest, faults = _commands(bag, robot)
    sources = Counter(action.source.name.lower() for _, action in bag.applied)
    updates = bag.updates[-1][1] if bag.updates else 0
    return Verdict(findings + faults, sources, takeovers, judged, steepest, updates)


def _answers(bag: Bag) -> Iterable[str]:
    """Each observation has one applied action, and none is of another observation.

    From when the person comes: until then the recorder has only the time that others leave it, and may miss something.
    """
    begin_s = bag.switch[0][0] if bag.switch else -math.inf
    end_s = max(bag.heard_s, default=0.0) - ENDING_S
    answers = Counter(action.key for _, action in bag.applied)
    for key, count in answers.items():
        if count > 1:
            yield f"{key} has {count} applied actions"
    observed = {key for _, key, _, _ in bag.observed}
    for at_s, key, _, _ in bag.observed:
        if begin_s <= at_s < end_s and key not in answers:
            yield f"{key} has no applied action"
    for at_s, action in bag.applied:
        if at_s > begin_s + NOTICED_S and action.key not in observed:
            yield f"{action.key} was answered and never observed"
    if not bag.applied:
        yield "nothing was applied at all"


def _learning(bag: Bag) -> Iterable[str]:
    """From its first update on the learner makes some in every minute, the last one among them."""
    made = [(at_s, count) for at_s, count in bag.updates if count]
    if not made:
        yield "the learner has made no update"
        return
    first_s, last_s = made[0][0], bag.heard_s[-1] - MINUTE_S
    for begin_s in (*np.arange(first_s, last_s, MINUTE_S), *([last_s] if last_s >= first_s else [])):
        counts = [count for at_s, count in bag.updates if begin_s <= at_s <= begin_s + MINUTE_S]
        if not counts or counts[-1] <= counts[0]:
            yield f"no update was made within the minute from {begin_s - bag.heard_s[0]:.0f} s on"


def _step(taken: "_Taken", holder: str, people: "_People") -> Iterable[str]:
    """Whose action was applied, where it is sure whose it had to be."""
    action, where = taken.action, f"at {taken.at_s - people.begin_s:.2f} s"
    source = action.source
    if source is Source.TELEOP and action.policy_version:
        yield f"{where} a person's step names a policy"
    if taken.is_last:
        return
    if holder == "policy" and source is Source.TELEOP:
        yield f"{where} a person drives who has let go"
    elif holder == "nobody" and source is not Source.STOP:
        yield f"{where} {source.name} moves the robot while a person is lost"
    elif holder == "person" and source not in (Source.TELEOP, Source.STOP):
        yield f"{where} {source.name} drives under a held switch"
    elif holder == "person" and taken.driven_s > EDGE_S + NOTICED_S and not people.has_said(action.values, taken.at_s):
        yield f"{where} the person's action {action.values} is not what the stick has said"


@dataclass(frozen=True)
class _Taken:
    """An applied action among its neighbours."""

    at_s: float
    action: Action
    before: Action | None
    """That of the step before; None at the beginning of an episode."""
    is_last: bool
    driven_s: float
    """For how long a person has driven without a break; 0 at the first step, negative if none does."""


def _taken(bag: Bag) -> Iterable[_Taken]:
    firsts = {key for _, key, first, _ in bag.observed if first}
    lasts = {key for _, key, _, last in bag.observed if last}
    before: Action | None = None
    since_s = 0.0
    for at_s, action in bag.applied:
        before = None if action.key in firsts else before
        if action.source is Source.TELEOP and (before is None or before.source is not Source.TELEOP):
            since_s = at_s
        driven_s = at_s - since_s if action.source is Source.TELEOP else -1.0
        yield _Taken(at_s, action, before, action.key in lasts, driven_s)
        before = action


def _edge(taken: _Taken, rest: np.ndarray, step_s: float) -> Iterable[str]:
    """Nothing jumps when a person begins to drive."""
    start = rest if taken.before is None else taken.before.values
    leap = float(np.abs(taken.action.values - start).max())
    if taken.driven_s == 0.0 and leap > 2.0 * step_s / EDGE_S + 1e-4:
        yield f"the action leaps by {leap:.2f} as a person takes over, at {taken.action.key}"


def _commands(bag: Bag, robot: RobotConfig) -> tuple[float, list[str]]:
    """The steepest change over a window, as a share of what is allowed, and which commands break a limit."""
    faults: list[str] = []
    steepest = 0.0
    for joint in robot.joints:
        rate = max(joint.max_rate, joint.stop_rate or 0.0)
        slack = 1e-6 * max(abs(joint.low), abs(joint.high))
        told = [(at_s, values[joint.name]) for at_s, values in bag.commands if joint.name in values]
        for at_s, value in told:
            if not joint.low - slack <= value <= joint.high + slack:
                faults.append(f"{joint.name} is commanded {value}, at {at_s:.2f}")
        for step in (1, WINDOW):
            for (before_s, before), (at_s, value) in zip(told, told[step:], strict=False):
                share = abs(value - before) / (rate * (at_s - before_s + JITTER_S))
                if step == WINDOW:
                    steepest = max(steepest, share)
                if share > 1.0:
                    faults.append(
                        f"{joint.name} changes by {value - before:.3f} within {at_s - before_s:.4f} s, at {at_s:.2f}"
                    )
    if not bag.commands:
        faults.append("no command was recorded")
    return steepest, faults


class _People:
    """Who had to drive when, as far as that is sure."""

    def __init__(self, bag: Bag, names: Sequence[str]) -> None:
        self.begin_s = bag.heard_s[0] if bag.heard_s else 0.0
        self._names = names
        self._gaps = [(a, b) for a, b in pairwise(bag.heard_s) if b - a > CALM_S]
        self._stick = bag.stick
        self._stick_s = [at_s for at_s, _ in bag.stick]
        self._states, self._states_s = bag.states, [at_s for at_s, _ in bag.states]
        self._changes = [(-math.inf, "policy"), *self._follow(bag)]
        self._changes_s = [at_s for at_s, _ in self._changes]

    def holder(self, at_s: float) -> str:
        """`person`, `policy`, or `nobody`; `unsure` where it cannot be told."""
        if any(begin_s <= at_s and end_s >= at_s - NOTICED_S for begin_s, end_s in self._gaps):
            return "unsure"
        begin_s, holder = self._changes[bisect_right(self._changes_s, at_s) - 1]
        return holder if at_s - begin_s > NOTICED_S else "unsure"

    def may_move(self, at_s: float) -> bool:
        """Whether the robot says that it moves, and has for a while: all else that stops it is no matter of people."""
        index = bisect_right(self._states_s, at_s) - 1
        since_s, word = self._states[index] if index >= 0 else (at_s, "")
        return word == "moving" and at_s - since_s > NOTICED_S

    def has_said(self, values: np.ndarray, at_s: float) -> bool:
        """Whether the stick was there lately."""
        lately = self._stick[bisect_left(self._stick_s, at_s - NOTICED_S) : bisect_right(self._stick_s, at_s)]
        return any(
            _is_good(stick, self._names)
            and np.allclose(np.clip([stick[name] for name in self._names], -1.0, 1.0), values, atol=1e-6)
            for _, stick in lately
        )

    def _follow(self, bag: Bag) -> Iterable[tuple[float, str]]:
        """When it changed who had to drive."""
        heard = [
            *((at_s, "switch", on) for at_s, on in bag.switch),
            *((at_s, "stick", _is_good(stick, self._names)) for at_s, stick in bag.stick),
            *((at_s, "crowd", count > 1) for at_s, count in bag.people),
            *((at_s, "time", False) for at_s in np.arange(self.begin_s, max(bag.heard_s, default=0.0), TICK_S)),
        ]
        switch, before = _Switch(), "policy"
        for at_s, what, said in sorted(heard, key=lambda event: event[0]):
            switch.hear(at_s, what, said)
            if (holder := switch.holder(at_s)) != before:
                yield at_s, holder
                before = holder


@dataclass
class _Switch:
    """What the documents say of a dead-man switch, told anew."""

    pressed: bool = False
    crowded: bool = False
    lost: bool = False
    doubtful: bool = False
    """Whether it may be lost: silent for longer than is steady, and shorter than is lost for sure."""
    pressed_s: float = -math.inf
    heard_s: float = -math.inf
    steered_s: float = -math.inf

    def hear(self, at_s: float, what: str, said: bool) -> None:
        """Take in what was said, or that time has passed."""
        self._pass(at_s)
        if what == "crowd":
            self.crowded = said
        elif what == "stick":
            self.steered_s = at_s
            self.lost |= self.pressed and not said
        elif what == "switch" and said:
            if not self.pressed:
                self.pressed, self.pressed_s, self.lost, self.doubtful = True, at_s, False, False
            self.heard_s = at_s
        elif what == "switch" and (not self.crowded or at_s - self.heard_s > SILENT_S):
            self.pressed = False
        self.lost |= self.pressed and self.crowded

    def holder(self, at_s: float) -> str:
        """Who has to drive."""
        if not self.pressed:
            return "policy"
        if at_s - self.heard_s > ALMOST_GONE_S:
            return "unsure"
        if self.lost:
            return "nobody"
        return "unsure" if self.doubtful else "person"

    def _pass(self, at_s: float) -> None:
        if not self.pressed:
            return
        silent_s = at_s - min(self.heard_s, max(self.steered_s, self.pressed_s))
        self.doubtful |= silent_s > STEADY_S
        self.lost |= silent_s > SILENT_S
        if at_s - self.heard_s > GONE_S:
            self.pressed = False


def _is_good(stick: Mapping[str, float], names: Sequence[str]) -> bool:
    return stick.keys() == set(names) and all(map(math.isfinite, stick.values()))
