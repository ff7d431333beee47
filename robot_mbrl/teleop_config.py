"""A person's joystick as data: which of its axes moves which joint, and which of its buttons is the dead-man switch."""

from collections.abc import Collection
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from robot_mbrl.specs import ActionSpec, Fraction, Frozen, Positive, Topic

JOY: Final = "sensor_msgs/msg/Joy"
TWIST: Final = "geometry_msgs/msg/Twist"
TWIST_AXES = tuple(f"{part}.{axis}" for part in ("linear", "angular") for axis in "xyz")
Number = Annotated[int, Field(ge=0)]


class AxisConfig(Frozen):
    """The axis that moves one joint."""

    axis: int | str
    """Of a Joy its number, from 0; of a Twist its path, such as linear.x."""
    scale: float = 1.0
    """What the joint is told where the axis says 1, in units of its command; for positions how fast they move, per
    second. A negative one turns the axis round. The joint's own limits hold all the same."""
    dead_zone: Fraction = 0.05
    """As near to its middle as this, an axis says 0: sticks do not rest quite there."""


class TeleopConfig(Frozen):
    """The joystick by which a person takes over from the policy."""

    topic: Topic = "joy"
    type: Literal["sensor_msgs/msg/Joy", "geometry_msgs/msg/Twist"] = JOY
    dead_man: Number | None = None
    """Number of the Joy's button that is held to take over. A Twist has none: `takeover` is published beside it."""
    axes: Annotated[dict[str, AxisConfig], Field(min_length=1)]
    """By joint or twist axis of the robot. What has none rests: at zero, or where positions were."""
    frozen_s: Positive | None = 20.0
    """A held stick that is off its middle and says exactly the same for longer than this counts as a driver that
    repeats itself, and ends the takeover; half of it gives warning. Null never does."""

    @model_validator(mode="after")
    def _message_has_what_is_read(self) -> Self:
        if self.type == JOY and self.dead_man is None:
            raise ValueError("dead_man: name the button that is held to take over by its number, from 0")
        if self.type == TWIST and self.dead_man is not None:
            raise ValueError("dead_man: a Twist has no button; leave it out, and publish the topic takeover beside it")
        for name, mapped in self.axes.items():
            axis = mapped.axis
            if self.type == JOY and (isinstance(axis, str) or axis < 0):
                raise ValueError(f"axes.{name}.axis: {axis!r} is no axis of a Joy, which are numbered from 0")
            if self.type == TWIST and axis not in TWIST_AXES:
                raise ValueError(f"axes.{name}.axis: {axis!r} is none of a Twist's: {', '.join(TWIST_AXES)}")
            if mapped.scale == 0.0:
                raise ValueError(f"axes.{name}.scale: scaled by 0 it moves nothing; leave the axis out")
            if mapped.dead_zone >= 1.0:
                raise ValueError(f"axes.{name}.dead_zone: {mapped.dead_zone:g} leaves nothing of the axis")
        return self

    def require_robot(self, spec: ActionSpec, commands: Collection[str]) -> None:
        """Refuse a robot that cannot be driven so.

        Args:
            spec: the robot's actions.
            commands: topics of its driver.

        Raises:
            ValueError: naming the field.
        """
        if spec.discrete:
            raise ValueError("teleop: choices are no axes; leave it out, and publish one-hots on the topic teleop")
        if unknown := sorted(set(self.axes) - set(spec.names)):
            raise ValueError(f"teleop.axes: {unknown} are not commanded; there are {', '.join(spec.names)}")
        if self.topic in commands:
            raise ValueError(
                f"teleop.topic: {self.topic} is what the driver is commanded by, and the guard alone may publish it; "
                f"let the joystick publish on another topic"
            )
