"""A case as it is drawn from its seed: robot, faults, persons, policy."""

import math
import random
from dataclasses import dataclass
from typing import Any

from benchmarks.campaign.person import Person, draw_person
from benchmarks.campaign.robots import KINDS, TICK_S, draw_robot
from robot_mbrl.config import RobotConfig
from sim.faults import Faults

NEVER = (math.inf, math.inf)
MOST_FAULTS, MOST_ACTS = 3, 4
SHORTEST_S, LONGEST_S = 1.6, 5.0
LET_GO_S = 2.0
"""How long a person who enables by single messages waits before he does so again."""
LATE_S = 0.05
"""How long a late policy thinks: longer than its deadline."""


@dataclass(frozen=True)
class Plan:
    """One case, all that is random drawn.

    Attributes:
        name: what reproduces it: seed and number.
        robot: that is guarded.
        faults: of its driver.
        start: where its joints are at first, rad or m.
        duration_s: of the case.
        acts: what a person does, as (seconds, act), in order.
        policy: how wishes come about: constant, swinging or jumping.
        swing_s: how long a wish stays.
        silent: when the policy says nothing, from and to.
        late: when it comes too late.
        blind: when the sensor node says nothing.
        stalls: when the guard's process is not given the processor.
        nan_s: when the policy wishes for what is no number.
        person: who takes over, and turns the speed down.
    """

    name: str
    robot: RobotConfig
    faults: Faults
    start: dict[str, float]
    duration_s: float
    acts: tuple[tuple[float, str], ...]
    policy: str
    swing_s: float
    silent: tuple[float, float]
    late: tuple[float, float]
    blind: tuple[float, float]
    stalls: tuple[float, float]
    nan_s: float
    person: Person = Person()

    def __str__(self) -> str:
        """In a few lines, for whoever looks into a failure."""
        words = [f"case {self.name}: {self.robot.name}, {self.duration_s:.2f} s from {self.start}"]
        words += [f"  fault: {fault.says}" for fault in self.faults.faults]
        words += [f"  {at_s:.2f} s: {act}" for at_s, act in self.acts]
        words += [f"  policy: {self.policy}, a wish for {self.swing_s:.2f} s"]
        for what in ("silent", "late", "blind", "stalls"):
            begin_s, end_s = getattr(self, what)
            if begin_s < math.inf:
                words.append(f"  {what}: {begin_s:.2f} to {end_s:.2f} s")
        if self.nan_s < math.inf:
            words.append(f"  {self.nan_s:.2f} s: the policy wishes for NaN")
        return "\n".join([*words, *filter(None, [str(self.person)])])


def draw_plan(seed: int, number: int, kind: str | None = None) -> Plan:
    """The case of this number; the same for the same seed, whatever was drawn before.

    Args:
        seed: of the campaign.
        number: of the case.
        kind: the robot's; None for the one of `KINDS` whose turn it is.
    """
    rng = random.Random(f"{seed}/{number}")
    kind = kind or KINDS[number % len(KINDS)]
    duration_s = rng.uniform(SHORTEST_S, LONGEST_S)
    count = rng.choice((0, 1, 1, 2, 2, MOST_FAULTS))
    faults = [_draw_fault(rng, duration_s) for _ in range(count)]
    wraps = kind == "arm" and any(fault["kind"] == "wrapping" for fault in faults)
    robot = draw_robot(kind, rng, wraps=wraps)
    if kind != "arm":
        faults = [fault for fault in faults if fault["kind"] != "wrapping"]
    for fault in faults:
        if fault.pop("first", False):
            fault["joints"] = [robot.joint_names[0]]
    return Plan(
        name=f"{seed}/{number}",
        robot=robot,
        faults=Faults.model_validate({"seed": rng.randrange(2**31), "faults": faults}),
        start={joint.name: rng.uniform(-0.9, 0.9) for joint in robot.joints},
        duration_s=duration_s,
        acts=_draw_acts(rng, duration_s, robot.guard.enable_timeout_s),
        policy=rng.choice(("constant", "swinging", "swinging", "jumping")),
        swing_s=rng.uniform(0.08, 1.2),
        silent=_window(rng, duration_s, 0.2),
        late=_window(rng, duration_s, 0.2),
        blind=_window(rng, duration_s, 0.15),
        stalls=_window(rng, duration_s, 0.1, longest_s=0.4),
        nan_s=rng.uniform(0.5, duration_s) if rng.random() < 0.03 else math.inf,
        person=draw_person(random.Random(f"{seed}/{number}/person"), duration_s),
    )


