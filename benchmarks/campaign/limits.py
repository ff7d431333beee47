"""Judges the commands of one joint: its limits, and what a stop may still do."""

import math
from collections import deque
from itertools import pairwise
from typing import Protocol

from benchmarks.campaign.facts import MARGIN_S, Facts
from benchmarks.campaign.robots import TICK_S
from robot_mbrl.joint_config import CommandJoint
from sim.faults.description import (
    Blocked,
    CommandDelay,
    DeadTime,
    Deaf,
    MovedByHand,
    Noise,
    Overshoot,
    Quantisation,
    ServoLag,
    Slipping,
)

ROUNDING = 1e-7
NOISE_SHARE = 0.1
"""Share of a following error by which noise may show a joint beyond its range."""
INSTANT_S = 1e-9
"""Times nearer than this are the same."""
ALMOST = 0.999
"""Share of what a brake can do that rounding leaves of it."""
SURE = 0.8
"""Share of what a brake can do that it does for sure."""
RESTING = 1e-3
"""A path that is slower than this rests, rad/s or m/s."""
REVERSAL = 0.01
"""How far a stop may go back, rad or m."""
SLACK = 0.02
"""How far from where a joint really is a command may begin, beside its encoder's error, rad or m."""
LONG_GAP_S = 3 * TICK_S
"""After so long without commands a robot rests at the newest one."""
NOTICE_S = 0.6
"""How long a joint may go on against what is commanded before that must have been noticed."""
OF_BODIES = (*(Blocked, CommandDelay, Deaf, DeadTime, MovedByHand, Noise, Overshoot, Quantisation, ServoLag, Slipping),)
"""Faults for which the newest reading is where a joint is, for all that anybody knows."""
COMPARED_S = 0.75
"""Over how long commanded and measured motion are compared."""


class JointJudge(Protocol):
    """Judges one joint's commands in their order.

    Attributes:
        name: the joint's.
        sent: the newest command.
    """

    name: str
    sent: float | None

    def judge(self, value: float, now_s: float, *, stopped: bool, released: bool = False) -> str:
        """What is wrong with a command; empty if nothing is.

        Args:
            value: what is commanded.
            now_s: when.
            stopped: whether the robot is stopped.
            released: whether the joint is let go by its gains.
        """

    def judge_silence(self, now_s: float) -> str:
        """What is wrong with sending nothing now, in a stop."""

    def judge_place(self, place: float, now_s: float) -> str:
        """What is wrong with where the joint is."""

    def is_idle_against(self, wish: float) -> bool:
        """Whether it stands still elsewhere than where a normalised action wants it."""


