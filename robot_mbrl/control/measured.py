"""What is measured of the joints that one topic commands, and whether it can be believed."""

import math
from collections import deque
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from robot_mbrl.command_config import FOLLOWING_S, CommandConfig
from robot_mbrl.control.timeline import LEAP_S, Timeline
from robot_mbrl.errors import MessageError
from robot_mbrl.joint_config import CommandJoint
from robot_mbrl.messages import NANOSECONDS, read_stamp, read_value
from robot_mbrl.sensor_config import SourceConfig

AGREEING = 3
"""Readings in a row that must agree for a joint to be believed where it is said to be."""
AGREEING_S = 0.2
"""For how long they must: some drivers say zero before they know."""
CONFIRM_S = 0.25
CONFIRM_SHARE = 0.1
"""So often a velocity must be confirmed by this share of the way that it stands for."""
SPEED_MARGIN = 1.5
"""How much faster than its limit a joint may be measured to move: servos overshoot, and stamps jitter."""
ABSURD = 1e9
"""No joint is there, in rad or m, or as fast; what is beyond would overflow."""
SLACK_SHARE = 0.1
"""Share of a joint's following error by which noise may move it between two readings."""


@dataclass(slots=True)
class _Joint:
    """The newest reading of one joint."""

    config: CommandJoint
    timeline: Timeline
    speed: float
    """How fast it can move, rad/s or m/s; infinite if that is not known."""
    slack: float
    max_age_s: float
    position: float = math.nan
    velocity: float = math.nan
    sensed_s: float = -math.inf
    stamp_ns: int = -1
    """Stamp of that reading."""
    agreeing: int = 0
    since_s: float = math.inf
    """Since when readings agree."""
    looked: tuple[float, float] = (-math.inf, 0.0)
    """When its way was last compared with its velocity, and where it was."""
    confirmed: bool = True
    """Whether its way confirmed its velocity then."""
    lately: deque[float] = field(default_factory=lambda: deque(maxlen=AGREEING))
    """Its newest positions that agree with one another."""

    @property
    def settled(self) -> bool:
        """Whether it is believed to be where it is said to be."""
        return self.agreeing >= AGREEING and self.sensed_s - self.since_s >= AGREEING_S

    def take(self, position: float, velocity: float, measured_s: float, moving_s: float = 0.0) -> str:
        """Take in a reading.

        Args:
            position: where it is.
            velocity: how fast it moves.
            measured_s: when.
            moving_s: for how long it may have moved at least, since the reading before.

        Returns:
            What is impossible about it, empty if nothing.
        """
        gap_s = measured_s - self.sensed_s
        if self.config.continuous and self.agreeing:
            position -= 2 * math.pi * round((position - self.position) / (2 * math.pi))
        leap = ""
        # After a long gap it may be anywhere; a driver that was restarted begins anew.
        if gap_s <= LEAP_S:
            apart = abs(position - self.position)
            moving_s = max(moving_s, gap_s)
            if apart > self.speed * moving_s + self.slack:
                leap = (
                    f"joint {self.config.name} is said to be at {position:.4f}, {moving_s:.3f} s after "
                    f"{self.position:.4f}: farther than it can move"
                )
        self.agreeing += 1
        self.lately.append(position)
        # Within a gap the driver may have been started anew.
        if leap or gap_s > min(LEAP_S, self.max_age_s):
            self.agreeing, self.since_s = 1, measured_s
            self.lately = deque([position], maxlen=AGREEING)
        self.position, self.velocity, self.sensed_s = position, velocity, measured_s
        self._confirm()
        return leap

    def _confirm(self) -> None:
        """Compare now and then the way it made with the velocity that is said."""
        looked_s, place = self.looked
        if (elapsed_s := self.sensed_s - looked_s) >= CONFIRM_S:
            self.confirmed = abs(self.position - place) >= CONFIRM_SHARE * abs(self.velocity) * CONFIRM_S
            self.confirmed = self.confirmed or elapsed_s == math.inf
            self.looked = (self.sensed_s, self.position)


