"""Goals as data: what a robot is to bring about, as named values that a person or a program may set while it lives."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from robot_mbrl.specs import Element, Frozen, Topic, VectorSpec

PATH, TWIST = "nav_msgs/msg/Path", "geometry_msgs/msg/Twist"


class GoalElement(Element):
    """One value of a goal."""

    low: float
    high: float
    """Bounds of the value, in its unit; goals beyond them are refused."""
    initial: float | None = None
    """What holds until a goal is set; null for the middle."""

    @property
    def start(self) -> float:
        """What holds until a goal is set."""
        return (self.low + self.high) / 2.0 if self.initial is None else self.initial

    @model_validator(mode="after")
    def _bounds_hold_the_start(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low: {self.low} is not below high, {self.high}")
        if not self.low <= self.start <= self.high:
            raise ValueError(f"initial: {self.initial} is not from {self.low} to {self.high}")
        return self


class GoalConfig(Frozen):
    """A group of values that agents take together, as the bundles' input `goal.<name>`."""

    elements: Annotated[tuple[GoalElement, ...], Field(min_length=1)]

    def spec(self) -> VectorSpec:
        """What an agent needs to know of it."""
        return VectorSpec(elements=tuple(Element(name=e.name, unit=e.unit, scale=e.scale) for e in self.elements))


class GoalReading(Frozen):
    """One value of a goal that a message of a standard type tells."""

    name: str
    """Of the goal's element."""
    field: str
    """Dotted path in the message; of a path, in each of its poses."""
    transform: Literal["none", "roll", "pitch", "yaw"] = "none"
    """Applied to what is there: roll, pitch and yaw read a quaternion, rad."""


class GoalTopicConfig(Frozen):
    """A topic of a standard type, on which other programs tell goals, such as RViz's 2D Goal Pose."""

    topic: Topic
    type: Literal[
        "geometry_msgs/msg/Twist",
        "geometry_msgs/msg/TwistStamped",
        "geometry_msgs/msg/PoseStamped",
        "nav_msgs/msg/Path",
    ]
    """Of a Path each pose is a goal, told once the one before is reached."""
    frame: str | None = None
    """What the frame_id of its messages must be, since nothing is transformed; null for any, and for what has none."""
    values: Annotated[tuple[GoalReading, ...], Field(min_length=1)]
    sets: dict[str, float] = {}
    """Further values of the goal that every such message sets, such as a weight."""

    @property
    def names(self) -> tuple[str, ...]:
        """All that it sets."""
        return (*(value.name for value in self.values), *self.sets)

    @model_validator(mode="after")
    def _means_one_thing(self) -> Self:
        if repeated := sorted({name for name in self.names if self.names.count(name) > 1}):
            raise ValueError(f"values: {repeated} are set more than once; leave all but one out")
        if self.type == TWIST and self.frame is not None:
            raise ValueError(f"frame: a {TWIST} has no frame_id; leave it out")
        return self