class PositionJudge:
    """Judges positions: a path of bounded rate and acceleration that begins where the joint is."""

    def __init__(self, joint: CommandJoint, kind: str, facts: Facts) -> None:
        self.name, self.sent = joint.name, None
        self._joint, self._facts = joint, facts
        self._bounds = joint.position_bounds or (joint.low, joint.high)
        self._accel = joint.max_acceleration or math.inf
        self._sent_s = -math.inf
        self._slope = self._slope_before = self._interval_s = 0.0
        self._stopped, self._released, self._beyond = True, False, False
        self._apart_s = 0.0
        self._trusted = _is_trusted(facts)
        self._measured_well = all(isinstance(fault, OF_BODIES) for fault in facts.plan.faults.faults)
        self._anchor(0.0, 0.0)

    sent: float | None

    def judge(self, value: float, now_s: float, *, stopped: bool, released: bool = False) -> str:
        """Bounds, rate, acceleration, what a stop may do, where a path may begin, and whether the joint follows."""
        begins = self._released and not released
        text = self._judge(value, now_s, stopped=stopped, begins=begins)
        self._sent_s, self._stopped, self._released = now_s, stopped, released
        self.sent = value
        return text and f"{self.name}: {text}"

    def judge_silence(self, now_s: float) -> str:
        """Nothing: the drive holds the newest position."""
        return ""

    def judge_place(self, place: float, now_s: float) -> str:
        """Nothing: positions are bounded by their commands."""
        return ""

    def is_idle_against(self, wish: float) -> bool:
        """Whether the path rests elsewhere than at the target."""
        joint = self._joint
        target = joint.low + (min(max(wish, -1.0), 1.0) + 1.0) / 2.0 * (joint.high - joint.low)
        return (
            self.sent is not None and self._slope == 0.0 and abs(self.sent - target) > 0.05 * (joint.high - joint.low)
        )

    def _judge(self, value: float, now_s: float, *, stopped: bool, begins: bool) -> str:
        if not math.isfinite(value):
            return f"{value} is not finite"
        # A joint that noise shows a little beyond begins there.
        noise = self._joint.tolerance or NOISE_SHARE * (self._joint.max_following_error or 0.0)
        if not self._bounds[0] - noise - ROUNDING <= value <= self._bounds[1] + noise + ROUNDING:
            return f"{value:.4f} is not within {self._bounds}"
        if self.sent is None or begins:
            # What was let go may be anywhere, and is taken on from there.
            self._slope = self._slope_before = self._interval_s = 0.0
            self._anchor(value, 0.0)
            # As little as noise may show it beyond its range, one that was let go may really be.
            return self._judge_beginning(value, now_s, beyond=noise if begins else 0.0)
        elapsed_s = now_s - self._sent_s
        change = value - self.sent
        # Over one interval a joint that turns makes no way either.
        gap = self._is_gap(change, elapsed_s)
        at_rest = gap or max(abs(self._slope), abs(self._slope_before)) < RESTING
        if gap or abs(self._slope) < ROUNDING:
            self._slope, self._interval_s = 0.0, 0.0
        # After a stop at rest a trajectory may begin anew where the joint is measured then.
        if self._stopped and at_rest and abs(change) > ROUNDING and (stopped or self._judge_change(change, elapsed_s)):
            self._slope = self._interval_s = 0.0
            self._anchor(value, 0.0)
            return self._judge_beginning(value, now_s)
        if elapsed_s <= INSTANT_S:
            return "" if abs(change) <= ROUNDING else "two commands at one time"
        text = self._judge_change(change, elapsed_s)
        if stopped and not self._stopped:
            self._anchor(self.sent, self._slope)
        if stopped:
            self._apart_s, self._beyond = now_s, False
            text = text or self._judge_stop(value, elapsed_s)
        elif not text and self._trusted:
            text = self._judge_following(value, now_s) or self._judge_offset(change, elapsed_s)
        self._slope_before = self._slope
        self._slope, self._interval_s = change / elapsed_s, elapsed_s
        return text

    def _is_gap(self, change: float, elapsed_s: float) -> bool:
        """Whether the robot rests after this long; where rounding decides it, whichever explains the change."""
        if abs(elapsed_s - LONG_GAP_S) < ROUNDING:
            return bool(self._judge_change(change, elapsed_s))
        return elapsed_s > LONG_GAP_S

    def _judge_change(self, change: float, elapsed_s: float) -> str:
        gap = elapsed_s > LONG_GAP_S + ROUNDING
        slope, interval_s = (0.0, 0.0) if gap else (self._slope, self._interval_s)
        if abs(change) > (most := self._fastest(elapsed_s)) * elapsed_s + ROUNDING:
            return f"changes by {change:.4f} within {elapsed_s:.3f} s, faster than {most:.3f}"
        allowed = self._accel * (elapsed_s + interval_s) / 2.0
        if abs(change / elapsed_s - slope) > allowed * (1.0 + 1e-6) + ROUNDING / elapsed_s:
            return f"accelerates by {abs(change / elapsed_s - slope) / ((elapsed_s + interval_s) / 2):.1f}"
        return ""

    def _fastest(self, elapsed_s: float) -> float:
        """The joint's greatest speed, as far as a person leaves it that."""
        jerk = self._joint.max_jerk
        # What is limited in jerk begins to brake with a delay.
        slack_s = elapsed_s + (2.0 * self._accel / jerk if jerk is not None else 0.0)
        person = self._facts.person
        return person.ceiling(self._joint.max_rate, SURE * self._accel, self._facts.now_s, slack_s=slack_s)

    def _anchor(self, place: float, slope: float) -> None:
        """Note where a stop begins, and how fast it was then."""
        self._from, self._speed, self._sign = place, abs(slope), math.copysign(1.0, slope)
        self._furthest = 0.0

    def _judge_stop(self, value: float, elapsed_s: float) -> str:
        """It brakes, and goes neither on nor back."""
        # Its speed at the end of an interval may be above that interval's mean.
        speed = self._speed + self._accel * elapsed_s if self._speed else 0.0
        way = speed * speed / (2.0 * self._accel) + speed * max(elapsed_s, TICK_S)
        if self._joint.max_jerk is not None:
            # It may have been accelerating, which has to end first; then it takes as long to brake in full.
            turned_s = self._accel / self._joint.max_jerk
            peak = speed + self._accel * turned_s / 2.0 if speed else 0.0
            way = peak * peak / (2.0 * self._accel) + 1.5 * peak * turned_s + speed * max(elapsed_s, TICK_S)
        gone = self._sign * (value - self._from)
        self._furthest = max(self._furthest, gone)
        if gone > way + REVERSAL:
            return f"goes on by {gone:.3f} in a stop that brakes within {way:.3f}"
        if self._furthest - gone > REVERSAL:
            return f"goes back by {self._furthest - gone:.3f} in a stop"
        return ""

    def _judge_offset(self, change: float, elapsed_s: float) -> str:
        """What is farther from the joint than its target may be does not speed up away from it, and soon brakes."""
        offset, was_beyond = self._joint.max_offset, self._beyond
        self._beyond = False
        if offset is None or self.sent is None or not self._measured_well or self.name not in self._facts.newest:
            return ""
        away = self.sent - self._facts.newest[self.name][0]
        if abs(away) <= offset + ROUNDING:
            return ""
        self._beyond = True
        sign = math.copysign(1.0, away)
        # In the first interval it may have to end what it had begun.
        allowed = self._braked(max(0.0, sign * self._slope), elapsed_s) if was_beyond else max(0.0, sign * self._slope)
        if sign * change / elapsed_s <= allowed + ROUNDING / elapsed_s:
            return ""
        return f"is {abs(away):.3f} from the joint, and goes on away from it though {offset} is allowed"

    def _braked(self, slope: float, elapsed_s: float) -> float:
        """Mean rate over an interval of braking, perhaps to rest, that follows on one of that mean rate."""
        brake = ALMOST * self._accel
        speed = max(0.0, slope - brake * self._interval_s / 2.0)
        return speed - brake * elapsed_s / 2.0 if speed >= brake * elapsed_s else speed**2 / (2.0 * brake * elapsed_s)

    def _judge_beginning(self, value: float, now_s: float, beyond: float = 0.0) -> str:
        """A path begins where the joint is, whatever lies are told."""
        facts = self._facts
        if facts.deceived(now_s):
            return ""
        slack = SLACK + facts.error
        bounds = (self._bounds[0] - beyond, self._bounds[1] + beyond)
        if facts.is_place(self.name, value, bounds, slack, self._joint.continuous):
            return ""
        place = facts.places[-1][1][self.name]
        return f"begins at {value:.3f} though the joint is at {place:.3f}"

    def _judge_following(self, value: float, now_s: float) -> str:
        """A joint that is elsewhere than its command must have been noticed after a while."""
        away = value - self._facts.newest.get(self.name, (value, 0.0))[0]
        if self._joint.continuous:
            away = math.remainder(away, math.tau)
        if abs(away) <= (self._joint.max_following_error or math.inf) + SLACK:
            self._apart_s = now_s
        elif now_s - self._apart_s > NOTICE_S:
            return f"is commanded {abs(away):.3f} away from where it is measured"
        return ""


