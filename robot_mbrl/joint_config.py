"""A commanded joint as data, with the limits that the guard holds it to."""

from typing import Self

from pydantic import model_validator

from robot_mbrl.specs import Frozen, NonNegative, Positive

TOLERANCE_SHARE = 0.01
"""Share of a joint's range that stands for a `position_tolerance` not given."""
LARGEST_TOLERANCE_SHARE = 0.05


class CommandJoint(Frozen):
    """A commanded joint or twist axis with the limits the guard enforces, in the command's units."""

    name: str
    unit: str
    low: float
    high: float
    """Bounds of the command itself; the normalised actions -1 and 1 map onto them. But for positions, 0 is within."""
    max_rate: Positive
    """How fast the command may change: position rad/s or m/s, velocity rad/s² or m/s², effort N/s or N m/s."""
    stop_rate: Positive | None = None
    """How fast a velocity, effort or twist may change in a safe stop, at least `max_rate`; null for that. Positions
    brake at `max_acceleration`."""
    max_acceleration: Positive | None = None
    """For position commands, how fast that rate may change, rad/s² or m/s²."""
    max_jerk: Positive | None = None
    """For position commands, how fast that acceleration may change, rad/s³ or m/s³; null does not limit it."""
    continuous: bool = False
    """Whether the joint turns without end and is measured as an angle that wraps, in rad; readings are unwrapped."""
    position_low: float | None = None
    position_high: float | None = None
    """Where the joint itself may be. Commands keep a stand-off from it; found beyond by more than
    `position_tolerance`, the guard stops and latches."""
    position_tolerance: NonNegative | None = None
    """How far beyond its bounds noise and overshoot may show the joint, rad or m; null for 1% of their range."""
    braking: Positive | None = None
    """For velocity commands with position bounds, the deceleration the robot is sure to manage."""
    max_following_error: Positive | None = None
    """How far a moving joint may be found from where its commands have led, rad or m; further, the guard stops and
    latches. More than it lags at full speed and yields under load. Positions need one; null for velocities stands for
    what they cover in a quarter of a second at full speed."""
    max_offset: Positive | None = None
    """For position commands, how far from where the joint is measured a target may lie, rad or m; one that lies further
    is brought nearer. So a joint that is held up is pressed as hard as this and no harder, and nothing latches."""

    constants: dict[str, float] = {}
    """Of interfaces that the command carries beside its kind, what they are for this joint; else the command's."""
    stop_constants: dict[str, float] = {}
    """The same in a safe stop."""

    @property
    def position_bounds(self) -> tuple[float, float] | None:
        """`position_low` and `position_high`; None without them."""
        if self.position_low is None or self.position_high is None:
            return None
        return self.position_low, self.position_high

    @property
    def tolerance(self) -> float:
        """`position_tolerance`, or what stands for it; 0 without bounds."""
        if self.position_tolerance is not None or self.position_bounds is None:
            return self.position_tolerance or 0.0
        return TOLERANCE_SHARE * (self.position_bounds[1] - self.position_bounds[0])

    @model_validator(mode="after")
    def _bounds_are_ordered(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"joint {self.name}: low {self.low} is not below high {self.high}")
        if (self.position_low is None) != (self.position_high is None):
            raise ValueError(f"joint {self.name}: give both position_low and position_high, or neither")
        if self.position_low is not None and self.position_high is not None and self.position_low >= self.position_high:
            raise ValueError(f"joint {self.name}: position_low is not below position_high")
        if self.position_tolerance is not None and self.position_low is None:
            raise ValueError(f"joint {self.name}: position_tolerance belongs to position_low and position_high")
        if self.tolerance and self.position_bounds is not None:
            low, high = self.position_bounds
            if self.tolerance > LARGEST_TOLERANCE_SHARE * (high - low):
                raise ValueError(
                    f"joint {self.name}: position_tolerance {self.tolerance} is more than noise and overshoot: at most "
                    f"{LARGEST_TOLERANCE_SHARE:.0%} of the range, {LARGEST_TOLERANCE_SHARE * (high - low):g}"
                )
        if self.stop_rate is not None and self.stop_rate < self.max_rate:
            raise ValueError(
                f"joint {self.name}: stop_rate {self.stop_rate} is below max_rate {self.max_rate}: a stop may not be "
                f"slower than what is usual; raise it or leave it out"
            )
        return self


def hard_bounds(joint: CommandJoint, *, of_position: bool) -> tuple[float, float]:
    """Bounds that no command may leave: those of the joint for a position command, those of the command otherwise."""
    if of_position and joint.position_bounds is not None:
        return joint.position_bounds
    return joint.low, joint.high
