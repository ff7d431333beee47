"""A person who takes over from the policy and turns the speed down: what he does, and what a judge knows of it."""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.campaign.robots import TICK_S

SILENT_S = 0.3
"""Switch and stick that were not heard for so long are not there."""
LET_GO_S = 2.0
"""After so long a silence a switch counts as let go."""
EDGE_S = 1.0
"""For so long after a person has taken over, the action goes over all of its range in no less."""
RANGE = 2.0
ROUNDING_S = 1e-6
SENT_EVERY_S = 0.06
"""How often a person's node sends."""
SHARE = 0.35
"""Of the cases with a person."""
MARGIN_S = 3 * TICK_S
NOTHING_ELSE_S = 1.2
"""How long the robot may take to do again what its policy wants, after a person."""
READY_S = 0.15
"""After so long with switch and stick as they must be, a person drives."""
MOST_HOLDS, MOST_SLIPS, MOST_SCALES = 2, 2, 2
SLIPS = ("nan", "infinite", "other names", "empty", "silent stick", "silent switch", "silent both")
"""What goes wrong at the person's side."""


@dataclass(frozen=True)
class Slip:
    """Something that goes wrong at the person's side, for a while."""

    kind: str
    begin_s: float
    end_s: float

    def goes_on(self, now_s: float) -> bool:
        """Whether it does now."""
        return self.begin_s <= now_s < self.end_s


@dataclass(frozen=True)
class Person:
    """What a person does in a case.

    Attributes:
        holds: when the switch is held, from and to.
        says_no: whether the switch says so while it is not held, or nothing.
        stick: how the stick moves: full, jumping or gentle.
        slips: what goes wrong.
        scales: when the speed is turned to which share, as (seconds, share).
    """

    holds: tuple[tuple[float, float], ...] = ()
    says_no: bool = True
    stick: str = "full"
    slips: tuple[Slip, ...] = ()
    scales: tuple[tuple[float, float], ...] = ()

    def __str__(self) -> str:
        """In a few lines; empty for nobody."""
        words = [f"  switch held: {begin_s:.2f} to {end_s:.2f} s, stick {self.stick}" for begin_s, end_s in self.holds]
        words += [f"  person: {slip.kind} {slip.begin_s:.2f} to {slip.end_s:.2f} s" for slip in self.slips]
        words += [f"  {at_s:.2f} s: speed scale {scale:.2f}" for at_s, scale in self.scales]
        return "\n".join(words)

    def slip(self, now_s: float) -> str:
        """What goes wrong now; empty if nothing does."""
        return next((slip.kind for slip in self.slips if slip.goes_on(now_s)), "")

    def switch(self, now_s: float) -> bool | None:
        """What the switch says; None for nothing."""
        if self.slip(now_s) in ("silent switch", "silent both"):
            return None
        if any(begin_s <= now_s < end_s for begin_s, end_s in self.holds):
            return True
        return False if self.says_no else None

    def steer(self, names: Sequence[str], now_s: float, rng: random.Random) -> Mapping[str, float] | None:
        """What the stick says; None for nothing.

        Args:
            names: of the action's values.
            now_s: the present.
            rng: of the case.
        """
        if not self.holds:
            return None
        match self.slip(now_s):
            case "silent stick" | "silent both":
                return None
            case "empty":
                return {}
            case "other names":
                return {"nobody": 1.0}
            case "nan":
                return dict.fromkeys(names, math.nan)
            case "infinite":
                return dict.fromkeys(names, -math.inf)
        match self.stick:
            case "full":
                return dict.fromkeys(names, 1.0)
            case "beyond":
                return dict.fromkeys(names, -30.0)
            case "jumping":
                return {name: rng.choice((-1.0, 1.0)) for name in names}
        return {name: 0.6 * math.sin(3.0 * now_s) for name in names}


def draw_person(rng: random.Random, duration_s: float) -> Person:
    """A person, or nobody; most of them do not do all that they should.

    Args:
        rng: theirs alone.
        duration_s: of the case.
    """
    if rng.random() >= SHARE:
        return Person()
    holds = []
    for _ in range(rng.randint(0, MOST_HOLDS)):
        begin_s = rng.uniform(0.5, duration_s)
        holds.append((begin_s, begin_s + rng.choice((0.1, 0.5, 2.0)) * rng.uniform(0.5, 1.0)))
    slips = []
    for _ in range(rng.randint(0, MOST_SLIPS)):
        begin_s = rng.uniform(0.3, duration_s)
        slips.append(Slip(rng.choice(SLIPS), begin_s, begin_s + rng.choice((0.06, 0.25, 0.5, 1.0))))
    scales = [(rng.uniform(0.2, duration_s), rng.uniform(0.05, 1.0)) for _ in range(rng.randint(0, MOST_SCALES))]
    return Person(
        holds=tuple(sorted(holds)),
        says_no=rng.random() < 0.7,
        stick=rng.choice(("full", "beyond", "jumping", "gentle")),
        slips=tuple(slips),
        scales=tuple(sorted(scales)),
    )