class RateJudge:
    """Judges velocities, efforts and twists: bounded, at a bounded rate, towards nothing in a stop."""

    def __init__(self, joint: CommandJoint, kind: str, facts: Facts) -> None:
        self.name, self.sent = joint.name, None
        self._joint, self._kind, self._facts = joint, kind, facts
        self._sent_s = -math.inf
        self._stopped = True
        self._ramp = self._braked_s = 0.0
        self._resumed_s = 0.0
        self._led = 0.0
        self._ways: deque[tuple[float, float, float]] = deque()
        self._apart_s = 0.0
        self._trusted = kind == "velocity" and _is_trusted(facts)
        guard = facts.robot.guard
        self._damping = guard.damping if kind == "effort" and guard.safe_stop == "damping" else 0.0
        self._most = max(abs(joint.low), abs(joint.high))

    sent: float | None

    def judge(self, value: float, now_s: float, *, stopped: bool, released: bool = False) -> str:
        """Bounds, rate, what a stop may do, and whether the joint follows."""
        text = self._judge(value, now_s, stopped=stopped)
        self.sent, self._sent_s, self._stopped = value, now_s, stopped
        return text and f"{self.name}: {text}"

    def judge_silence(self, now_s: float) -> str:
        """A drive that is told nothing goes on with what it was told last."""
        if self.sent and now_s - self._sent_s > LONG_GAP_S + MARGIN_S:
            return f"{self.name}: is left at {self.sent:.3f} in a stop"
        return ""

    def judge_place(self, place: float, now_s: float) -> str:
        """A joint that is driven by velocities stays about within its bounds, unless somebody pushes it."""
        bounds, faults = self._joint.position_bounds, self._facts.plan.faults.faults
        if self._kind != "velocity" or bounds is None or any(f.kind in ("moved_by_hand", "deaf") for f in faults):
            return ""
        troubled = any(fault.kind not in ("noise", "quantisation", "split", "servo_lag") for fault in faults)
        blind_s = self._facts.max_age_s + NOTICE_S if troubled else MARGIN_S
        stalled = self._facts.plan.stalls[1] - self._facts.plan.stalls[0] if self._facts.plan.stalls[0] < now_s else 0.0
        braking = min(self._joint.braking or math.inf, self._joint.max_rate)
        beyond = self._most * (blind_s + stalled + self._facts.lag_s) + self._most**2 / (2 * braking)
        beyond = beyond if troubled or stalled else self._joint.tolerance + self._most * (self._facts.lag_s + MARGIN_S)
        if bounds[0] - beyond <= place <= bounds[1] + beyond:
            return ""
        return f"{self.name}: was driven to {place:.3f}, beyond {bounds}"

    def is_idle_against(self, wish: float) -> bool:
        """Whether it is commanded something else than what is wished, and stays there."""
        joint = self._joint
        target = joint.low + (min(max(wish, -1.0), 1.0) + 1.0) / 2.0 * (joint.high - joint.low)
        scale = self._facts.person.scale
        target = min(max(target, scale * joint.low), scale * joint.high)
        return self.sent is not None and abs(self.sent - target) > 0.05 * (joint.high - joint.low)

    def _judge(self, value: float, now_s: float, *, stopped: bool) -> str:
        joint = self._joint
        if not math.isfinite(value):
            return f"{value} is not finite"
        if not joint.low - ROUNDING <= value <= joint.high + ROUNDING:
            return f"{value:.4f} is not within [{joint.low}, {joint.high}]"
        before = self.sent or 0.0
        elapsed_s = now_s - self._sent_s if self._sent_s > -math.inf else TICK_S
        rate = max(joint.max_rate, joint.stop_rate or 0.0) if stopped else joint.max_rate
        if abs(value - before) > rate * elapsed_s + ROUNDING:
            return f"changes by {value - before:.4f} within {elapsed_s:.3f} s, faster than {rate}"
        if stopped and not self._stopped:
            self._ramp, self._braked_s = abs(before), 0.0
        if self._stopped:
            self._resumed_s = now_s
        if not stopped and (text := self._judge_scale(value, now_s)):
            return text
        if stopped:
            self._apart_s = now_s
            self._ways.clear()
            # A guard that was not asked for long commands what one period allows.
            self._braked_s += elapsed_s if elapsed_s <= LONG_GAP_S else TICK_S
            return self._judge_stop(value, before)
        return self._judge_following(before, elapsed_s, now_s)

    def _judge_scale(self, value: float, now_s: float) -> str:
        """Commands are within the share of their bounds that a person leaves, once they have had time to get there."""
        bound = self._joint.high if value > 0.0 else -self._joint.low
        brake = SURE * self._joint.max_rate
        left = self._facts.person.ceiling(bound, brake, now_s)
        # A stop that damps may have left more than that.
        left = max(left, bound - brake * max(0.0, now_s - self._resumed_s - MARGIN_S))
        if abs(value) <= left + ROUNDING:
            return ""
        return f"{value:.3f} though {self._facts.person.scale:.2f} of its speed is left"

    def _judge_stop(self, value: float, before: float) -> str:
        speeds = (v for at_s, name, v in self._facts.speeds if name == self.name)
        pushed = self._damping * max(speeds, default=0.0) + ROUNDING
        if abs(value) > max(abs(before), pushed) + ROUNDING:
            return f"rises from {before:.3f} to {value:.3f} in a stop"
        ramp = self._ramp - self._joint.max_rate * max(0.0, self._braked_s - 2 * TICK_S)
        if abs(value) > max(0.0, ramp, pushed) + ROUNDING:
            return f"is still commanded {value:.3f} after {self._braked_s:.2f} s of a stop"
        return ""

    def _judge_following(self, before: float, elapsed_s: float, now_s: float) -> str:
        """Commanded and measured motion may not differ for long; efforts lead anywhere."""
        self._led += before * min(elapsed_s, LONG_GAP_S)
        if not self._trusted or self.name not in self._facts.newest:
            return ""
        self._ways.append((now_s, self._led, self._facts.newest[self.name][0]))
        while self._ways[0][0] < now_s - COMPARED_S:
            self._ways.popleft()
        # Half of the way a joint is measured to make may be otherwise than commanded, as where it is pushed.
        places = [measured for _, _, measured in self._ways]
        forgiven = 0.5 * sum(abs(b - a) for a, b in pairwise(places))
        begin_s, led, place = self._ways[0]
        apart = abs((self._led - led) - (self._ways[-1][2] - place))
        allowed = self._joint.max_following_error or 0.25 * self._most
        allowed += SLACK + forgiven + self._facts.error + self._facts.lag_s * (self._joint.high - self._joint.low)
        if apart <= allowed:
            self._apart_s = now_s
        elif now_s - self._apart_s > NOTICE_S:
            return f"is commanded by {apart:.3f} otherwise than it is measured to move within {COMPARED_S} s"
        return ""


def _is_trusted(facts: Facts) -> bool:
    """Whether the newest reading is what a guard may go by; not where two publishers contradict one another."""
    return not any(fault.kind == "contradiction" for fault in facts.plan.faults.faults)
