"""Whatever is thrown at the guard: no command outside the limits, one applied action per observation."""

import math
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robot_mbrl.config import CommandJoint
from robot_mbrl.control.command_interface import Command
from robot_mbrl.control.guard import Decision, Guard
from robot_mbrl.control.pipeline import LONGEST_GAP_PERIODS
from robot_mbrl.control.shaping import clamp
from robot_mbrl.control.stops import Reason
from robot_mbrl.errors import MessageError
from robot_mbrl.messages import read_joint
from robot_mbrl.steps import StepKey
from tests.control.robots import COMMANDS, PERIOD_S, action_message, joint_state, robot

EXAMPLES = 120
SLACK = 1e-7
PERIOD_NS = 50_000_000

KINDS = ("position", "smoothed", "released", "velocity", "effort", "damping", "twist")
"""What is commanded: `smoothed` are positions with a filter and targets near the joint, `released` those that a stop
lets go by their gains, `damping` is an effort whose safe stop is damped."""
POSITIONS = ("position", "smoothed", "released")
DAMPING = 0.5
OFFSET = 0.15
FILTER = {"order": 2, "cutoff_hz": 3.0}
DRIVEN, RELEASED = {"kp": (80.0, 80.0), "kd": (2.0, 2.0)}, {"kp": (0.0, 0.0), "kd": (5.0, 5.0)}
GAINS = {
    "interfaces": ["position", "kp", "kd"],
    "constants": {"kp": 80.0, "kd": 2.0},
    "stop_constants": {"kp": 0.0, "kd": 5.0},
}
MAX_AGE_S = 0.2
NAN, INF = math.nan, math.inf
wishes = st.sampled_from([-1.0, -0.3, 0.0, 0.2, 0.9, 1.0])
wild_wishes = st.sampled_from([-1.0, 0.0, 0.7, 1.0, 1.00001, -1.5, 30.0, 1e300, NAN, INF, -INF])
places = st.sampled_from([-4.0, -1.51, -1.2, -0.4, 0.0, 0.3, 0.99, 1.79, 2.6, NAN, INF, -INF])
# Mostly a moment of ordinary length; sometimes none, a stall, a jump ahead or a jump back.
moments = st.sampled_from([0.01, 0.01, 0.01, 0.004, 0.007, 0.02, 0.029, 0.031, 0.05, 0.0, 1e-9, 0.12, 0.3, 60.0, -2.0])
spoilings = st.sampled_from([None, None, None, "reversed", "missing", "repeated", "unknown", "short", "long"])
offsets = st.sampled_from([0, 0, 0, 1, -1, 7, -7, 10**6, -(10**6)])
sessions = st.sampled_from(["s", "s", "s", "other"])
ages = st.sampled_from([0.0, 0.0, 0.01, 0.039, 0.05, 0.2, 500.0])
steps = st.tuples(st.just("step"), wishes, wishes)
accidents = st.one_of(
    st.tuples(st.just("observe"), offsets, sessions, st.booleans(), ages),
    st.tuples(st.just("act"), wild_wishes, wild_wishes, spoilings, offsets, sessions, st.integers(-1, 6)),
    st.tuples(st.just("sense"), places, places, spoilings),
    st.tuples(st.just("enable"), st.booleans()),
    st.tuples(st.just("emergency"), st.booleans()),
    st.tuples(st.just("reset")),
    st.tuples(st.just("home")),
    st.tuples(st.just("wait")),
)
events = st.lists(
    st.tuples(moments, st.one_of(steps, steps, steps, st.just(("recover",)), accidents)), min_size=15, max_size=40
)


