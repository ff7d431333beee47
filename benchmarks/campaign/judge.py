"""Judges everything that a guard sends and says, by the robot's YAML and by what has happened."""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.campaign.causes import has_cause
from benchmarks.campaign.facts import MARGIN_S, Facts
from benchmarks.campaign.limits import JointJudge, PositionJudge, RateJudge
from benchmarks.campaign.person import EDGE_S, RANGE
from benchmarks.campaign.plan import Plan
from benchmarks.campaign.robots import PERIOD_S, TICK_S
from robot_mbrl.command_config import STIFFNESS
from robot_mbrl.control.command_interface import Command
from robot_mbrl.control.guard import Decision, Guard
from robot_mbrl.specs import Source
from robot_mbrl.steps import Action, StepKey
from sim.faults import Delivery
from sim.plant import Plant

ROUNDING = 1e-5
IDLE_S = 0.6
"""How long a robot that may move may stand still against its policy's wish before somebody has to say why."""
FOLLOWED = (Source.POLICY, Source.LATE, Source.TELEOP)
"""Sources of actions that a person's first one follows without a jump."""
CHANGED = ("offset", "rate", "braking", "acceleration", "position_bound", "clipped", "late", "jerk")
"""Reasons for which a command is another than the policy wished for."""


@dataclass(frozen=True)
class Finding:
    """Something that must not be."""

    kind: str
    """unsafe, unexplained or unanswered."""
    at_s: float
    text: str


