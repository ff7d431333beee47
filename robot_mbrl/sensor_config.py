"""What a robot's driver tells, as data: sensor topics, what is read from them, and conditions for motion."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from robot_mbrl.specs import Element, Fraction, Frozen, ImageSpec, Positive, Scale, Topic, VectorSpec
from robot_mbrl.topics import IMAGE

MessageType = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*/msg/[A-Z][A-Za-z0-9]*$")]
"""A message type of any installed package, such as sensor_msgs/msg/JointState."""
IMAGE_TYPES = (IMAGE, "sensor_msgs/msg/CompressedImage")

BODY_AXES = ("body_x", "body_y", "body_z")
"""Transforms that turn a vector into the frame of the body."""


class SourceConfig(Frozen):
    """A sensor topic of the robot's driver."""

    topic: Topic
    type: MessageType
    max_age_s: Positive | None
    """Older than this and the source is stale: no observation is published, and the guard stops the robot. Null is for
    latched sources only, which speak when something changes: what they said last counts for ever."""
    reliable: bool = False
    """Whether lost messages are sent again. False, best effort, hears every driver; true only those that offer it."""
    stamped: bool = True
    """Whether the driver stamps its messages, if they have a header. What comes under a stamp that stands still is no
    reading then. False for drivers that leave the header empty: what they repeat cannot be told from news."""
    synchronised: bool = False
    """Whether those stamps are of this computer's clock, or of one that is kept like it: then readings are as old as
    their stamps say, such as since a picture was taken. Else the shortest way ever seen from stamp to arrival counts as
    none, since clocks may differ."""
    latched: bool = False
    """Whether the driver keeps its newest message for late joiners (transient local), and speaks on changes only."""

    @model_validator(mode="after")
    def _ages_unless_latched(self) -> Self:
        if (self.max_age_s is None) != self.latched:
            raise ValueError(
                "max_age_s must be a number, unless the source is latched: then it is null, since silence is no news"
            )
        if self.synchronised and not self.stamped:
            raise ValueError(
                "synchronised: a source that is not stamped says nothing of its age; leave one of them out"
            )
        return self


class ValueConfig(Frozen):
    """One observed value: where it is read and what is made of it."""

    name: str
    source: str | None = None
    """Source that it is read from; null for the vector's."""
    field: str
    """Field of the message: `position`, `velocity` or `effort` of a JointState, else a dotted path, with an index in
    brackets where a field is a list."""
    joint: str | None = None
    """Joint to look up by name, for a JointState."""
    transform: Literal["none", "cos", "sin", "inverse", "roll", "pitch", "yaw", "body_x", "body_y", "body_z"] = "none"
    """Applied to the reading; inverse is 1 over it, and 0 of what is infinite, as of a range where nothing is; roll,
    pitch and yaw read a quaternion; body_x, body_y and body_z a vector or point of the frame in which `orientation` is
    given, and turn it into the frame of the body."""
    orientation: str | None = None
    """For body_x, body_y and body_z, dotted path of the quaternion in the same message that says how the body lies."""
    difference_s: Positive | None = None
    """Given, the value is how fast that changes, per second: its difference over about so long. Angles are unwrapped. 0
    at the first reading and after a reset, as of a robot that has rested until then."""
    unit: str = ""
    scale: Scale = 1.0

    @property
    def turns(self) -> bool:
        """Whether it is a vector's part in the frame of the body."""
        return self.transform in BODY_AXES

    @model_validator(mode="after")
    def _orientation_is_for_bodies(self) -> Self:
        if self.turns != (self.orientation is not None):
            raise ValueError(
                f"{self.name}: orientation belongs to transform {', '.join(BODY_AXES)}, which need it: the path of the "
                f"quaternion that says how the body lies"
            )
        return self


class VectorConfig(Frozen):
    """A group of values, read from one source or several."""

    source: str | None = None
    """Source of the elements that name none of their own."""
    elements: Annotated[tuple[ValueConfig, ...], Field(min_length=1)]

    def source_of(self, element: ValueConfig) -> str:
        """Name of the source that an element is read from."""
        return element.source or self.source or ""

    def spec(self) -> VectorSpec:
        """The part of the configuration that agents need to know."""
        return VectorSpec(elements=tuple(Element(name=e.name, unit=e.unit, scale=e.scale) for e in self.elements))

    @model_validator(mode="after")
    def _every_element_has_a_source(self) -> Self:
        if without := [element.name for element in self.elements if not self.source_of(element)]:
            raise ValueError(f"source: {without} have none; name one for the whole vector, or one for each of them")
        return self


class CropConfig(Frozen):
    """The part of a picture that is looked at, in shares of its width and height from the upper left corner."""

    left: Fraction = 0.0
    right: Fraction = 1.0
    top: Fraction = 0.0
    bottom: Fraction = 1.0

    @property
    def text(self) -> str:
        """All four, for fingerprints and people."""
        return f"{self.left:g} to {self.right:g} across, {self.top:g} to {self.bottom:g} down"

    @model_validator(mode="after")
    def _leaves_something(self) -> Self:
        if self.left >= self.right or self.top >= self.bottom:
            raise ValueError(f"nothing is left of the picture ({self.text}): left is below right, and top below bottom")
        return self


class CameraConfig(Frozen):
    """A picture read from one source, cut and resized to what the policy sees."""

    source: str
    crop: CropConfig | None = None
    """What is cut out before it is resized; null for the whole picture."""
    image: ImageSpec = ImageSpec()

    @property
    def taken(self) -> ImageSpec:
        """The whole picture of which what is cut out is as large as `image`: what a simulated camera takes."""
        if self.crop is None:
            return self.image
        height = round(self.image.height / (self.crop.bottom - self.crop.top))
        width = round(self.image.width / (self.crop.right - self.crop.left))
        return self.image.model_copy(update={"height": height, "width": width})


class ConditionConfig(Frozen):
    """What must be so for the robot to move: read from a source, and compared."""

    source: str
    field: str
    """Dotted path of a field of the source's message, with an index in brackets where it is a list."""
    joint: str | None = None
    """Joint to look up by name, for a JointState."""
    equals: bool | int | float | str | None = None
    above: float | None = None
    below: float | None = None
    latch: bool = False
    """Whether the robot stays stopped, once it is not met, until a person releases it."""

    @property
    def name(self) -> str:
        """As reports call it."""
        return f"{self.source}.{self.field}" + (f" of {self.joint}" if self.joint else "")

    @model_validator(mode="after")
    def _compares_with_something(self) -> Self:
        if self.equals is None and self.above is None and self.below is None:
            raise ValueError(f"condition on {self.name}: say what it must be: equals, above or below")
        if self.equals is not None and (self.above is not None or self.below is not None):
            raise ValueError(f"condition on {self.name}: equals stands alone; leave out above and below")
        if self.above is not None and self.below is not None and self.above >= self.below:
            raise ValueError(f"condition on {self.name}: nothing is above {self.above} and below {self.below}")
        return self