@dataclass
class Oracle:
    """Knows the limits only, and nothing of how the guard keeps them."""

    kind: str
    step_s: float | None
    """What each command is shaped for in lockstep; otherwise the time since the one before."""
    sent: tuple[float, ...] | None = None
    sent_s: float = -math.inf
    stopped: bool = True
    """Whether the newest command was a stop's."""
    measured: dict[str, float] = field(default_factory=dict)
    measured_at: dict[str, tuple[float, float]] = field(default_factory=dict)
    """When each joint was last measured, and under which stamp."""
    moves: int = 0
    """Commands that moved the robot as it was wished."""
    slopes: tuple[float, ...] = ()
    interval_s: float = 0.0
    observed: list[StepKey] = field(default_factory=list)
    applied: list[StepKey] = field(default_factory=list)

    def judge(self, decision: Decision, now_s: float, stopped: bool) -> None:
        for action in decision.applied:
            assert action.key in self.observed
            assert action.key not in self.applied, "applied twice"
            self.applied.append(action.key)
            assert all(-1 <= value <= 1 for value in action.values), action
        for command in decision.commands:
            self._judge_command(command, now_s, stopped)

    @property
    def measured_s(self) -> float:
        return min((time_s for time_s, _ in self.measured_at.values()), default=-math.inf)

    def measure(self, joint: str, position: float, now_s: float, stamp_s: float) -> None:
        """A reading counts if its stamp is news, or nothing was heard for long."""
        last_s, last_stamp_s = self.measured_at.get(joint, (-math.inf, -math.inf))
        if stamp_s > last_stamp_s or (now_s - last_s > 1.0 and stamp_s != last_stamp_s):
            self.measured[joint], self.measured_at[joint] = position, (now_s, stamp_s)

    def _judge_command(self, command: Command, now_s: float, stopped: bool) -> None:
        values, joints = command.values, command.config.joints
        begins = self._is_beginning(command, now_s, stopped)
        if begins:
            self.slopes = ()
        for joint, value in zip(joints, values, strict=True):
            assert math.isfinite(value)
            low, high = self._bounds(joint)
            assert low - SLACK <= value <= high + SLACK
        if self.sent is not None and not begins:
            elapsed_s = self.step_s or now_s - self.sent_s
            assert elapsed_s > 0
            changes = [new - old for new, old in zip(values, self.sent, strict=True)]
            for joint, change in zip(joints, changes, strict=True):
                assert abs(change) <= joint.max_rate * elapsed_s + SLACK
            if self.kind in POSITIONS:
                self._judge_offsets(command, changes, elapsed_s, stopped)
                self._judge_accelerations(command, changes, elapsed_s)
            elif stopped:
                self._judge_stop(values, now_s)
            self.moves += not stopped and any(changes)
        if self.kind == "released":
            assert command.further == (RELEASED if stopped else DRIVEN)
        self.sent, self.sent_s, self.stopped = values, now_s, stopped

    def _judge_offsets(self, command: Command, changes: list[float], elapsed_s: float, stopped: bool) -> None:
        """What is farther from the joint than its target may be does not speed up away from it."""
        for index, (joint, change) in enumerate(zip(command.config.joints, changes, strict=True)):
            away = self.sent[index] - self.measured.get(joint.name, NAN)
            if joint.max_offset is not None and abs(away) > joint.max_offset + SLACK and not stopped:
                before = self.slopes[index] if self.slopes else 0.0
                sign = math.copysign(1.0, away)
                assert sign * change / elapsed_s <= max(0.0, sign * before) * (1 + 1e-6) + SLACK / elapsed_s

    def _bounds(self, joint: CommandJoint) -> tuple[float, float]:
        if self.kind in POSITIONS and joint.position_low is not None and joint.position_high is not None:
            return joint.position_low, joint.position_high
        return joint.low, joint.high

    def _is_beginning(self, command: Command, now_s: float, stopped: bool) -> bool:
        """Whether positions begin anew: only from a stop, and only where the joints were just measured."""
        if self.kind not in POSITIONS or not (stopped or self.stopped) or now_s - self.measured_s > MAX_AGE_S:
            return False
        places = [(joint, self.measured.get(joint.name, NAN)) for joint in command.config.joints]
        # What noise shows beyond the bounds is within.
        return command.values == tuple(clamp(x, *self._bounds(joint)) for joint, x in places)

    def _judge_stop(self, values: tuple[float, ...], now_s: float) -> None:
        """A stop takes away; only damping pushes, against a velocity that is known."""
        # In lockstep time stands still, and what was measured with it.
        known = self.step_s is not None or now_s - self.measured_s <= MAX_AGE_S
        damped = self.kind == "damping" and known and self.measured
        measured = [self.measured.get(name, 0.0) for name in ("a", "b")]
        allowed = [DAMPING * abs(0.1 * x) for x in measured] if damped else [0.0] * len(values)
        for new, old, limit in zip(values, self.sent or values, allowed, strict=True):
            assert abs(new) <= max(abs(old), limit)

    def _judge_accelerations(self, command: Command, changes: list[float], elapsed_s: float) -> None:
        slopes = tuple(change / elapsed_s for change in changes)
        # A guard that was not asked for so long has left the robot at the newest command: it begins at rest.
        gap = self.step_s is None and elapsed_s > LONGEST_GAP_PERIODS * 0.01
        before = self.slopes if self.slopes and not gap else (0.0,) * len(slopes)
        interval_s = 0.0 if gap else self.interval_s
        for joint, slope, slope_before in zip(command.config.joints, slopes, before, strict=True):
            allowed = joint.max_acceleration * (elapsed_s + interval_s) / 2
            assert abs(slope - slope_before) <= allowed * (1 + 1e-6) + SLACK / elapsed_s
        self.slopes, self.interval_s = slopes, elapsed_s


