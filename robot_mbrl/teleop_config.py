"""How a person takes over, as data: which axis moves which joint, which button or key picks which choice."""

from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from robot_mbrl.specs import ActionSpec, Fraction, Frozen, Positive, Topic

JOY: Final = "sensor_msgs/msg/Joy"
TWIST: Final = "geometry_msgs/msg/Twist"
TWIST_AXES = tuple(f"{part}.{axis}" for part in ("linear", "angular") for axis in "xyz")
Number = Annotated[int, Field(ge=0)]


def _as_text(key: Any) -> Any:
    """YAML takes a digit for a number."""
    return str(key) if type(key) is int else key


Key = Annotated[str, BeforeValidator(_as_text)]
ARROWS = ("left", "right", "up", "down")
CONSOLE_KEYS = frozenset("defnqrst")
"""Letters that mean something in `robot-mbrl console` already."""


class AxisConfig(Frozen):
    """The axis that moves one joint."""

    axis: int | str
    """Of a Joy its number, from 0; of a Twist its path, such as linear.x."""
    scale: float = 1.0
    """What the joint is told where the axis says 1, in units of its command; for positions how fast they move, per
    second. A negative one turns the axis round. The joint's own limits hold all the same."""
    dead_zone: Fraction = 0.05
    """As near to its middle as this, an axis says 0: sticks do not rest quite there."""


class PickConfig(Frozen):
    """What picks one choice, for as long as it is pressed."""

    button: Number | None = None
    """Number of the Joy's button, from 0; null for none."""
    key: Key | None = None
    """In `robot-mbrl console`, where there is no joystick: a small letter or a digit, or left, right, up or down."""


class TeleopConfig(Frozen):
    """The joystick, or the keys, by which a person takes over from the policy."""

    topic: Topic = "joy"
    type: Literal["sensor_msgs/msg/Joy", "geometry_msgs/msg/Twist"] = JOY
    dead_man: Number | None = None
    """Number of the Joy's button that is held to take over. A Twist has none: `takeover` is published beside it."""
    axes: dict[str, AxisConfig] = {}
    """By joint or twist axis of the robot. What has none rests: at zero, or where positions were."""
    choices: dict[str, PickConfig] = {}
    """Of a robot whose actions are choices, what picks them, by their names."""
    neutral: str | None = None
    """The choice that counts while none is picked, or two are at once; it must move nothing."""
    frozen_s: Positive | None = 20.0
    """A held stick that is off its middle and says exactly the same for longer than this counts as a driver that
    repeats itself, and ends the takeover; half of it gives warning. Null never does."""

    @property
    def is_heard(self) -> bool:
        """Whether anything of the joystick's message is read; of keys alone there is none."""
        return bool(self.axes) or any(pick.button is not None for pick in self.choices.values())

    @model_validator(mode="after")
    def _message_has_what_is_read(self) -> Self:
        if not self.axes and not self.choices:
            raise ValueError("axes: nothing moves the robot; map an axis, or choices where its actions are choices")
        if self.type == JOY and self.is_heard and self.dead_man is None:
            raise ValueError("dead_man: name the button that is held to take over by its number, from 0")
        if not self.is_heard and self.dead_man is not None:
            raise ValueError("dead_man: it holds no axis and no button; map some, or leave it out where keys are all")
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

    @model_validator(mode="after")
    def _picks_are_told_apart(self) -> Self:
        if self.choices and self.axes:
            raise ValueError("axes: actions are either choices or values of joints; leave out axes, or choices")
        if self.choices and self.type == TWIST:
            raise ValueError(f"type: choices are picked by the buttons of a Joy or by keys; make it {JOY}")
        if self.choices and self.neutral is None:
            raise ValueError("neutral: name the choice that counts while nothing is pressed, one that moves nothing")
        if not self.choices and self.neutral is not None:
            raise ValueError("neutral: it belongs to choices, and axes rest by themselves; leave it out")
        if self.is_heard and any(pick.key is not None for pick in self.choices.values()):
            raise ValueError(
                "choices: where there is a joystick its node alone may take over, and keys count for nothing; leave "
                "out every key, or every button and dead_man"
            )
        taken: dict[str, str] = {} if self.dead_man is None else {f"button {self.dead_man}": "dead_man"}
        for name, pick in self.choices.items():
            controls = list(_controls(pick))
            if not controls:
                raise ValueError(f"choices.{name}: nothing picks it; name a button or a key, or leave it out")
            if pick.key is not None and not _is_free(pick.key):
                raise ValueError(
                    f"choices.{name}.key: {pick.key!r} is no key that is free in the console; use {', '.join(ARROWS)}, "
                    f"a digit, or a small letter but {', '.join(sorted(CONSOLE_KEYS))}"
                )
            for control in controls:
                if control in taken:
                    raise ValueError(f"choices.{name}: {control} is that of {taken[control]} already; use another")
                taken[control] = f"choices.{name}"
        return self

    def require_robot(self, spec: ActionSpec, commands: Collection[str], moving: Mapping[str, Collection[str]]) -> None:
        """Refuse a robot that cannot be driven so.

        Args:
            spec: the robot's actions.
            commands: topics of its driver.
            moving: joints that each of its choices moves, by the choice's name; empty without choices.

        Raises:
            ValueError: naming the field.
        """
        if spec.discrete and self.axes:
            raise ValueError("teleop.axes: this robot's actions are choices; map buttons or keys in teleop.choices")
        if not spec.discrete and self.choices:
            raise ValueError("teleop.choices: this robot has none; map axes of its joints in teleop.axes")
        if unknown := sorted(set(self.axes) - set(spec.names)):
            raise ValueError(f"teleop.axes: {unknown} are not commanded; there are {', '.join(spec.names)}")
        if unknown := sorted(set(self.choices) - set(spec.names)):
            raise ValueError(
                f"teleop.choices: {unknown} are no choices of this robot; there are {', '.join(spec.names)}"
            )
        if self.neutral is not None and self.neutral not in spec.names:
            raise ValueError(f"teleop.neutral: there is no choice {self.neutral!r}; there are {', '.join(spec.names)}")
        if self.neutral is not None and (moved := moving[self.neutral]):
            raise ValueError(
                f"teleop.neutral: {self.neutral!r} moves {', '.join(sorted(moved))}, though nothing is pressed; name a "
                f"choice that moves nothing, such as {{name: stay, values: {{}}}}"
            )
        if self.is_heard and self.topic in commands:
            raise ValueError(
                f"teleop.topic: {self.topic} is what the driver is commanded by, and the guard alone may publish it; "
                f"let the joystick publish on another topic"
            )


def _controls(pick: PickConfig) -> Iterator[str]:
    if pick.button is not None:
        yield f"button {pick.button}"
    if pick.key is not None:
        yield f"key {pick.key}"


def _is_free(key: str) -> bool:
    single = len(key) == 1 and key.isascii() and (key.islower() or key.isdigit())
    return key in ARROWS or (single and key not in CONSOLE_KEYS)
