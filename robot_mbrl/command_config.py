"""The commands of a robot as data: topics, kinds and the limits that the guard holds every joint to."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from robot_mbrl.specs import Frozen, NonNegative, Positive, Topic

CommandType = Literal[
    "std_msgs/msg/Float64MultiArray",
    "sensor_msgs/msg/JointState",
    "trajectory_msgs/msg/JointTrajectory",
    "geometry_msgs/msg/Twist",
    "geometry_msgs/msg/TwistStamped",
]

TOLERANCE_SHARE = 0.01
"""Share of a joint's range that stands for a `position_tolerance` not given."""
LARGEST_TOLERANCE_SHARE = 0.05
FOLLOWING_S = 0.25
"""Seconds at full speed that stand for a velocity command's `max_following_error` not given."""

TWIST_AXES = ("linear.x", "linear.y", "linear.z", "angular.x", "angular.y", "angular.z")


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


class CommandConfig(Frozen):
    """A command topic of the robot's driver."""

    topic: Topic
    type: CommandType
    kind: Literal["position", "velocity", "effort", "twist"]
    source: str | None = None
    """JointState source with the measured positions of these joints; needed for position commands and bounds. A twist
    has none: that wheels fall silent is noticed by whoever observes them, and stops the robot too."""
    joints: Annotated[tuple[CommandJoint, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _type_fits_the_kind(self) -> Self:
        if (self.kind == "twist") != self.type.startswith("geometry_msgs/"):
            raise ValueError("twist commands, and only those, need geometry_msgs/msg/Twist or TwistStamped")
        if self.kind != "position" and self.type == "trajectory_msgs/msg/JointTrajectory":
            raise ValueError(
                f"{self.kind} commands cannot be trajectories: joint_trajectory_controller refuses points without "
                f"positions; use a forward controller's std_msgs/msg/Float64MultiArray"
            )
        if self.kind == "twist" and (unknown := [joint.name for joint in self.joints if joint.name not in TWIST_AXES]):
            raise ValueError(f"a twist has no axes {unknown}; it has {TWIST_AXES}")
        if self.kind == "twist" and self.source is not None:
            raise ValueError(
                "source: a twist commands no joints that could be measured; leave it out, and observe the wheels' "
                "source in a vector: the robot stops when that is stale"
            )
        if self.kind == "position" and self.source is None:
            raise ValueError("position commands need a source with the measured positions")
        return self

    @model_validator(mode="after")
    def _limits_fit_the_kind(self) -> Self:
        for joint in self.joints:
            if self.kind == "position" and joint.max_acceleration is None:
                raise ValueError(f"joint {joint.name}: position commands need max_acceleration")
            if self.kind != "position" and not joint.low <= 0.0 <= joint.high:
                raise ValueError(
                    f"joint {joint.name}: a stopped robot is commanded 0, which is not within [{joint.low}, "
                    f"{joint.high}]; begin or end the range at 0"
                )
            if self.kind == "position" and joint.max_following_error is None:
                raise ValueError(
                    f"joint {joint.name}: position commands need max_following_error, in {joint.unit or 'its unit'}: "
                    f"how far from its command the moving joint may be found before the robot stops; add it, a little "
                    f"more than max_rate ({joint.max_rate}) times the seconds by which its servo lags"
                )
            if self.kind != "position" and joint.max_jerk is not None:
                raise ValueError(f"joint {joint.name}: only position commands have a max_jerk")
            if self.kind == "position" and joint.stop_rate is not None:
                raise ValueError(
                    f"joint {joint.name}: positions brake at max_acceleration; stop_rate is for velocities, efforts "
                    f"and twists: leave it out"
                )
            if joint.max_following_error is not None and (
                self.kind not in ("position", "velocity") or self.source is None
            ):
                raise ValueError(
                    f"joint {joint.name}: max_following_error compares commanded with measured positions; it needs "
                    f"position or velocity commands with a source"
                )
            if joint.continuous and self.source is None:
                raise ValueError(f"joint {joint.name}: continuous says how it is measured; name the command's source")
            if self.kind == "velocity" and joint.position_low is not None and joint.braking is None:
                raise ValueError(f"joint {joint.name}: velocity commands with position bounds need braking")
            if joint.position_low is not None and self.source is None:
                raise ValueError(f"joint {joint.name}: position bounds need the command's source to be named")
        return self


def hard_bounds(joint: CommandJoint, *, of_position: bool) -> tuple[float, float]:
    """Bounds that no command may leave: those of the joint for a position command, those of the command otherwise."""
    if of_position and joint.position_bounds is not None:
        return joint.position_bounds
    return joint.low, joint.high