class Storm:
    """Carries events to a guard whose clock, stamps and messages may be as wrong as they like."""

    def __init__(self, kind: str, *, lockstep: bool = False) -> None:
        home = {"a": 0.5, "b": 0.5} if kind in ("position", "smoothed") else {}
        stop = {"safe_stop": "damping", "damping": DAMPING} if kind == "damping" else {}
        commands = {}
        if kind == "smoothed":
            joints = [joint | {"max_offset": OFFSET} for joint in COMMANDS["position"]["joints"]]
            commands = {"commands": [COMMANDS["position"] | {"filter": FILTER, "joints": joints}]}
        if kind == "released":
            stop = {"safe_stop": "damping"}
            commands = {"commands": [COMMANDS["position"] | GAINS]}
        like = {"damping": "effort", "smoothed": "position", "released": "position"}.get(kind, kind)
        self.robot = robot(like, home=home, guard=stop, **commands)
        assert all(source.max_age_s == MAX_AGE_S for source in self.robot.sources.values())
        self.guard = Guard(self.robot, PERIOD_S, enabled=True, lockstep=lockstep)
        self.oracle = Oracle(kind, PERIOD_S if lockstep else None)
        self.names = list(self.robot.joint_names)
        self.now_s, self.furthest_s = 1000.0, -math.inf
        self.stamp_ns = 10**9

    def happen(self, passed_s: float, event: tuple[Any, ...]) -> None:
        self.pass_time(passed_s)
        getattr(self, event[0])(*event[1:])
        self.update()

    def pass_time(self, passed_s: float) -> None:
        self.now_s += passed_s
        self.furthest_s = max(self.furthest_s, self.now_s)

    def update(self) -> None:
        decision = self.guard.update(self.now_s)
        self.oracle.judge(decision, self.furthest_s, self.guard.stopped is not None)

    def observe(self, offset: int, session: str, is_last: bool, age_s: float) -> None:
        key = StepKey(session, self.stamp_ns + (1 + offset) * PERIOD_NS)
        latest = self.oracle.observed[-1] if self.oracle.observed else None
        if latest is None or latest.session != session or latest.stamp_ns < key.stamp_ns:
            if key in self.oracle.observed:
                return  # A stamp that comes again after another session: no sensor node does that.
            self.oracle.observed.append(key)
            self.stamp_ns = key.stamp_ns
        self.guard.observe(key, is_last, self.now_s, age_s)

    def step(self, a: float, b: float) -> None:
        """A step as it should be, so that the robot gets moving."""
        self.sense(0.1, 0.1, None)
        self.observe(0, self.oracle.observed[-1].session if self.oracle.observed else "s", False, 0.0)
        self.update()
        self.guard.receive_message(self._vector(self.oracle.observed[-1], (a, b)), self.now_s)
        for _ in range(4):
            self.update()
            self.pass_time(0.01)

    def recover(self) -> None:
        """What a person does to get a stopped robot moving again."""
        self.enable(True)
        self.emergency(False)
        self.sense(0.1, 0.1, None)
        self.reset()
        for _ in range(self.robot.guard.recover_steps):
            self.step(0.0, 0.0)

    def act(self, a: float, b: float, spoil: str | None, offset: int, session: str, source: int) -> None:
        latest = self.oracle.observed[-1].stamp_ns if self.oracle.observed else self.stamp_ns
        message = self._vector(StepKey(session, max(0, latest + offset * PERIOD_NS)), (a, b), source)
        _spoil(message, spoil)
        self.guard.receive_message(message, self.now_s)

    def sense(self, a: float, b: float, spoil: str | None) -> None:
        positions, velocities = [0.0, a, b], [0.0, 0.1 * a, 0.1 * b]
        message = joint_state(["other", *self.names], positions, velocities, stamp_s=self.now_s)
        _spoil(message, spoil)
        named = [name for name in self.names if name in message.name]
        try:
            measured = [read_joint(message, name, "position") for name in named]
        except MessageError:
            measured = [NAN]
        if all(map(math.isfinite, measured)) and len(set(message.name)) == len(message.name):
            for name, position in zip(named, measured, strict=True):
                self.oracle.measure(name, position, self.furthest_s, self.now_s)
        self.guard.sense("joints", message, self.now_s)

    def enable(self, on: bool) -> None:
        self.guard.enable(on, self.now_s)

    def emergency(self, pressed: bool) -> None:
        self.guard.emergency_stop(pressed, self.now_s)

    def reset(self) -> None:
        self.guard.reset_stop(self.now_s)

    def home(self) -> None:
        self.guard.home(self.now_s)

    def wait(self) -> None:
        """Until the guard wants to be asked again."""
        deadline_s = self.guard.next_deadline_s()
        if math.isfinite(deadline_s):
            self.pass_time(max(0.0, deadline_s - self.now_s))

    def _vector(self, key: StepKey, values: tuple[float, float], source: float = 0) -> SimpleNamespace:
        return action_message(key, dict(zip(self.names, values, strict=True)), source)