class PersonFacts:
    """What a judge knows of the person at the robot's side, from what was said alone.

    Attributes:
        scale: share of the speed that the person leaves.
    """

    def __init__(self) -> None:
        self.scale = 1.0
        self._scales: list[tuple[float, float]] = []
        self._pressed = False
        self._pressed_s = self._switch_s = self._stick_s = self._listened_s = self._good_s = self._bad_s = -math.inf
        self._wanted_s = -math.inf
        self._ready_s = math.inf
        self._troubled, self._troubled_s = False, -math.inf
        self._lost: list[tuple[float, float]] = []
        self._surely_s = math.inf

    def press(self, on: bool, now_s: float) -> None:
        """The switch is heard."""
        self.pass_time(now_s)
        if on and not self._pressed:
            self._pressed_s = now_s
            # Who presses the switch first has time to reach for the stick.
            self._listened_s = self._stick_s if now_s - self._stick_s <= SILENT_S + ROUNDING_S else now_s
        self._pressed, self._switch_s = on, now_s
        self.pass_time(now_s)

    def steer(self, values: Mapping[str, float], names: Sequence[str], now_s: float) -> None:
        """The stick is heard."""
        self.pass_time(now_s)
        self._stick_s = self._listened_s = now_s
        if set(values) == set(names) and all(map(math.isfinite, values.values())):
            self._good_s = now_s
        else:
            self._bad_s = now_s
        self.pass_time(now_s)

    def pass_time(self, now_s: float) -> None:
        """Notice what has not come."""
        if now_s - self._switch_s > LET_GO_S:
            self._pressed = False
        if not self._pressed:
            self._troubled, self._ready_s, self._surely_s = False, math.inf, math.inf
            return
        self._wanted_s = now_s
        late_s = now_s - min(self._switch_s, self._listened_s)
        if not self._troubled and (late_s > SILENT_S - MARGIN_S or self._bad_s >= self._pressed_s):
            self._troubled = True
            self._lost.append((now_s, now_s))
        surely_late_s = now_s - min(self._switch_s, max(self._stick_s, self._pressed_s))
        if surely_late_s > SILENT_S + MARGIN_S or self._bad_s >= self._pressed_s:
            self._surely_s = min(self._surely_s, now_s)
        if self._troubled:
            self._troubled_s, self._ready_s = now_s, math.inf
            self._lost[-1] = (self._lost[-1][0], now_s)
        elif self._good_s >= self._pressed_s:
            self._ready_s = min(self._ready_s, now_s)

    def turn(self, scale: float, now_s: float) -> None:
        """The speed was turned down, or up."""
        self._scales.append((now_s, self.scale))
        self.scale = scale

    def ceiling(self, most: float, brake: float, now_s: float, *, slack_s: float = 0.0) -> float:
        """The greatest speed that is left of `most`, for what slows down by `brake` in a second when it is turned."""
        passed = ((before, max(0.0, now_s - at_s - MARGIN_S - slack_s)) for at_s, before in self._scales)
        return max(self.scale * most, *(before * most - brake * s if s else before * most for before, s in passed), 0.0)

    def hindrance(self, now_s: float) -> str:
        """Why an action cannot be this person's; empty if it can."""
        if not self._pressed:
            return "the switch was let go"
        if now_s - self._switch_s > SILENT_S + MARGIN_S:
            return f"the switch was not heard for {now_s - self._switch_s:.2f} s"
        if now_s - self._stick_s > SILENT_S + MARGIN_S:
            return f"the stick was not heard for {now_s - self._stick_s:.2f} s"
        return "the stick says nothing that can be meant" if self._bad_s > self._good_s else ""

    def must_drive(self, now_s: float) -> bool:
        """Whether all has long been as it must be for a person to drive."""
        return now_s - self._ready_s > READY_S

    def wants(self, now_s: float) -> bool:
        """Whether a person wants to drive, or has until lately."""
        return now_s - self._wanted_s < NOTHING_ELSE_S

    def is_lost(self, now_s: float) -> bool:
        """Whether a person wants to drive and may have been missed since the switch was pressed."""
        return now_s - self._troubled_s < MARGIN_S

    def lost_for_s(self, now_s: float) -> float:
        """How long a person may have been missed who has not let go."""
        return now_s - self._lost[-1][0] if self._troubled else 0.0

    def surely_lost_for_s(self, now_s: float) -> float:
        """How long he was, however times are rounded."""
        return max(0.0, now_s - self._surely_s)

    def missed_s(self) -> float:
        """For how long in all a person has been missed."""
        return sum(end_s - begin_s for begin_s, end_s in self._lost)