class Judge:
    """Hears all that happens in a case, in order, and notes what must not be.

    Attributes:
        findings: what that was.
        rng: of the case's policy.
    """

    def __init__(self, plan: Plan, plant: Plant) -> None:
        self.findings: list[Finding] = []
        self.rng = random.Random(f"{plan.name}/policy")
        self.facts = Facts(plan)
        self._plan, self._plant = plan, plant
        self._joints: dict[str, JointJudge] = {}
        for command in plan.robot.commands:
            for joint in command.joints:
                kind = PositionJudge if command.kind == "position" else RateJudge
                self._joints[joint.name] = kind(joint, command.kind, self.facts)
        self._observed: list[StepKey] = []
        self._applied: list[StepKey] = []
        self._reason: str | None = "starting"
        self._is_stopped = True
        self._asked_s = -math.inf
        self._told: set[str] = set()
        self._wish: list[float] | None = None
        self._idle_s = 0.0
        self._counts: dict[str, int] = {}
        self._newest: Action | None = None
        self._edge_s = -math.inf

    def moved(self, now_s: float) -> None:
        """The plant has moved."""
        self.facts.move(dict(self._plant.positions()), now_s)
        for joint in self._joints.values():
            if text := joint.judge_place(self._plant.joints[joint.name].position, now_s):
                self._find("unsafe", text, now_s)

    def reading(self, delivery: Delivery, now_s: float) -> None:
        """The guard hears the driver."""
        self.facts.read(delivery, now_s)

    def enable(self, on: bool, now_s: float) -> None:
        """The guard hears a person."""
        self.facts.enable(on, now_s)

    def emergency(self, pressed: bool, now_s: float) -> None:
        """The guard hears the emergency stop."""
        self.facts.emergency(pressed)

    def reset(self, released: bool, now_s: float) -> None:
        """A person has asked for a release."""
        if released and self.facts.pressed:
            self._find("unsafe", "a stop was released while the emergency stop was pressed", now_s)
        if released:
            self.facts.latched = False

    def taken_over(self, on: bool, now_s: float) -> None:
        """The guard hears the dead-man switch of a person who drives."""
        self.facts.person.press(on, now_s)

    def steered(self, values: Mapping[str, float], now_s: float) -> None:
        """The guard hears that person's stick."""
        self.facts.person.steer(values, list(self._joints), now_s)

    def turned(self, scale: float, refusal: str, now_s: float) -> None:
        """A person has turned the speed."""
        person = self.facts.person
        if scale > person.scale and not refusal and self._reason is None:
            self._find("unsafe", "the speed was raised while the robot moves", now_s)
        if scale <= person.scale and refusal:
            self._find("unsafe", f"the speed cannot be lowered: {refusal}", now_s)
        if not refusal:
            person.turn(scale, now_s)

    def may_be_observed(self, now_s: float) -> bool:
        """Whether the sensor node has fresh readings to make an observation from."""
        return self.facts.silent_s(now_s) <= self.facts.max_age_s

    def observed(self, key: StepKey, now_s: float) -> None:
        """The guard hears an observation."""
        self.facts.observe(key, now_s)
        self._observed.append(key)

    def wished(self, key: StepKey, values: list[float], now_s: float) -> None:
        """The guard hears the policy."""
        self.facts.wish(key, values, now_s)
        self._wish = values if self.facts.timely_s == now_s else self._wish

    def decided(self, decision: Decision, guard: Guard, now_s: float) -> None:
        """The guard has decided."""
        self._applied += [action.key for action in decision.applied]
        if now_s > self._plan.duration_s + 1.0:
            return  # Nothing is asked of it any more but what it owes.
        self.facts.pass_time(now_s)
        self._judge_driver(decision, now_s)
        reason, latched = state(guard)
        if latched and not self.facts.latched:
            self.facts.latch()
        elif self.facts.latched and not latched:
            self._find("unsafe", "a latched stop ended without a person", now_s)
            self.facts.latched = False
        # Who is stopped already may have to wait for the first actions.
        waits = reason == "starting" and self._reason is not None
        if reason is not None and reason != self._reason and not waits:
            sent = {name: joint.sent for name, joint in self._joints.items() if joint.sent is not None}
            if not has_cause(reason, self.facts, sent, now_s):
                self._find("unexplained", f"stopped for {reason}, which did not happen", now_s)
        self._reason, self._is_stopped = reason, guard.stopped is not None
        stopped = reason is not None or not self.facts.permitted
        self._judge_commands(decision, stopped, now_s)
        if not stopped:
            self._judge_idleness(guard, now_s)
        else:
            self._idle_s = now_s
        self._asked_s = now_s

    def conclude(self) -> None:
        """The case is over."""
        if self._applied != self._observed:
            missing = len(set(self._observed) - set(self._applied))
            twice = len(self._applied) - len(set(self._applied))
            text = f"{missing} of {len(self._observed)} observations without an applied action, {twice} with several"
            self._find("unanswered", text, self.facts.now_s)

    def _judge_driver(self, decision: Decision, now_s: float) -> None:
        """Whose actions are applied: a person's while he holds the switch, without a jump, and nobody's in his name."""
        person = self.facts.person
        for action in decision.applied:
            before, self._newest = self._newest, action
            if action.source is not Source.TELEOP:
                if action.source is not Source.STOP and person.must_drive(now_s):
                    self._find("unexplained", f"{action.source.name} acts though a person drives", now_s)
                continue
            self.facts.timely_s = now_s
            if hindrance := person.hindrance(now_s):
                self._find("unsafe", f"acts for a person though {hindrance}", now_s)
            if before is None or before.source not in FOLLOWED:
                continue
            if before.source is not Source.TELEOP:
                self._edge_s = now_s
            change = float(abs(action.values - before.values).max())
            if now_s - self._edge_s < EDGE_S - PERIOD_S and change > RANGE * PERIOD_S / EDGE_S + ROUNDING:
                self._find("unsafe", f"jumps by {change:.2f} when a person takes over", now_s)

    def _judge_commands(self, decision: Decision, stopped: bool, now_s: float) -> None:
        commanded = set()
        for command in decision.commands:
            for joint, value in zip(command.config.joints, command.values, strict=True):
                commanded.add(joint.name)
                released = command.further.get(STIFFNESS, (1.0,))[0] == 0.0
                if text := self._joints[joint.name].judge(value, now_s, stopped=stopped, released=released):
                    self._find("unsafe", text, now_s)
            if text := _wrong_gains(command, stopped=self._is_stopped):
                self._find("unsafe", text, now_s)
            if not stopped and (text := self._overdue(now_s)):
                self._find("unsafe", text, now_s)
        if now_s - self._asked_s <= 1.5 * TICK_S:
            for name in self._joints.keys() - commanded:
                if stopped and (text := self._joints[name].judge_silence(now_s)):
                    self._find("unsafe", text, now_s)

    def _overdue(self, now_s: float) -> str:
        """Why the robot should have been stopped by now."""
        facts = self.facts
        # A guard that was not given the processor could do nothing.
        if now_s - self._asked_s > 1.5 * TICK_S:
            return ""
        if facts.silent_s(now_s) > facts.max_age_s + MARGIN_S:
            return f"moves by readings that are {facts.silent_s(now_s):.2f} s old"
        if now_s - facts.observed_s > facts.timeout_s + MARGIN_S:
            return f"moves without an observation for {now_s - facts.observed_s:.2f} s"
        if now_s - facts.timely_s > facts.timeout_s + facts.deadline_s + MARGIN_S:
            return f"moves without a timely action for {now_s - facts.timely_s:.2f} s"
        return ""

    def _judge_idleness(self, guard: Guard, now_s: float) -> None:
        """A robot that may move does what it is told, or somebody says what is in the way."""
        counts = {name: guard.machine.counts[name] for name in guard.machine.counts if name in CHANGED}
        obeys = self._wish is None or all(
            joint.sent is None or not joint.is_idle_against(wish)
            for joint, wish in zip(self._joints.values(), self._wish, strict=True)
        )
        if obeys or counts != self._counts or self.facts.person.wants(now_s):
            self._idle_s = now_s
        self._counts = counts
        if now_s - self._idle_s > IDLE_S:
            self._idle_s = math.inf
            self._find("unexplained", "does not do what is wished, and gives no reason", now_s)

    def _find(self, kind: str, text: str, now_s: float) -> None:
        # What goes on for a while is one finding.
        words = kind + "".join(c for c in text if not c.isdigit())
        if words not in self._told:
            self._told.add(words)
            self.findings.append(Finding(kind, now_s, text))


def _wrong_gains(command: Command, *, stopped: bool) -> str:
    """What is wrong with what is sent beside the positions; empty if nothing is."""
    if not command.config.further and not command.further:
        return ""
    raw = command.config.model_dump()
    for index, joint in enumerate(raw["joints"]):
        wanted = raw["constants"] | joint["constants"]
        wanted |= (raw["stop_constants"] | joint["stop_constants"]) if stopped else {}
        told = {interface: values[index] for interface, values in command.further.items()}
        if told != wanted:
            return f"{joint['name']}: is told {told}, not {wanted}, {'in a stop' if stopped else 'while it moves'}"
    return ""


def state(guard: Guard) -> tuple[str | None, bool]:
    """Why a guard says that it has stopped the robot, None if it has not, and whether that is latched."""
    word, _, reason = guard.state.partition(": ")
    return (None if word == "moving" else reason or word), word == "latched"


__all__ = ["Finding", "Judge"]
