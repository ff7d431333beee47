"""The commands of a robot as data: topics, kinds, filters and what else each message carries."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from robot_mbrl.joint_config import CommandJoint
from robot_mbrl.specs import Frozen, Positive, Topic, TopicToken

CommandType = Literal[
    "std_msgs/msg/Float64MultiArray",
    "sensor_msgs/msg/JointState",
    "trajectory_msgs/msg/JointTrajectory",
    "geometry_msgs/msg/Twist",
    "geometry_msgs/msg/TwistStamped",
]
MULTI_ARRAY = "std_msgs/msg/Float64MultiArray"
JOINT_FIELDS = ("position", "velocity", "effort")
"""What a JointState tells of a joint."""
STIFFNESS, DAMPING = "kp", "kd"
"""Interfaces, by the names that drivers of legged robots give them, that say how hard a position is pursued and how
hard motion is resisted."""

FOLLOWING_S = 0.25
"""Seconds at full speed that stand for a velocity command's `max_following_error` not given."""

TWIST_AXES = ("linear.x", "linear.y", "linear.z", "angular.x", "angular.y", "angular.z")


class FilterConfig(Frozen):
    """A Butterworth low-pass filter between what is requested of a topic's joints and their limits.

    It is part of the robot that a policy learns to drive: what is recorded as applied is the request before it. It
    begins anew, at rest, where each move of a policy begins.
    """

    order: Annotated[int, Field(ge=1, le=8)] = 2
    cutoff_hz: Positive
    """Frequency at which a request comes out with half of its power."""


class CommandConfig(Frozen):
    """A command topic of the robot's driver."""

    topic: Topic
    type: CommandType
    kind: Literal["position", "velocity", "effort", "twist"]
    source: str | None = None
    """JointState source with the measured positions of these joints; needed for position commands and bounds. A twist
    has none: that wheels fall silent is noticed by whoever observes them, and stops the robot too."""
    filter: FilterConfig | None = None
    """Low-pass filter between requests and limits; null for none."""
    interfaces: tuple[TopicToken, ...] = ()
    """What is commanded of each joint, the kind among it, in the order of the message: such as position, kp, kd. Empty
    for the kind alone."""
    layout: Literal["by_joint", "by_interface"] = "by_joint"
    """Order of a Float64MultiArray: all interfaces of the first joint before those of the next; or the first interface
    of all joints before the next one."""
    interface_topics: dict[str, Topic] = {}
    """Topics of interfaces that have a Float64MultiArray of their own, as one forward controller each; in the order of
    the joints."""
    constants: dict[str, float] = {}
    """What each interface beside the kind is, of every joint that does not say otherwise."""
    stop_constants: dict[str, float] = {}
    """Those that are others in a safe stop. Of positions: what damps, for the safe stop `damping`."""
    joints: Annotated[tuple[CommandJoint, ...], Field(min_length=1)]

    @property
    def further(self) -> tuple[str, ...]:
        """The interfaces beside the kind."""
        return tuple(interface for interface in self.interfaces if interface != self.kind)

    @property
    def carried(self) -> tuple[str, ...]:
        """The interfaces that the message on `topic` carries."""
        return tuple(name for name in self.interfaces or (self.kind,) if name not in self.interface_topics)

    @property
    def has_stop_constants(self) -> bool:
        """Whether any interface is another one in a safe stop."""
        return bool(self.stop_constants) or any(joint.stop_constants for joint in self.joints)

    def constant(self, joint: CommandJoint, interface: str, *, stopping: bool) -> float | None:
        """What an interface beside the kind is commanded; None if that is not given."""
        given = [joint.constants, self.constants]
        if stopping:
            given = [joint.stop_constants, self.stop_constants, *given]
        return next((values[interface] for values in given if interface in values), None)

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
            if joint.max_offset is not None:
                self._require_room(joint, joint.max_offset)
            if joint.continuous and self.source is None:
                raise ValueError(f"joint {joint.name}: continuous says how it is measured; name the command's source")
            if self.kind == "velocity" and joint.position_low is not None and joint.braking is None:
                raise ValueError(f"joint {joint.name}: velocity commands with position bounds need braking")
            if joint.position_low is not None and self.source is None:
                raise ValueError(f"joint {joint.name}: position bounds need the command's source to be named")
        return self

    @model_validator(mode="after")
    def _interfaces_can_be_sent(self) -> Self:
        if self.interfaces and self.kind not in self.interfaces:
            raise ValueError(f"interfaces: {self.kind!r}, the kind of these commands, is missing; add it")
        if twice := sorted({name for name in self.interfaces if self.interfaces.count(name) > 1}):
            raise ValueError(f"interfaces: {twice} are named twice; name each once")
        known = JOINT_FIELDS if self.type == "sensor_msgs/msg/JointState" else (self.kind,)
        if self.type != MULTI_ARRAY and (unknown := [name for name in self.carried if name not in known]):
            raise ValueError(
                f"interfaces: a {self.type} has no place for {unknown}; use {MULTI_ARRAY}, or give them "
                f"interface_topics of their own"
            )
        if unknown := sorted(self.interface_topics.keys() - set(self.further)):
            raise ValueError(
                f"interface_topics: {unknown} are not among the interfaces beside {self.kind!r}, {list(self.further)}; "
                f"name them there too"
            )
        return self

    @model_validator(mode="after")
    def _constants_belong_to_interfaces(self) -> Self:
        everywhere = {"constants": self.constants, "stop_constants": self.stop_constants}
        for joint in self.joints:
            here = {"constants": joint.constants, "stop_constants": joint.stop_constants}
            for field, values in [*everywhere.items(), *here.items()]:
                if unknown := sorted(values.keys() - set(self.further)):
                    raise ValueError(
                        f"{field}: {unknown} are not among the interfaces beside {self.kind!r}, {list(self.further)}; "
                        f"add them to interfaces, or leave them out"
                    )
            for interface in self.further:
                if self.constant(joint, interface, stopping=False) is None:
                    raise ValueError(f"constants: {interface!r} of joint {joint.name} is missing; say what it is")
        return self

    @model_validator(mode="after")
    def _damped_positions_are_let_go(self) -> Self:
        if self.kind != "position" or not self.has_stop_constants:
            return self
        for joint in self.joints:
            stiffness = self.constant(joint, STIFFNESS, stopping=True)
            damping = self.constant(joint, DAMPING, stopping=True)
            if stiffness:
                raise ValueError(
                    f"stop_constants: {STIFFNESS} of joint {joint.name} is {stiffness:g}; what damps a position lets "
                    f"go of it: make it 0"
                )
            if damping is not None and damping <= 0.0:
                raise ValueError(f"stop_constants: {DAMPING} of joint {joint.name} damps nothing; make it above 0")
        return self

    def _require_room(self, joint: CommandJoint, offset: float) -> None:
        """A target's distance from the joint must mean something, and lie within what may be found between them."""
        if self.kind != "position":
            raise ValueError(
                f"joint {joint.name}: max_offset is how far a target lies from the measured position; only position "
                f"commands have one: leave it out"
            )
        if joint.max_following_error is not None and offset >= joint.max_following_error:
            raise ValueError(
                f"joint {joint.name}: max_offset {offset} is not below max_following_error "
                f"{joint.max_following_error}: the robot would stop before it has any effect; make it smaller"
            )