@dataclass
class MeasuredJoints:
    """The newest measurement of the joints of one command topic, each with an age of its own.

    A topic may carry several devices, and a device may send its joints in several messages: they are gathered by name.
    """

    config: CommandConfig
    source: SourceConfig | None
    """Where they are measured; None if they are not."""
    with_velocities: bool = False
    """Whether their velocities are needed too."""
    simulated: bool = False
    """Whether a simulator measures them, which may run slow, and moves them in an instant at a reset."""
    leap: str = ""
    """What was last impossible about a reading, until it is `forgiven`; empty if nothing was."""
    refusal: str = ""
    """Why the newest message was no news; empty if it was."""
    sensed_s: float = field(init=False, default=-math.inf)
    """When the joint was measured whose measurement is oldest."""
    _joints: list[_Joint] = field(init=False)

    def __post_init__(self) -> None:
        """Begin knowing nothing."""
        stamped, max_age_s = True, math.inf
        if self.source is not None:
            stamped, max_age_s = self.source.stamped, self.source.max_age_s or math.inf
        self._joints = []
        for joint in self.config.joints:
            timeline = Timeline(stamped=stamped, by_arrival=self.simulated, max_age_s=max_age_s)
            self._joints.append(_Joint(joint, timeline, *_mobility(self.config, joint), max_age_s))

    def sense(self, message: Any, now_s: float) -> bool:
        """Take in a JointState of the driver; one that names none of the joints is another device's.

        Returns:
            Whether it was news of any of the joints, or is another device's: a stamp that stands still is none.

        Raises:
            MessageError: if a joint is named twice, or a position or velocity that is needed is not finite.
        """
        names = list(message.name)
        places = {name: place for place, name in enumerate(names)}
        if len(places) < len(names):
            twice = sorted({name for name in names if names.count(name) > 1})
            raise MessageError(f"joints named twice in one JointState: {twice}")
        named = [joint for joint in self._joints if joint.config.name in places]
        readings = [self._read(message, joint.config.name, places[joint.config.name]) for joint in named]
        stamp_ns = read_stamp(message.header.stamp)
        news = not named
        for joint, (position, velocity) in zip(named, readings, strict=True):
            measured_s = joint.timeline.accept(stamp_ns, now_s)
            if measured_s is None:
                self.refusal = f"joint {joint.config.name}: {joint.timeline.refusal}"
                continue
            news = True
            self.refusal = ""
            # In lockstep, and where simulated time is hurried, more of it passes than time does here.
            moving_s = (stamp_ns - joint.stamp_ns) / NANOSECONDS if self.simulated and joint.stamp_ns >= 0 else 0.0
            joint.stamp_ns = stamp_ns
            self.leap = joint.take(position, velocity, measured_s, moving_s) or self.leap
        self.sensed_s = min(joint.sensed_s for joint in self._joints)
        return news

    @property
    def adopted(self) -> int:
        """How often a device was taken to have a new clock."""
        return sum(joint.timeline.adopted for joint in self._joints)

    def forgive(self) -> None:
        """Forget that a reading was impossible."""
        self.leap = ""

    @property
    def positions(self) -> list[float]:
        """Positions in order of the config's joints, rad or m; empty before all of them were measured."""
        known = all(joint.agreeing for joint in self._joints)
        return [joint.position for joint in self._joints] if known else []

    @property
    def places(self) -> list[float]:
        """Where paths may begin, likewise: medians, in which one reading that is wrong by little counts for nothing."""
        return [median(joint.lately) for joint in self._joints] if self.positions else []

    @property
    def velocities(self) -> list[float]:
        """Velocities likewise, where they are asked for; 0 where a joint makes no way at the velocity that is said."""
        if not self.with_velocities or not self.positions:
            return []
        return [joint.velocity if joint.confirmed else 0.0 for joint in self._joints]

    @property
    def times_s(self) -> list[float]:
        """When each of them was measured."""
        return [joint.sensed_s for joint in self._joints]

    def is_stale(self, now_s: float) -> bool:
        """Whether the joints should have been measured since."""
        if self.source is None:
            return False
        return now_s - self.sensed_s > (self.source.max_age_s or math.inf)

    def unsettled(self) -> str:
        """Which joints are not yet believed where they are said to be; empty if all are."""
        if self.source is None or self.simulated or all(joint.settled for joint in self._joints):
            return ""
        return ", ".join(joint.config.name for joint in self._joints if not joint.settled)

    def _read(self, message: Any, joint: str, place: int) -> tuple[float, float]:
        position = _finite(message, joint, place, "position")
        return position, _finite(message, joint, place, "velocity") if self.with_velocities else math.nan


def _mobility(config: CommandConfig, joint: CommandJoint) -> tuple[float, float]:
    """How fast a joint can move, and by how much noise may move it."""
    if config.kind == "position":
        return SPEED_MARGIN * joint.max_rate, SLACK_SHARE * (joint.max_following_error or 0.0)
    if config.kind == "velocity":
        return SPEED_MARGIN * max(abs(joint.low), abs(joint.high)), SLACK_SHARE * following_error(joint)
    return math.inf, 0.0


def following_error(joint: CommandJoint) -> float:
    """`max_following_error` of a velocity joint, or what stands for it."""
    return joint.max_following_error or FOLLOWING_S * max(abs(joint.low), abs(joint.high))


def _finite(message: Any, joint: str, place: int, name: str) -> float:
    value = read_value(message, joint, place, name)
    if not math.isfinite(value):
        raise MessageError(f"{name} of joint {joint!r} is not finite")
    if abs(value) > ABSURD:
        raise MessageError(f"{name} of joint {joint!r} is {value:g}")
    return value
