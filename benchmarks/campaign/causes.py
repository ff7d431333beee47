"""Whether the reason that a guard gives for a stop is one that a person would find when looking at what happened."""

import math

from benchmarks.campaign.facts import MARGIN_S, SILENCE_S, Facts
from sim.faults.description import (
    Blocked,
    Burst,
    CommandDelay,
    Contradiction,
    DeadTime,
    Deaf,
    Delay,
    DriverDeath,
    DropOut,
    Fault,
    FrozenReading,
    ImpossibleReading,
    MovedByHand,
    Overshoot,
    Reordered,
    ServoLag,
    Slipping,
    StampJump,
    StampStill,
    Wrapping,
)

AGREED_S = 0.3
"""How long readings may have to agree at the beginning."""
FEW = 8
"""Readings that may have to agree before joints are believed, some of them lost."""
LASTING_S = 0.8
"""How long faults must have lasted in all for a second without readings or observations to come of them."""
UNTIMELY: tuple[type[Fault], ...] = (
    Burst,
    Delay,
    DropOut,
    DriverDeath,
    FrozenReading,
    Reordered,
    StampJump,
    StampStill,
)
"""Faults for which readings do not come when they should, or cannot be told from those that did not."""
UNTRUE: tuple[type[Fault], ...] = (Contradiction, FrozenReading, ImpossibleReading, Wrapping)
"""Faults for which what a driver says of a joint is not where it is."""
DISOBEDIENT: tuple[type[Fault], ...] = (
    *(Blocked, CommandDelay, Deaf, DeadTime, DriverDeath, MovedByHand, Overshoot, ServoLag, Slipping),
)
"""Faults for which a joint does not move as it is told."""


def has_cause(reason: str, facts: Facts, sent: dict[str, float], now_s: float) -> bool:
    """Whether there is a cause for a stop of this reason.

    Args:
        reason: as the guard reports it.
        facts: what has happened.
        sent: the newest commands, by joint.
        now_s: the present.
    """
    match reason:
        case "starting":
            return now_s < MARGIN_S
        case "disabled":
            # A guard that is held up does not hear that a switch is held.
            taken_back = not facts.permitted or facts.lapses(now_s) or facts.stalled(now_s)
            # One may be missed after another, without a moment in between in which all were there.
            missed = facts.suffers(UNTIMELY, now_s) or facts.person.is_lost(now_s)
            lasting = missed and facts.untimely_s(UNTIMELY, now_s) > LASTING_S
            lasting = lasting or _silent_s(facts, now_s) > SILENCE_S - MARGIN_S
            lasting = lasting or facts.person.lost_for_s(now_s) > SILENCE_S - 2 * MARGIN_S
            # A second after stamps were shifted, or ceased to be, they count as those of another clock.
            return taken_back or lasting or facts.suffers((Delay, StampJump), now_s) or _out_of_range(facts)
        case "resetting":
            return now_s - facts.observed_s >= facts.timeout_s - MARGIN_S
        case "no_action":
            return now_s - facts.timely_s >= facts.timeout_s - MARGIN_S or facts.stalled(now_s)
        case "no_observation":
            return now_s - facts.observed_s >= facts.timeout_s - MARGIN_S or facts.stalled(now_s)
        case "stale_joints":
            return facts.silent_s(now_s) >= facts.max_age_s - MARGIN_S or facts.suffers(UNTIMELY, now_s)
        case "joints_disagree":
            return facts.readings < FEW or now_s < AGREED_S or facts.suffers(UNTRUE + UNTIMELY, now_s)
        case "not_finite":
            return facts.not_a_number
        case "joint_limit":
            return any(now_s - at_s < MARGIN_S for at_s in facts.beyond_s.values())
        case "following_error":
            return _apart(facts, sent) or facts.suffers(DISOBEDIENT + UNTRUE, now_s)
        case "takeover_lost":
            return facts.person.is_lost(now_s) or facts.stalled(now_s)
        case "emergency_stop":
            return facts.pressed or facts.latched
    # Nothing else happens in a case.
    return False


def _silent_s(facts: Facts, now_s: float) -> float:
    return max(facts.silent_s(now_s), now_s - facts.observed_s)


def _out_of_range(facts: Facts) -> bool:
    """Whether a joint was read where no position command leads."""
    return any(
        command.kind == "position" and not joint.low <= facts.newest[joint.name][0] <= joint.high
        for command in facts.robot.commands
        for joint in command.joints
        if joint.name in facts.newest
    )


def _apart(facts: Facts, sent: dict[str, float]) -> bool:
    """Whether a joint was read elsewhere than its position command."""
    for command in facts.robot.commands:
        for joint in command.joints:
            if command.kind == "position" and joint.name in sent and joint.name in facts.newest:
                away = facts.newest[joint.name][0] - sent[joint.name]
                away = math.remainder(away, math.tau) if joint.continuous else away
                if abs(away) > (joint.max_following_error or 0.0) - MARGIN_S * joint.max_rate:
                    return True
    return False
