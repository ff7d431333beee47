"""A robot as data: one model read from `robots/*.yaml`, whose contradictions are found before anything moves."""

from collections.abc import Iterable, Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from robot_mbrl.command_config import JOINT_FIELDS, CommandConfig
from robot_mbrl.display_config import DisplayConfig
from robot_mbrl.joint_config import CommandJoint, hard_bounds
from robot_mbrl.sensor_config import (
    IMAGE_TYPES,
    CameraConfig,
    ConditionConfig,
    SourceConfig,
    ValueConfig,
    VectorConfig,
)
from robot_mbrl.specs import ActionSpec, Count, Frozen, Name, NonNegative, Positive, TopicToken
from robot_mbrl.teleop_config import TeleopConfig
from robot_mbrl.topics import ACTION_RESERVED, AGE_SUFFIX, JOINT_STATE, OBSERVATION_RESERVED, POINT
from robot_mbrl.tracker_config import TrackerConfig

SAFE_STOPS = {
    "position": frozenset({"hold"}),
    "velocity": frozenset({"zero"}),
    "twist": frozenset({"zero"}),
    "effort": frozenset({"zero", "damping"}),
}
"""What `safe_stop` may be, by the kind of command; positions that have `stop_constants` are damped, too."""
OF_NUMBERS = ("none", "cos", "sin", "inverse")
"""Transforms that read a number."""
SLOWEST_SCALE = 0.05
"""Least share of their speed that joints may be scaled to."""


class ChoiceConfig(Frozen):
    """One discrete action. What it does not name stays: at zero velocity, effort or twist, at the held position."""

    name: str
    values: dict[str, float]
    """The command it stands for, in the command's units, by joint."""


class GuardConfig(Frozen):
    """Timing and stopping behaviour of the guard."""

    command_rate_hz: Positive
    """How often the command is repeated, interpolated towards the newest action."""
    action_deadline_s: Positive
    """How long after an observation its action may arrive before the previous one is held as late."""
    command_timeout_s: Positive
    """How long without a timely action before the safe stop."""
    recover_steps: Count = 5
    """Timely actions in a row that end a safe stop."""
    safe_stop: Literal["hold", "zero", "damping"]
    """hold: keep where it has come to rest; zero: zero velocity or effort; damping: effort against the velocity, or
    positions let go and damped by the drives themselves, as their commands' `stop_constants` say.

    Which there are depends on the commands, see `SAFE_STOPS`; where efforts are among them, it is theirs.
    """
    damping: NonNegative = 0.0
    """Gain of the damping stop of efforts, effort per unit of velocity."""
    driver_timeout_s: Positive | None
    """After how long without commands the driver stops the robot by itself; null where it never does."""
    enable_timeout_s: Positive | None = None
    """How long `enable`: true counts: repeated faster than this it is a dead-man switch. Null counts it for ever."""
    emergency_stop_timeout_s: Positive | None = None
    """How long `emergency_stop` may be silent before the guard stops and latches; null does not expect it at all."""
    conditions: tuple[ConditionConfig, ...] = ()
    """What must be so for the robot to move: safety mode, program running, battery, temperature."""
    repeat_stop: bool | None = None
    """Whether commands go on while the robot is disabled and at rest. Null: only where the driver never stops by
    itself (`driver_timeout_s` null). Silence leaves the robot to its own tools."""

    @property
    def repeats_stop(self) -> bool:
        """`repeat_stop`, or what stands for it."""
        return self.driver_timeout_s is None if self.repeat_stop is None else self.repeat_stop


def unguarded(rate_hz: float) -> GuardConfig:
    """The timing that a description must have of what no guard stands before: an environment, or several robots."""
    return GuardConfig(
        command_rate_hz=rate_hz,
        action_deadline_s=0.5 / rate_hz,
        command_timeout_s=2.0 / rate_hz,
        safe_stop="zero",
        driver_timeout_s=None,
    )


