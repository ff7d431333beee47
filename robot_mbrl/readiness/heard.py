"""What was heard of one sensor topic, and what follows from it: who sends it, how often, how old, by which clock."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

from robot_mbrl import topics
from robot_mbrl.config import RobotConfig
from robot_mbrl.readiness.finding import Finding, amber, green, red

RATE_SHARE = 0.9
"""Share of the control rate that readings must come at, so that each observation has one of its own."""
APART_S = 0.1
"""Stamps further behind their arrival than any transport takes are of a clock that is set otherwise."""
AHEAD_S = 0.02
"""What is stamped later than it arrives by more than this was stamped by a clock that is ahead."""
SYNCHRONISE = "synchronise the clocks of both computers (chrony or PTP)"


@dataclass
class Heard:
    """What a listener has noted of a source's topic.

    Times are seconds; arrivals are on a steady clock, delays on this computer's clock of the day.
    """

    publishers: tuple[str, ...] = ()
    """Who publishes it: nodes, with their computer or process."""
    mismatches: tuple[str, ...] = ()
    """Whose type or quality of service does not reach readers that ask as the YAML does, each with its remedy."""
    alike: tuple[str, ...] = ()
    """Other topics of the same type that somebody publishes."""
    contradictions: str = ""
    """Which joints more than one publisher reports; empty if none."""
    joints: set[str] = field(default_factory=set)
    """Every joint that was named, of a JointState."""
    arrivals_s: list[float] = field(default_factory=list)
    delays_s: list[float] = field(default_factory=list)
    """From stamp to arrival, of each message that has a stamp."""
    sent_s: list[float] = field(default_factory=list)
    """From being sent, by its sender's clock, to arrival."""
    refused: int = 0
    refusal: str = ""
    """Why the last message that was refused was; empty if none."""


def judge_source(name: str, robot: RobotConfig, heard: Heard, now_s: float, listened_s: float) -> Iterator[Finding]:
    """Findings about one source.

    Args:
        name: the source's.
        robot: whose source it is.
        heard: what was noted.
        now_s: the present, on the arrivals' clock.
        listened_s: for how long was listened.
    """
    source, of = robot.sources[name], f"sources.{name}"
    if not heard.publishers:
        other = f"{source.type} comes on {', '.join(heard.alike)}" if heard.alike else f"nobody publishes {source.type}"
        yield red(
            f"{of}.publisher",
            f"nobody publishes {source.topic}; {other}",
            f"start the driver, or correct {of}.topic in the robot's YAML",
        )
        return
    yield _publishers(of, source.topic, heard)
    if heard.mismatches:
        yield red(f"{of}.qos", "; ".join(heard.mismatches), "as said there, in the robot's YAML or in the driver")
        return
    asked = "reliable" if source.reliable or source.latched else "best effort"
    yield green(f"{of}.qos", f"{source.type}, {asked}, {'latched' if source.latched else 'volatile'}")
    if not heard.arrivals_s:
        found = f"nothing came on {source.topic} for {listened_s:.1f} s, although it is published"
        remedy = "see whether the driver is connected to its robot"
        yield red(f"{of}.rate", found, remedy)
        return
    if source.type == topics.JOINT_STATE:
        yield _names(name, of, robot, heard)
    if not source.latched:
        yield _rate(name, of, robot, heard, now_s)
    yield _readings(of, heard)
    if not source.latched and heard.delays_s and source.stamped:
        yield _clock(of, heard)


def _publishers(of: str, topic: str, heard: Heard) -> Finding:
    if heard.contradictions:
        remedy = "end one of them: the guard does not move a robot whose joints two publishers report"
        return red(f"{of}.publisher", heard.contradictions, remedy)
    told = f"{topic}: {', '.join(heard.publishers)}"
    if len(heard.publishers) > 1 and not heard.joints:
        return amber(f"{of}.publisher", f"{len(heard.publishers)} publishers of {told}", "end all but one")
    return green(f"{of}.publisher", told)


def _names(name: str, of: str, robot: RobotConfig, heard: Heard) -> Finding:
    wanted = wanted_joints(robot, name)
    there = ", ".join(sorted(heard.joints)) or "none"
    if missing := sorted(wanted - heard.joints):
        remedy = "correct the names in the robot's YAML, or start the driver of these joints"
        return red(f"{of}.joints", f"not reported: {', '.join(missing)}; reported: {there}", remedy)
    return green(f"{of}.joints", there)


def _rate(name: str, of: str, robot: RobotConfig, heard: Heard, now_s: float) -> Finding:
    arrivals_s, limit_s = heard.arrivals_s, robot.sources[name].max_age_s or float("inf")
    gaps_s = [later - earlier for earlier, later in pairwise(arrivals_s)]
    longest_s = max([*gaps_s, now_s - arrivals_s[-1]])
    rate_hz = len(gaps_s) / (arrivals_s[-1] - arrivals_s[0]) if gaps_s and arrivals_s[-1] > arrivals_s[0] else 0.0
    found = f"{rate_hz:.1f} Hz, at most {longest_s:.3f} s between two, the newest {now_s - arrivals_s[-1]:.3f} s old"
    if longest_s > limit_s:
        remedy = f"see what holds the driver up, or raise {of}.max_age_s above {longest_s:.2f}"
        return red(f"{of}.rate", f"{found}: longer than max_age_s ({limit_s:g} s)", remedy)
    if rate_hz < RATE_SHARE * robot.control_rate_hz:
        remedy = "raise the driver's rate, or lower control_rate_hz: observations would repeat readings"
        return amber(f"{of}.rate", f"{found}: less often than control_rate_hz ({robot.control_rate_hz:g})", remedy)
    return green(f"{of}.rate", found)


def _readings(of: str, heard: Heard) -> Finding:
    """Whether what came can be read, and whether its stamps advance."""
    count = len(heard.arrivals_s)
    if not heard.refused:
        return green(f"{of}.readings", f"all of {count} messages can be read")
    found = f"{heard.refused} of {count} messages are refused: {heard.refusal}"
    remedy = "see to it in the driver; if it repeats its readings or leaves headers empty, docs/safety.md says how"
    return red(f"{of}.readings", found, remedy) if 2 * heard.refused > count else amber(f"{of}.readings", found, remedy)


def _clock(of: str, heard: Heard) -> Finding:
    """How the stamps' clock stands against this computer's: by the shortest way from stamp to arrival."""
    apart_s = min(heard.delays_s)
    found = f"stamps are {median(heard.delays_s) * 1e3:.1f} ms old when they arrive, at least {apart_s * 1e3:.1f} ms"
    if -AHEAD_S <= apart_s <= APART_S:
        return green(f"{of}.clock", found)
    side = "behind" if apart_s > 0 else "ahead of"
    found = f"the stamps' clock is about {abs(apart_s):.3f} s {side} this computer's"
    if heard.sent_s and -AHEAD_S <= min(heard.sent_s) <= APART_S:
        remedy = "its sender's clock agrees with this one: let the driver stamp by that, or set stamped: false"
        return amber(f"{of}.clock", found, remedy)
    return amber(f"{of}.clock", found, SYNCHRONISE)


def wanted_joints(robot: RobotConfig, source: str) -> set[str]:
    """The joints that a source must report: observed, commanded or looked at by a condition."""
    observed = {e.joint for v in robot.vectors.values() if v.source == source for e in v.elements}
    commanded = {joint.name for c in robot.commands if c.source == source for joint in c.joints}
    conditional = {condition.joint for condition in robot.guard.conditions if condition.source == source}
    return {joint for joint in observed | commanded | conditional if joint is not None}