def _spoil(message: SimpleNamespace, how: str | None) -> None:
    match how:
        case "reversed":
            message.name = message.name[::-1]
            message.position = message.position[::-1]
            message.velocity = message.velocity[::-1]
        case "missing":
            message.name, message.position = message.name[1:], message.position[1:]
            message.velocity = message.velocity[1:]
        case "repeated":
            message.name = [message.name[0], *message.name[:-1]]
        case "unknown":
            message.name = ["unknown", *message.name[1:]]
        case "short":
            message.position = message.position[:-1]
        case "long":
            message.position = [*message.position, 0.0]


Events = list[tuple[float, tuple[Any, ...]]]


@pytest.mark.parametrize("lockstep", [False, True], ids=["paced", "lockstep"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_events_lead_outside_the_limits_and_each_observation_gets_one_action(kind: str, lockstep: bool) -> None:
    moves = []

    @settings(max_examples=EXAMPLES // 2 if lockstep else EXAMPLES, deadline=None, derandomize=True, database=None)
    @given(events=events)
    def weather(events: Events) -> None:
        storm = Storm(kind, lockstep=lockstep)
        for passed_s, event in events:
            storm.happen(passed_s, event)
        # The final assertion never had to speak: the shaping alone kept the limits.
        assert Reason.ASSERTION not in storm.guard.machine.counts
        storm.pass_time(1000.0)
        storm.update()
        assert storm.oracle.applied == storm.oracle.observed
        assert storm.guard.decisions.steps == len(storm.oracle.observed)
        moves.append(storm.oracle.moves)

    weather()
    # Limits of a robot that always stands still would be no test.
    assert sum(count > 0 for count in moves) > len(moves) / 4


@settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None)
@given(
    wishes=st.lists(wishes, min_size=20, max_size=40),
    start=st.floats(-1.45, 1.45),
    delay_s=st.floats(0.0, 0.03),
)
def test_velocities_never_carry_a_joint_over_its_bounds(wishes: list[float], start: float, delay_s: float) -> None:
    """A plant that does exactly what it is told, measured with a delay."""
    storm = Storm("velocity")
    position, velocity, now_s = start, 0.0, 1000.0
    history = [(now_s, position)]
    for index, wish in enumerate(wishes):
        key = StepKey("s", (index + 1) * PERIOD_NS)
        for tick in range(5):
            now_s += 0.01
            position += velocity * 0.01
            history.append((now_s, position))
            seen = float(np.interp(now_s - delay_s, *zip(*history, strict=True)))
            storm.guard.sense("joints", joint_state(["a", "b"], [seen, 0.0], stamp_s=now_s - delay_s), now_s - delay_s)
            if tick == 0:
                storm.guard.observe(key, False, now_s)
                storm.guard.receive_message(storm._vector(key, (wish, 0.0)), now_s)
            for command in storm.guard.update(now_s).commands:
                velocity = command.values[0]
            assert -1.5 <= position <= 1.5
    assert Reason.JOINT_LIMIT not in storm.guard.machine.counts
