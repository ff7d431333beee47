"""What gives the numbers of a policy their meaning, by name: stored with each bundle and each checkpoint.

Weights know nothing of radians, limits or lenses: they were trained on numbers. Where a robot's YAML makes the same
numbers mean something else, a policy would act on wrong values without a word; so what differs is named, and refused.
What changes nothing about the numbers, such as limits of rate, time-outs, topics and learning rates, is not here.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Self

from pydantic import model_validator

from robot_mbrl.command_config import CommandConfig
from robot_mbrl.config import RunConfig
from robot_mbrl.sensor_config import ValueConfig, VectorConfig
from robot_mbrl.specs import Element, Frozen

Value = bool | int | float | str
"""What a field of a fingerprint may hold."""

ABSENT = "absent"
"""What a difference says of a field that one side does not have."""


class Fingerprint(Frozen):
    """Fields by dotted name, with a hash over them that is short enough to compare by eye."""

    fields: dict[str, Value]
    sha256: str

    @classmethod
    def of(cls, config: RunConfig) -> Self:
        """The fingerprint of a run."""
        fields = dict(sorted(_fields(config)))
        return cls(fields=fields, sha256=_hash(fields))

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.sha256 != _hash(self.fields):
            raise ValueError("the fields of the fingerprint are not those that its hash was made of")
        return self

    def differences(self, here: "Fingerprint") -> list[str]:
        """One sentence for each field whose value is another one here, in the order of their names."""
        names = sorted(self.fields.keys() | here.fields.keys())
        return [
            f"{name} was {_shown(self.fields, name)}, here it is {_shown(here.fields, name)}"
            for name in names
            if self.fields.get(name) != here.fields.get(name)
        ]


def _hash(fields: Mapping[str, Value]) -> str:
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def _shown(fields: Mapping[str, Value], name: str) -> str:
    return repr(fields[name]) if name in fields else ABSENT


def _fields(config: RunConfig) -> Iterator[tuple[str, Value]]:
    yield "control_rate_hz", float(config.robot.control_rate_hz)
    yield "action_repeat", config.task.action_repeat
    yield "task.class", config.task.task or str(config.task.world)
    # Only where it applies, as below.
    if config.task.reward != "task":
        yield "task.reward", config.task.reward
    yield "action.kind", config.action_spec().kind
    yield "action.names", ", ".join(config.action_spec().names)
    for command in config.robot.commands:
        yield from _command_fields(command, chosen=bool(config.robot.choices))
    for choice in config.robot.choices:
        for joint, value in sorted(choice.values.items()):
            yield f"choices.{choice.name}.{joint}", float(value)
    yield from _observation_fields(config)
    for name, goal in config.task.goal.items():
        yield f"goal.{name}.elements", ", ".join(element.name for element in goal.elements)
        for goal_element in goal.elements:
            prefix = f"goal.{name}.{goal_element.name}"
            yield f"{prefix}.unit", goal_element.unit
            yield f"{prefix}.scale", float(goal_element.scale)
    for member in config.members:
        yield from ((f"members.{member.task.name}.{name}", value) for name, value in _fields(member))


def _command_fields(command: CommandConfig, *, chosen: bool) -> Iterator[tuple[str, Value]]:
    """What a joint's command means; the ends of its range only where actions are mapped onto them."""
    for joint in command.joints:
        prefix = f"commands.{joint.name}"
        # Only where they apply: a field that a later version adds does not make older bundles differ.
        if command.filter is not None:
            yield f"{prefix}.filter", f"order {command.filter.order}, {command.filter.cutoff_hz:g} Hz"
        if joint.max_offset is not None:
            yield f"{prefix}.max_offset", float(joint.max_offset)
        for interface in command.further:
            yield f"{prefix}.{interface}", float(command.constant(joint, interface, stopping=False) or 0.0)
        yield f"{prefix}.kind", command.kind
        yield f"{prefix}.unit", joint.unit
        if not chosen:
            yield f"{prefix}.low", float(joint.low)
            yield f"{prefix}.high", float(joint.high)
        if joint.continuous:
            yield f"{prefix}.continuous", True


def _observation_fields(config: RunConfig) -> Iterator[tuple[str, Value]]:
    robot = config.robot
    computed = config.computed_spec()
    for group in config.task.observe:
        if group in robot.cameras:
            camera = robot.cameras[group]
            yield f"cameras.{group}.source", camera.source
            yield f"cameras.{group}.size", f"{camera.image.height}x{camera.image.width}"
            yield f"cameras.{group}.encoding", camera.image.encoding
            if camera.crop is not None:
                yield f"cameras.{group}.crop", camera.crop.text
        elif group in computed:
            yield f"computed.{group}.elements", ", ".join(computed[group].names)
            for element in computed[group].elements:
                yield from _element_fields(f"computed.{group}.{element.name}", element)
        else:
            yield from _vector_fields(group, robot.vectors[group])


def _vector_fields(group: str, vector: VectorConfig) -> Iterator[tuple[str, Value]]:
    if vector.source is not None:
        yield f"vectors.{group}.source", vector.source
    yield f"vectors.{group}.elements", ", ".join(element.name for element in vector.elements)
    for element in vector.elements:
        prefix = f"vectors.{group}.{element.name}"
        yield f"{prefix}.field", element.field
        yield f"{prefix}.transform", element.transform
        yield from _element_fields(prefix, element)
        if element.joint is not None:
            yield f"{prefix}.joint", element.joint
        if element.source is not None:
            yield f"{prefix}.source", element.source
        if element.orientation is not None:
            yield f"{prefix}.orientation", element.orientation
        if element.difference_s is not None:
            yield f"{prefix}.difference_s", float(element.difference_s)


def _element_fields(prefix: str, element: ValueConfig | Element) -> Iterator[tuple[str, Value]]:
    yield f"{prefix}.unit", element.unit
    yield f"{prefix}.scale", element.scale if element.scale == "auto" else float(element.scale)