def _window(rng: random.Random, duration_s: float, chance: float, longest_s: float = 1.6) -> tuple[float, float]:
    if rng.random() >= chance:
        return NEVER
    begin_s = rng.uniform(0.4, duration_s)
    # Most are short; some longer than a second, after which a person has to enable again.
    return begin_s, begin_s + rng.choice((0.04, 0.1, 0.2, longest_s)) * rng.uniform(0.5, 1.0)


def _draw_acts(rng: random.Random, duration_s: float, timeout_s: float | None) -> tuple[tuple[float, str], ...]:
    acts = [(rng.uniform(0.0, 0.3), "enable")]
    for _ in range(rng.randint(0, MOST_ACTS)):
        at_s = rng.uniform(0.4, duration_s)
        match rng.choice(("disable", "enable", "press", "release", "again", "hush")):
            case "press":
                acts.append((at_s, "press"))
            case "release":
                acts += [(at_s, "let go"), (at_s + 2 * TICK_S, "reset")]
            case "again":
                # Whatever has stopped it, this is how a person gets it going.
                acts += [(at_s, "let go"), (at_s + 2 * TICK_S, "reset")]
                wait_s = timeout_s or LET_GO_S
                acts += [(at_s + 4 * TICK_S, "disable"), (at_s + wait_s + 8 * TICK_S, "enable")]
            case act:
                acts.append((at_s, act))
    return tuple(sorted(acts))


def _draw_fault(rng: random.Random, duration_s: float) -> dict[str, Any]:
    """One of all kinds that concern a guard; many for all of the case, some for a while."""
    begin_s = rng.uniform(0.0, 0.8 * duration_s)
    whole: dict[str, Any] = {}
    # No driver is back sooner; within less, zero may be as near as the joint could have come.
    away_s = 0.3 + rng.choice((0.0, 0.15, 0.5, 1.2)) * rng.uniform(0.5, 1.0)
    short = {"start_s": begin_s, "duration_s": rng.choice((0.04, 0.15, 0.5, 1.5)) * rng.uniform(0.5, 1.0)}
    some = rng.choice((whole, short))
    menu: tuple[dict[str, Any], ...] = (
        {"kind": "servo_lag", "lag_s": rng.choice((0.03, 0.05, 0.1, 0.2)), **whole},
        {"kind": "overshoot", "lag_s": rng.choice((0.02, 0.05)), "damping": rng.uniform(0.3, 0.8), **whole},
        {"kind": "dead_time", "delay_s": rng.choice((0.02, 0.06)), **whole},
        {"kind": "command_delay", "delay_s": rng.choice((0.01, 0.05)), "jitter_s": 0.02, **some},
        {"kind": "noise", "position": rng.choice((1e-4, 5e-4, 2e-3)), "velocity": 0.01, **whole},
        {"kind": "quantisation", "step": rng.choice((0.0015, 0.01)), **whole},
        {"kind": "blocked", **some, "first": rng.random() < 0.5},
        {"kind": "slipping", "share": rng.choice((0.0, 0.3, 0.9)), **some},
        {"kind": "moved_by_hand", "push": rng.choice((-0.7, 0.5, 1.5)), **short},
        {"kind": "impossible_reading", "value": rng.choice((-1.0, 0.0, 0.6, 100.0)), **short},
        {"kind": "wrapping", **whole},
        {"kind": "drop_out", "share": rng.choice((0.3, 1.0)), **short},
        {"kind": "burst", **short},
        {"kind": "delay", "delay_s": rng.choice((0.005, 0.05)), "jitter_s": rng.choice((0.0, 0.05)), **some},
        {"kind": "reordered", "share": 0.3, **some},
        {"kind": "repeated", "share": 0.5, "after_s": rng.choice((0.0, 0.05, 0.3)), **some},
        {"kind": "frozen", "stamp": "old", **short},
        {"kind": "frozen", "stamp": "fresh", **short},
        {"kind": "stamp_jump", "offset_s": rng.choice((-3600.0, -1.0, -0.1, 0.3, 3600.0)), **some},
        {"kind": "stamp_still", **short},
        {"kind": "split", **some},
        {"kind": "contradiction", "value": rng.choice((0.0, 0.4)), **some},
        {
            "kind": "driver_death",
            **short,
            "duration_s": away_s,
            "zeros_s": rng.choice((0.02, 0.1)),
        },
        {"kind": "driver_death", "duration_s": rng.uniform(0.02, 0.3), "zeros_s": 0.1},
        {"kind": "deaf", **short},
    )
    return dict(rng.choice(menu))