class RobotConfig(Frozen):
    """A robot: its topics, joints, limits and rates."""

    name: Name
    """Also the robot's ROS namespace, unless a run gives it another; `-` becomes `_` there."""
    description: str = ""
    control_rate_hz: Positive
    sources: dict[str, SourceConfig]
    vectors: dict[str, VectorConfig] = {}
    cameras: dict[TopicToken, CameraConfig] = {}
    trackers: dict[str, TrackerConfig] = {}
    """What cameras follow by its colour; by the source that each is read from, a geometry_msgs/msg/PointStamped."""
    commands: Annotated[tuple[CommandConfig, ...], Field(min_length=1)]
    choices: tuple[ChoiceConfig, ...] = ()
    """Given, the agent picks one of these; empty, it sets every joint's command continuously."""
    random_hold_steps: Count = 8
    """How many steps a random action is held while exploring without a policy."""
    guard: GuardConfig
    teleop: TeleopConfig | None = None
    """Joystick or keys by which a person takes over; null where there are none, or who has one publishes `teleop`."""
    home: dict[str, float] = {}
    """Position, rad or m, of each joint commanded by position, that a reset by `home` moves to."""
    display: DisplayConfig = DisplayConfig()
    """Where observed values lie in space, for those who watch."""

    @model_validator(mode="after")
    def _vectors_can_be_read(self) -> Self:
        for name, source, value in self.values():
            self._require_source(source, f"vectors.{name}.source", images=False)
            joint_state = self.sources[source].type == JOINT_STATE
            if joint_state and value.joint is None:
                raise ValueError(f"vectors.{name}: {value.name} reads a JointState and needs a joint")
            if joint_state and value.field not in JOINT_FIELDS:
                raise ValueError(f"vectors.{name}: {value.name} reads {value.field!r}, none of {JOINT_FIELDS}")
            if joint_state and value.transform not in OF_NUMBERS:
                raise ValueError(
                    f"vectors.{name}: {value.name} reads a number of a JointState; transform {value.transform} does "
                    f"not, but one of {', '.join(OF_NUMBERS)}"
                )
            if not joint_state and value.joint is not None:
                raise ValueError(f"vectors.{name}: {value.name} names a joint, but its source is no JointState")
        for name, camera in self.cameras.items():
            self._require_source(camera.source, f"cameras.{name}.source", images=True)
        for name, tracker in self.trackers.items():
            self._require_source(name, f"trackers.{name}", images=False)
            self._require_source(tracker.camera, f"trackers.{name}.camera", images=True)
            if (given := self.sources[name].type) != POINT:
                raise ValueError(f"trackers.{name}: a tracker sends {POINT}; its source is of type {given}")
        return self

    @model_validator(mode="after")
    def _commands_can_be_sent(self) -> Self:
        for command in self.commands:
            if command.source is not None:
                self._require_source(command.source, "commands.source", images=False)
                source = self.sources[command.source]
                if source.type != JOINT_STATE or source.latched:
                    raise ValueError(f"commands.source: source {command.source!r} is no JointState that ages")
        self._require_choices()
        positioned = {joint.name for command in self.commands if command.kind == "position" for joint in command.joints}
        if self.home and set(self.home) != positioned:
            raise ValueError(f"home must name the joints commanded by position: {sorted(positioned)}")
        for joint in self.joints:
            low, high = hard_bounds(joint, of_position=True)
            if not low <= self.home.get(joint.name, low) <= high:
                raise ValueError(f"home.{joint.name}: {self.home[joint.name]} is not within [{low}, {high}]")
        topics = [topic for c in self.commands for topic in (c.topic, *c.interface_topics.values())]
        _require_unique(topics, "command topics")
        if self.teleop is not None:
            self.teleop.require_robot(self.action_spec(), topics, self._moving())
        return self

    @model_validator(mode="after")
    def _names_tell_everything_apart(self) -> Self:
        """Values, flags and ages share the message `observation`; actions and their source share `action`."""
        observed = [value.name for _, _, value in self.values()]
        choices = [choice.name for choice in self.choices]
        _require_unique(observed, "observed values")
        _require_unique(self.joint_names, "commanded joints")
        _require_unique(choices, "choices")
        _require_unique([*self.vectors, *self.cameras], "vectors and cameras")
        if unknown := sorted(set(self.display.names) - set(observed)):
            raise ValueError(f"display: {unknown} are no elements of vectors; there are {sorted(observed)}")
        for name in observed:
            if name in OBSERVATION_RESERVED or name.endswith(AGE_SUFFIX):
                raise ValueError(
                    f"vectors: an element named {name!r} would be overwritten; {sorted(OBSERVATION_RESERVED)} and "
                    f"names ending in {AGE_SUFFIX} are taken: name it otherwise"
                )
        for name in (*self.joint_names, *choices):
            if name in ACTION_RESERVED:
                raise ValueError(
                    f"commands: a joint or choice named {name!r} would be overwritten; {sorted(ACTION_RESERVED)} are "
                    f"taken: name it otherwise"
                )
        return self

    @model_validator(mode="after")
    def _timeouts_outlast_what_they_wait_for(self) -> Self:
        guard = self.guard
        steady_s = self.period_s + guard.action_deadline_s
        if guard.command_timeout_s <= steady_s:
            raise ValueError(
                f"guard.command_timeout_s: actions that are in time may come {steady_s:g} s apart (a period of "
                f"control_rate_hz and action_deadline_s); {guard.command_timeout_s:g} s would stop the robot between "
                f"two of them: make it longer"
            )
        repeat_s = 1.0 / guard.command_rate_hz
        if guard.driver_timeout_s is not None and guard.driver_timeout_s <= repeat_s:
            raise ValueError(
                f"guard.driver_timeout_s: commands come {repeat_s:g} s apart (guard.command_rate_hz), later than the "
                f"{guard.driver_timeout_s:g} s the driver waits for them: raise command_rate_hz"
            )
        return self

    @model_validator(mode="after")
    def _filters_filter_something(self) -> Self:
        rate_hz = self.guard.command_rate_hz
        for command in self.commands:
            if command.filter is not None and command.filter.cutoff_hz >= rate_hz / 2.0:
                raise ValueError(
                    f"commands on {command.topic}: filter.cutoff_hz: {command.filter.cutoff_hz:g} Hz is not below half "
                    f"of guard.command_rate_hz ({rate_hz:g} Hz): it would filter nothing; make it smaller, or leave "
                    f"the filter out"
                )
        return self

    @model_validator(mode="after")
    def _safe_stop_means_something(self) -> Self:
        """Positions can be held or, where the message says how, damped; velocities become zero; efforts either."""
        guard, kinds = self.guard, {command.kind for command in self.commands}
        positions = [command for command in self.commands if command.kind == "position"]
        possible = set().union(*(SAFE_STOPS[kind] for kind in (kinds & {"effort"} or kinds)))
        if any(command.has_stop_constants for command in positions):
            possible = {"damping"}
        if guard.safe_stop not in possible:
            others = ", or damping, once they have stop_constants" if kinds == {"position"} else ""
            if possible == {"damping"}:
                others = ", or leave out the stop_constants of positions"
            raise ValueError(
                f"guard.safe_stop: {guard.safe_stop!r} is no stop of {' and '.join(sorted(kinds))} commands; it must "
                f"be {' or '.join(sorted(possible))}{others}"
            )
        damped = guard.safe_stop == "damping"
        rigid = [command.topic for command in positions if not command.has_stop_constants]
        if damped and 0 < len(rigid) < len(positions):
            raise ValueError(f"commands on {rigid[0]}: stop_constants are missing: all positions are damped, or none")
        if ("effort" in kinds and damped) != (guard.damping > 0.0):
            raise ValueError(
                "guard.damping: safe_stop damping of efforts needs a gain above 0, and no other stop has one"
            )
        for command in self.commands:
            if damped and command.kind == "effort" and command.source is None:
                raise ValueError("commands.source: efforts are damped by measured velocities; name their JointState")
        return self

    @model_validator(mode="after")
    def _conditions_can_be_read(self) -> Self:
        for condition in self.guard.conditions:
            self._require_source(condition.source, f"guard.conditions on {condition.name}", images=False)
            if condition.joint is not None and self.sources[condition.source].type != JOINT_STATE:
                raise ValueError(f"guard.conditions on {condition.name}: its source is no JointState, leave out joint")
        return self

    def _moving(self) -> dict[str, list[str]]:
        """Joints that each choice moves: those that it gives a position, or anything but zero."""
        positioned = {joint.name for command in self.commands if command.kind == "position" for joint in command.joints}
        return {
            choice.name: [name for name, value in choice.values.items() if value or name in positioned]
            for choice in self.choices
        }

    def _require_choices(self) -> None:
        if len(self.choices) == 1:
            raise ValueError(
                f"choices: {self.choices[0].name!r} alone leaves nothing to choose; give two at least, or none"
            )
        joints = {joint.name: joint for joint in self.joints}
        for choice in self.choices:
            if unknown := set(choice.values) - set(joints):
                raise ValueError(f"choices.{choice.name} names joints that are not commanded: {sorted(unknown)}")
            for name, value in choice.values.items():
                if not joints[name].low <= value <= joints[name].high:
                    raise ValueError(
                        f"choices.{choice.name}.{name}: {value} is not within the joint's [{joints[name].low}, "
                        f"{joints[name].high}]; choices are in the command's units ({joints[name].unit})"
                    )

    def _require_source(self, source: str, where: str, *, images: bool) -> None:
        if source not in self.sources:
            raise ValueError(f"{where}: no source named {source!r}; there are {sorted(self.sources)}")
        if (self.sources[source].type in IMAGE_TYPES) != images:
            raise ValueError(f"{where}: source {source!r} is of the wrong type ({self.sources[source].type})")

    def values(self) -> Iterator[tuple[str, str, ValueConfig]]:
        """All observed values: the name of the vector, that of the source, and the value."""
        for name, vector in self.vectors.items():
            for element in vector.elements:
                yield name, vector.source_of(element), element

    @property
    def period_s(self) -> float:
        """Duration of one control step."""
        return 1.0 / self.control_rate_hz

    @property
    def joints(self) -> tuple[CommandJoint, ...]:
        """Every commanded joint, in order of the commands."""
        return tuple(joint for command in self.commands for joint in command.joints)

    @property
    def joint_names(self) -> tuple[str, ...]:
        """Names of every commanded joint, in order of the commands."""
        return tuple(joint.name for joint in self.joints)

    def action_spec(self) -> ActionSpec:
        """What an agent of this robot decides at each step."""
        if self.choices:
            return ActionSpec(kind="discrete", names=tuple(choice.name for choice in self.choices))
        return ActionSpec(names=self.joint_names, units=tuple(joint.unit for joint in self.joints))


def _require_unique(names: Iterable[str], what: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"{what}: the name {name!r} is used twice")
        seen.add(name)
