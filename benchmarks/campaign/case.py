"""A case as it is lived: the guard closed around a plant, by its public calls only, under the eyes of a judge."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.campaign.judge import Finding, Judge
from benchmarks.campaign.person import SENT_EVERY_S
from benchmarks.campaign.plan import LATE_S, Plan
from benchmarks.campaign.robots import PERIOD_S, TICK_S
from robot_mbrl import topics
from robot_mbrl.config import RobotConfig
from robot_mbrl.control.guard import Guard
from robot_mbrl.messages import NANOSECONDS, write_key, write_named, write_stamp
from robot_mbrl.specs import Source
from robot_mbrl.steps import StepKey
from sim.faults import FaultyWorld, Wire
from sim.plant import Plant
from sim.worlds.world import JointReading

ORIGIN_S = 1000.0
"""The guard's clock at the beginning of a case."""
DRIVERS_CLOCK_S = 5000.0
"""The driver's clock then."""
THINKING_S = 0.004
"""How long a timely policy thinks."""
HELD_EVERY_S = 0.06
"""How often a dead-man switch repeats that it is held."""
AFTER_S = 1000.0
"""How long the guard is given at last, to answer whatever it still owes."""


@dataclass(slots=True)
class _Wish:
    at_s: float
    key: StepKey
    values: list[float]


def run_case(plan: Plan, make_guard: Callable[[RobotConfig, float], Guard] = Guard) -> list[Finding]:
    """Live through a case.

    Args:
        plan: what happens in it.
        make_guard: makes the guard that is judged, from a robot and the duration of a step.

    Returns:
        What the judge has found, in the order of time.
    """
    return _Case(plan, make_guard).run()


