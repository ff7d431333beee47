"""What an operator sees of a robot at a glance: state, reason, who acts, ages, returns, the policy's age."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from robot_mbrl import topics

RETURNS = 40
"""Newest returns that the curve shows."""
BARS = "▁▂▃▄▅▆▇█"
SILENT_S = 2.5
"""A guard that reports once a second is gone after this."""
ACTING = {
    "policy": "the policy",
    "random": "random actions, before there is a policy",
    "late": "the policy's last action: it is late",
    "teleop": "a person",
    "stop": "nobody: the robot is stopped",
}
HOLD = "t takes over by keys; or hold takeover (std_msgs/Bool, 5 Hz) and steer on teleop"
"""What people try for minutes where nobody says it."""


@dataclass
class Seen:
    """What was heard of a robot, as its messages bring it."""

    word: str = ""
    """Of `state`."""
    report: Mapping[str, str] = field(default_factory=dict)
    """The guard's newest, by key."""
    reported_s: float = -math.inf
    """When that came, on steady time."""
    ages_s: Mapping[str, float] = field(default_factory=dict)
    """Of the sources, in the newest observation."""
    observed_s: float = -math.inf
    """When that came."""
    returns: Sequence[float] = ()
    nodes: Mapping[str, tuple[str, Mapping[str, str]]] = field(default_factory=dict)
    """What the other nodes say of themselves and their figures, by name."""
    troubles: Mapping[str, str] = field(default_factory=dict)
    """What the other nodes warn of, by name."""
    said: str = ""
    """What became of the operator's newest act."""


def lines(seen: Seen, now_s: float) -> list[tuple[str, str]]:
    """Labels and texts, in the order in which a person wants them.

    Args:
        seen: what was heard.
        now_s: the present, on steady time.
    """
    report = seen.report
    if now_s - seen.reported_s > SILENT_S:
        ago = "" if seen.reported_s == -math.inf else f" for {now_s - seen.reported_s:.0f} s"
        return [
            ("state", f"its guard is silent{ago}"),
            ("why", "is robot-mbrl robot running, in this domain?"),
            ("you", seen.said),
        ]
    return [
        ("state", seen.word or report.get("state", "")),
        ("why", _why(seen)),
        ("acting", _acting(seen)),
        ("ages", _ages(seen, now_s)),
        ("returns", curve(seen.returns)),
        ("policy", _policy(seen)),
        ("speed", _speed(report)),
        ("you", seen.said),
    ]


def _why(seen: Seen) -> str:
    """Why it stands, if it does; otherwise what the other nodes warn of."""
    detail = seen.report.get("detail", "")
    warned = "; ".join(f"{name}: {text}" for name, text in sorted(seen.troubles.items()))
    moves = seen.word.removesuffix(topics.SHADOW) == "moving"
    return "; ".join(filter(None, [detail, warned])) or ("" if moves else "nothing is amiss")


def _acting(seen: Seen) -> str:
    report = seen.report
    # Where there is a joystick, its node knows which button it is.
    how, _ = seen.nodes.get("teleop", (HOLD, {}))
    who = ACTING.get(report.get("acting", ""), report.get("acting", ""))
    if report.get("takeover") == "held":
        return f"{who}, until takeover is let go"
    return f"{who}; {how}" if report.get("takeover") == "free" else f"{who}; let takeover go first"


def _ages(seen: Seen, now_s: float) -> str:
    if seen.observed_s == -math.inf:
        return "nothing is observed"
    since_s = now_s - seen.observed_s
    ages = [f"observation {since_s:.2f} s", *(f"{name} {age_s + since_s:.2f} s" for name, age_s in seen.ages_s.items())]
    return ", ".join(ages)


def _policy(seen: Seen) -> str:
    told, figures = seen.nodes.get("policy", ("its node is silent", {}))
    age_s = _number(figures.get("version_age_s", ""))
    return told if age_s is None else f"{told}, {age_s:.0f} s old"


def _speed(report: Mapping[str, str]) -> str:
    scale = _number(report.get("speed_scale", ""))
    shadow = "; nothing is sent to the driver (--shadow)" if report.get("shadow") == "True" else ""
    return shadow.removeprefix("; ") if scale is None else f"{scale:.0%} of each joint's speed{shadow}"


def _number(text: str) -> float | None:
    """What a diagnostic's text says, which anybody may have sent; None if that is no number."""
    try:
        return float(text)
    except ValueError:
        return None


def curve(returns: Sequence[float]) -> str:
    """The newest returns as a small curve, with the last and the best in numbers."""
    finite = [value for value in returns if math.isfinite(value)][-RETURNS:]
    if not finite:
        return "no episode has ended yet"
    low, high = min(finite), max(finite)
    span = (high - low) or 1.0
    drawn = "".join(BARS[min(len(BARS) - 1, int((value - low) / span * len(BARS)))] for value in finite)
    return f"{drawn} last {finite[-1]:.1f}, best {high:.1f}"
