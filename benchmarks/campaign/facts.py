"""What has happened in a case, as its judge knows it: from persons, messages and the plant, never from the guard."""

import math
from collections import deque
from typing import Any

from benchmarks.campaign.person import PersonFacts
from benchmarks.campaign.plan import Plan
from benchmarks.campaign.robots import TICK_S
from robot_mbrl.messages import NANOSECONDS, read_stamp
from robot_mbrl.steps import StepKey
from sim.faults import Delivery
from sim.faults.description import (
    CommandDelay,
    DeadTime,
    Delay,
    Fault,
    Noise,
    Overshoot,
    Quantisation,
    ServoLag,
)

SILENCE_S = 1.0
"""After this long without a reading or an observation, a person has to enable the robot again."""
LET_GO_S = 2.0
"""So long nobody says `true` for everybody to have let go of switches that are not repeated."""
MARGIN_S = 3 * TICK_S
"""What the judge adds to a limit of time before he finds fault with somebody."""
LEAP_S = 1.0
"""A stamp farther ahead than this is of another clock."""
PERSUASIVE_S = 0.19
"""A lie that was told for this long, while nothing else was said, cannot be seen through."""
ABOUT_S = 0.5
RECENT_S = 1.5
"""How long a fault may have its consequences after it has gone."""
HISTORY_S = 0.4
"""How far back a measured place may lie."""