class _Case:
    def __init__(self, plan: Plan, make_guard: Callable[[RobotConfig, float], Guard]) -> None:
        self._plan = plan
        self._plant = Plant(plan.robot)
        for name, place in plan.start.items():
            self._plant.joints[name].position = place
        self._world = FaultyWorld(self._plant, plan.faults)
        self._wire = Wire(plan.faults)
        self._guard = make_guard(plan.robot, PERIOD_S)
        # Long enough before that nobody holds a switch any more.
        self._guard.update(ORIGIN_S - 3.0)
        self._judge = Judge(plan, self._plant)
        self._names = list(plan.robot.joint_names)
        self._source = plan.robot.commands[0].source
        self._acts = list(plan.acts)
        self._scales = list(plan.person.scales)
        self._persons_rng = random.Random(f"{plan.name}/stick")
        self._wishes: list[_Wish] = []
        self._wish = [0.0] * len(self._names)
        self._now_s = 0.0
        self._commanded_s = -math.inf
        self._held: bool | None = None
        self._was_dead = False
        self._steps = 0

    def run(self) -> list[Finding]:
        plan, tick = self._plan, 0
        while self._now_s < plan.duration_s:
            self._live_until(tick * TICK_S)
            stalled_from_s, stalled_to_s = plan.stalls
            if not stalled_from_s <= self._now_s < stalled_to_s:
                self._serve(tick)
            elif self._source is not None:
                self._measure()
            tick += 1
        self._now_s += AFTER_S
        self._update()
        self._judge.conclude()
        return self._judge.findings

    def _serve(self, tick: int) -> None:
        """What happens at a tick of the command rate: readings, persons, and now and then an observation."""
        if self._source is not None:
            self._measure()
        for delivery in self._wire.deliveries(self._now_s):
            self._judge.reading(delivery, self._now_s)
            self._guard.sense(delivery.source, delivery.reading, ORIGIN_S + self._now_s)
            self._update()
        while self._acts and self._acts[0][0] <= self._now_s:
            self._act(self._acts.pop(0)[1])
        if self._held is not None and tick % round(HELD_EVERY_S / TICK_S) == 0:
            self._enable(self._held)
        if tick % round(SENT_EVERY_S / TICK_S) == 0:
            self._help()
        while self._scales and self._scales[0][0] <= self._now_s:
            self._turn(self._scales.pop(0)[1])
        if tick % round(PERIOD_S / TICK_S) == 0:
            self._observe()
        self._update()
        # A policy that is in time answers between two ticks.
        while self._wishes and self._wishes[0].at_s < (tick + 1) * TICK_S:
            wish = self._wishes.pop(0)
            self._live_until(max(self._now_s, wish.at_s))
            self._answer(wish)
        due_s = self._guard.next_deadline_s() - ORIGIN_S
        if self._now_s < due_s < (tick + 1) * TICK_S:
            self._live_until(due_s)
            self._update()

    def _live_until(self, time_s: float) -> None:
        """Let the plant live, with the commands that its drives have heard."""
        while self._now_s < time_s:
            dead = self._wire.dead(self._now_s)
            if dead and not self._was_dead:
                self._world.brake()
            self._was_dead = dead
            for values in self._wire.commands(self._now_s):
                self._world.apply(values)
                self._commanded_s = self._now_s
            timeout_s = self._plan.robot.guard.driver_timeout_s
            if timeout_s is not None and self._now_s - self._commanded_s > timeout_s:
                self._world.brake()
            step_s = min(time_s - self._now_s, max(1e-4, self._wire.next_command_s - self._now_s))
            self._world.advance(step_s)
            self._now_s = time_s if step_s == time_s - self._now_s else self._now_s + step_s
            self._judge.moved(self._now_s)

    def _measure(self) -> None:
        reading: Any = self._world.read(str(self._source))
        write_stamp(reading.header.stamp, round((DRIVERS_CLOCK_S + self._now_s) * NANOSECONDS))
        self._wire.send(str(self._source), reading, self._now_s)

    def _act(self, act: str) -> None:
        """What a person does."""
        dead_man = self._plan.robot.guard.enable_timeout_s is not None
        match act:
            case "enable" | "disable":
                self._enable(act == "enable")
                self._held = act == "enable" if dead_man else None
            case "hush":
                # The switch falls silent in whatever state it is.
                self._held = None
            case "press" | "let go":
                self._judge.emergency(act == "press", self._now_s)
                self._guard.emergency_stop(act == "press", ORIGIN_S + self._now_s)
            case "reset":
                self._judge.reset(self._guard.reset_stop(ORIGIN_S + self._now_s), self._now_s)
        self._update()

    def _enable(self, on: bool) -> None:
        self._judge.enable(on, self._now_s)
        self._guard.enable(on, ORIGIN_S + self._now_s)
        self._update()

    def _help(self) -> None:
        """What a person's switch and stick say."""
        person, guard_s = self._plan.person, ORIGIN_S + self._now_s
        if (on := person.switch(self._now_s)) is not None:
            self._judge.taken_over(on, self._now_s)
            self._guard.take_over(on, guard_s)
            self._update()
        if (values := person.steer(self._names, self._now_s, self._persons_rng)) is not None:
            message = JointReading([], [], [], [])
            write_named(message, values)
            self._judge.steered(values, self._now_s)
            self._guard.steer(message, guard_s)
            self._update()

    def _turn(self, scale: float) -> None:
        self._judge.turned(scale, self._guard.scale_speed(scale), self._now_s)

    def _observe(self) -> None:
        plan = self._plan
        begin_s, end_s = plan.blind
        if begin_s <= self._now_s < end_s or not self._judge.may_be_observed(self._now_s):
            return
        self._steps += 1
        key = StepKey("session", round((ORIGIN_S + self._now_s) * NANOSECONDS))
        self._judge.observed(key, self._now_s)
        self._guard.observe(key, False, ORIGIN_S + self._now_s)
        self._update()
        if plan.silent[0] <= self._now_s < plan.silent[1]:
            return
        late = plan.late[0] <= self._now_s < plan.late[1]
        thinking_s = LATE_S if late else THINKING_S
        self._wishes.append(_Wish(self._now_s + thinking_s, key, self._think()))

    def _think(self) -> list[float]:
        plan = self._plan
        if self._now_s >= plan.nan_s:
            return [math.nan] * len(self._names)
        rng = self._judge.rng
        phase = int(self._now_s / plan.swing_s)
        match plan.policy:
            case "constant":
                self._wish = [0.8] * len(self._names)
            case "swinging":
                self._wish = [1.0 if phase % 2 == 0 else -1.0] * len(self._names)
            case "jumping":
                self._wish = [rng.uniform(-1.0, 1.0) for _ in self._names]
        return self._wish

    def _answer(self, wish: _Wish) -> None:
        message = JointReading([], [], [], [])
        values = dict(zip(self._names, wish.values, strict=True))
        write_named(message, values | {topics.SOURCE: float(Source.POLICY), topics.POLICY_VERSION: 1.0})
        write_key(message, wish.key)
        self._judge.wished(wish.key, wish.values, self._now_s)
        self._guard.receive_message(message, ORIGIN_S + self._now_s)
        self._update()

    def _update(self) -> None:
        decision = self._guard.update(ORIGIN_S + self._now_s)
        self._judge.decided(decision, self._guard, self._now_s)
        for command in decision.commands:
            self._wire.command(command.named(), self._now_s)
