"""A guard in the hands of a test: time is a number that the test passes in."""

import math
from typing import Any

import numpy as np

from robot_mbrl.control.guard import Decision, Guard
from robot_mbrl.control.stops import Reason
from robot_mbrl.specs import Source
from robot_mbrl.steps import Action, StepKey
from tests.control.robots import PERIOD_S, joint_state, robot

RECOVER = 3
DEADLINE_S, TIMEOUT_S = 0.04, 0.13
COMMAND_S = 0.01


class GuardBench:
    """A guard with a driver, a sensor node and a policy that do what the test says."""

    def __init__(self, kind: str = "effort", *, enabled: bool = True, **changes: Any) -> None:
        guard = {"recover_steps": RECOVER} | changes.pop("guard", {})
        fresh, rest_s = changes.pop("fresh", False), changes.pop("rest_s", math.inf)
        lockstep, repeat = changes.pop("lockstep", False), changes.pop("action_repeat", 1)
        self.robot = robot(kind, guard=guard, **changes)
        self.spec = self.robot.action_spec()
        self.guard = Guard(self.robot, repeat * PERIOD_S, enabled=enabled, lockstep=lockstep, rest_s=rest_s)
        self.now_s, self.stamp = 50.0, 0
        if not fresh:
            # Long enough before that nobody holds a switch any more.
            self.guard.update(self.now_s - 3.0)
        self.positions, self.velocities = [0.0, 0.0], [0.0, 0.0]
        self.applied: list[Action] = []
        self.commands: list[tuple[float, ...]] = []

    @property
    def key(self) -> StepKey:
        return StepKey("s", self.stamp)

    @property
    def command(self) -> tuple[float, ...]:
        return self.commands[-1]

    def update(self) -> Decision:
        decision = self.guard.update(self.now_s)
        self.applied += decision.applied
        self.commands += [command.values for command in decision.commands]
        return decision

    def run(self, duration_s: float, *, sensing: bool = True) -> None:
        """Serve the guard's deadlines for a while, with fresh joints."""
        end_s = self.now_s + duration_s
        while self.now_s < end_s - 1e-9:
            if sensing:
                self.sense()
            self.update()
            deadline_s = max(self.guard.next_deadline_s(), self.now_s + 1e-4)
            self.now_s = min(end_s, deadline_s, self.now_s + COMMAND_S)
        self.update()

    def carry(self, *positions: float) -> None:
        """Move the joints by hand, at 0.5 rad/s."""
        start = list(self.positions)
        steps = max(1, round(max(abs(x - y) for x, y in zip(start, positions, strict=True)) / 0.005))
        for step in range(1, steps + 1):
            self.positions = [x + (y - x) * step / steps for x, y in zip(start, positions, strict=True)]
            self.run(0.01)

    def sense(self) -> None:
        message = joint_state(list(self.robot.joint_names), self.positions, self.velocities, stamp_s=self.now_s)
        self.guard.sense("joints", message, self.now_s)

    def observe(self, *, is_last: bool = False, age_s: float = 0.0) -> None:
        self.stamp += 1
        self.sense()
        assert self.guard.observe(self.key, is_last, self.now_s, age_s)
        self.update()

    def act(self, *values: float, key: StepKey | None = None, source: Source = Source.POLICY) -> None:
        action = Action(key or self.key, np.array(values or (0.5, 0.5), np.float32), source, policy_version=7)
        self.guard.receive(action, self.now_s)
        self.update()

    def step(self, *values: float, after_s: float = 0.005) -> Action:
        """A whole control period with an action in time; returns what was applied."""
        self.observe()
        self.run(after_s)
        self.act(*values)
        self.run(PERIOD_S - after_s)
        return self.applied[-1]

    def miss(self) -> Action:
        """A whole control period without an action."""
        self.observe()
        self.run(PERIOD_S)
        return self.applied[-1]

    def move(self, *values: float) -> "GuardBench":
        """Get the robot moving."""
        for _ in range(RECOVER):
            self.step(*values)
        assert self.guard.stopped is None
        return self

    def counted(self, reason: Reason) -> int:
        return self.guard.machine.counts[reason]


def real(kind: str = "velocity", at: tuple[float, float] = (0.0, 0.0), **changes: Any) -> GuardBench:
    """A real robot that a person has just enabled."""
    bench = GuardBench(kind, enabled=False, **changes)
    bench.positions = list(at)
    bench.run(0.3)
    bench.guard.enable(True, bench.now_s)
    return bench


def follow(bench: GuardBench, *values: float, steps: int = 1) -> None:
    """Steps of a plant that does exactly what it is told."""
    for _ in range(steps):
        bench.observe()
        bench.act(*values)
        for _ in range(5):
            bench.run(0.01)
            if bench.commands and bench.robot.commands[0].kind == "velocity":
                bench.positions = [x + 0.01 * v for x, v in zip(bench.positions, bench.command, strict=True)]
            elif bench.commands:
                bench.positions = list(bench.command)