class Facts:
    """Everything that a command or a stop may be judged by; times are seconds since the case's beginning.

    Attributes:
        permitted: whether persons let the robot move.
        latched: whether a stop has to be released by a person first.
        pressed: whether the emergency stop is.
        observed_s: when the newest observation came.
        timely_s: when the newest action came that was in time.
        news_s: when a reading last came under a stamp never seen.
        honest_s: when a reading last came that was no lie.
        readings: how many came in a row, none of them missing for long.
        lying_s: since when nothing but lies were told; infinite if the newest reading was honest.
        newest: each joint's newest reading, honest or not, with its time.
        honest: each joint's newest honest reading.
        velocities: largest speed by joint that was read lately, with its time.
        places: where the joints really were lately.
        not_a_number: whether the policy wished for one that is none.
        person: what a person at the robot's side has said.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan, self.robot = plan, plan.robot
        guard = plan.robot.guard
        self.timeout_s, self.deadline_s = guard.command_timeout_s, guard.action_deadline_s
        self._enable_timeout_s = guard.enable_timeout_s
        source = plan.robot.commands[0].source
        self.max_age_s = plan.robot.sources[source].max_age_s or math.inf if source is not None else math.inf
        self.measured = source is not None
        self.permitted = self.latched = self.pressed = self.not_a_number = False
        self.person = PersonFacts()
        self._must_let_go = self._silent = False
        self._on_s, self._heard, self._late_on_s = -math.inf, False, -math.inf
        self.observed_s, self.timely_s = 0.0, -math.inf
        self.key: StepKey | None = None
        self.news_s, self.honest_s, self.lying_s = 0.0, -math.inf, math.inf
        self.readings = 0
        self._stamps: set[tuple[int, tuple[str, ...]]] = set()
        self.newest: dict[str, tuple[float, float]] = {}
        self._stamped: dict[str, int] = {}
        self.honest: dict[str, tuple[float, float]] = {}
        self.speeds: deque[tuple[float, str, float]] = deque()
        self.places: deque[tuple[float, dict[str, float]]] = deque([(0.0, dict(plan.start))])
        self.beyond_s: dict[str, float] = {}
        faults = plan.faults.faults
        self.lag_s = sum(_lag_s(fault) for fault in faults)
        self.error = sum(5 * f.position for f in faults if isinstance(f, Noise))
        self.error += sum(f.step for f in faults if isinstance(f, Quantisation))

    def pass_time(self, now_s: float) -> None:
        """Notice what has not come."""
        self.now_s = now_s
        self.person.pass_time(now_s)
        timeout_s = self._enable_timeout_s
        if timeout_s is not None and self.permitted and now_s - self._on_s > timeout_s + MARGIN_S:
            self.revoke()
        # It counts from the moment that the one or the other is missed.
        silent = self.silent_s(now_s) > self.max_age_s + SILENCE_S + MARGIN_S
        silent |= now_s - self.observed_s > self.timeout_s + SILENCE_S + MARGIN_S
        silent |= self.person.surely_lost_for_s(now_s) > SILENCE_S + 2 * MARGIN_S
        # A person who enables the robot meanwhile, or about when it is disabled, knows what he does.
        if silent and not self._silent and now_s - self._on_s > ABOUT_S:
            self.revoke()
        self._silent = silent

    def lapses(self, now_s: float) -> bool:
        """Whether a dead-man switch was not heard for so long that it may count as let go, or may just have counted."""
        return self._runs_out(now_s) or now_s - self._late_on_s < MARGIN_S

    def _runs_out(self, now_s: float) -> bool:
        return self._enable_timeout_s is not None and now_s - self._on_s > self._enable_timeout_s - MARGIN_S

    def silent_s(self, now_s: float) -> float:
        """How long the driver has said nothing new."""
        return now_s - self.news_s if self.measured else 0.0

    def revoke(self) -> None:
        """A person has to enable the robot anew, and to let go of a dead-man switch for it."""
        self._must_let_go |= self.permitted
        self.permitted = False

    def enable(self, on: bool, now_s: float) -> None:
        """A person's switch; once it was off, it counts again when everybody has let go."""
        if not on:
            self._must_let_go |= self.permitted
            self.permitted = False
        else:
            if not self._must_let_go or (self._has_let_go(now_s) and not self.latched):
                self.permitted, self._must_let_go = not self.latched, False
            if self._runs_out(now_s):
                # Heard in the instant in which it runs out: the guard may have disabled the robot for a moment.
                self._late_on_s = now_s
            self._on_s = now_s
        self._heard = on

    def _has_let_go(self, now_s: float) -> bool:
        if self._enable_timeout_s is None:
            return now_s - self._on_s > LET_GO_S
        return not self._heard and now_s - self._on_s > self._enable_timeout_s

    def emergency(self, pressed: bool) -> None:
        """The emergency stop."""
        self.pressed = pressed
        if pressed:
            self.latch()

    def latch(self) -> None:
        """Somebody, or the guard itself, has latched the stop."""
        self.latched = True
        self.revoke()

    def observe(self, key: StepKey, now_s: float) -> None:
        """An observation."""
        self.key, self.observed_s = key, now_s

    def wish(self, key: StepKey, values: list[float], now_s: float) -> None:
        """An action."""
        self.not_a_number |= not all(map(math.isfinite, values))
        if key == self.key and now_s - self.observed_s <= self.deadline_s:
            self.timely_s = now_s

    def read(self, delivery: Delivery, now_s: float) -> None:
        """A reading, as it arrives."""
        reading: Any = delivery.reading
        stamp = (read_stamp(reading.header.stamp), tuple(reading.name))
        self.readings = self.readings + 1 if now_s - self.news_s <= self.max_age_s else 1
        if stamp not in self._stamps:
            self._stamps.add(stamp)
            self.news_s = now_s
        if delivery.honest:
            self.honest_s, self.lying_s = now_s, math.inf
        else:
            self.lying_s = min(self.lying_s, now_s)
        for index, name in enumerate(reading.name):
            place = reading.position[index]
            if self._tells_news(name, stamp[0], now_s):
                # What is said again under the same stamp is as old as when it was said first.
                told_s = self.newest[name][1] if stamp[0] == self._stamped.get(name) else now_s
                self.newest[name], self._stamped[name] = (place, told_s), stamp[0]
            if delivery.honest:
                self.honest[name] = (place, now_s)
            self.speeds.append((now_s, name, abs(reading.velocity[index])))
            self._compare_with_bounds(name, place, now_s)
        while self.speeds and self.speeds[0][0] < now_s - 1.0:
            self.speeds.popleft()

    def _tells_news(self, name: str, stamp_ns: int, now_s: float) -> bool:
        """Whether a reading is neither repeated among newer ones nor under a stamp of another clock."""
        if name not in self.newest:
            return True
        silent_s = now_s - self.newest[name][1]
        passed_s = (stamp_ns - self._stamped[name]) / NANOSECONDS
        return silent_s > SILENCE_S or 0.0 <= passed_s <= silent_s + LEAP_S

    def move(self, places: dict[str, float], now_s: float) -> None:
        """Where the joints are."""
        self.now_s = now_s
        self.places.append((now_s, places))
        while self.places[0][0] < now_s - HISTORY_S - self.lag_s:
            self.places.popleft()

    def deceived(self, now_s: float) -> bool:
        """Whether nobody could tell the truth."""
        return now_s - self.lying_s > PERSUASIVE_S

    def is_place(self, joint: str, value: float, bounds: tuple[float, float], slack: float, wraps: bool) -> bool:
        """Whether a joint is or just was at this place, as well as its encoder knows."""
        places = [place[joint] for _, place in self.places]
        if wraps:
            return any(abs(math.remainder(value - place, math.tau)) <= slack for place in places)
        low, high = (min(max(x, bounds[0]), bounds[1]) for x in (min(places), max(places)))
        return low - slack <= value <= high + slack

    def suffers(self, kinds: tuple[type[Fault], ...], now_s: float) -> bool:
        """Whether a fault of one of these kinds is there, or was lately, or the guard was held up."""
        return self.stalled(now_s) or any(
            isinstance(fault, kinds) and fault.start_s <= now_s <= self._over_s(fault)
            for fault in self.plan.faults.faults
        )

    def _over_s(self, fault: Fault) -> float:
        """When a fault has no more consequences; a guard held up while it gets over one has to begin again."""
        over_s = _end_s(fault) + RECENT_S + self.lag_s
        begin_s, end_s = self.plan.stalls
        return max(over_s, end_s + RECENT_S + self.lag_s) if fault.start_s <= begin_s <= over_s else over_s

    def untimely_s(self, kinds: tuple[type[Fault], ...], now_s: float) -> float:
        """For how long faults of these kinds have lasted, anybody was missing and the guard was held up."""
        windows = [(f.start_s, _end_s(f)) for f in self.plan.faults.faults if isinstance(f, kinds)]
        windows += [self.plan.blind, self.plan.stalls]
        return sum(max(0.0, min(end_s, now_s) - begin_s) for begin_s, end_s in windows) + self.person.missed_s()

    def stalled(self, now_s: float) -> bool:
        """Whether the guard's process was lately given no time."""
        begin_s, end_s = self.plan.stalls
        return begin_s <= now_s <= end_s + HISTORY_S

    def _compare_with_bounds(self, name: str, place: float, now_s: float) -> None:
        for command in self.robot.commands:
            for joint in command.joints:
                bounds = joint.position_bounds
                if command.kind == "position" and bounds is None and not joint.continuous:
                    bounds = (joint.low, joint.high)
                if joint.name == name and bounds is not None and not bounds[0] <= place <= bounds[1]:
                    self.beyond_s[name] = now_s


def _lag_s(fault: Fault) -> float:
    match fault:
        case ServoLag() | Overshoot():
            return 3.0 * fault.lag_s
        case DeadTime():
            return fault.delay_s
        case CommandDelay() | Delay():
            return fault.delay_s + fault.jitter_s
    return 0.0


def _end_s(fault: Fault) -> float:
    return math.inf if fault.duration_s is None or fault.per_minute else fault.start_s + fault.duration_s
