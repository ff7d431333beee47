"""Message types of any installed package, by name, and whether a robot's YAML asks of them what they have."""

import importlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from robot_mbrl import topics
from robot_mbrl.config import RobotConfig, TaskConfig, ValueConfig
from robot_mbrl.control.values import ANGLES
from robot_mbrl.errors import ConfigError, MessageError
from robot_mbrl.goal_config import PATH
from robot_mbrl.messages import field_parts
from robot_mbrl.sensor_config import ConditionConfig

QUATERNION = "geometry_msgs/Quaternion"
TURNED = ("geometry_msgs/Vector3", "geometry_msgs/Point")
"""What can be turned into the frame of a body."""
_SEQUENCE = re.compile(r"sequence<(.+?)(?:, \d+)?>")
_ARRAY = re.compile(r"(.+)\[(\d+)\]")


def message_type(type_name: str) -> Any:
    """The class of a message type such as `sensor_msgs/msg/Image`.

    Raises:
        ConfigError: if it is not installed.
    """
    package, _, name = type_name.rpartition("/")
    try:
        return getattr(importlib.import_module(package.replace("/", ".")), name)
    except (ImportError, AttributeError):
        apt = package.partition("/")[0].replace("_", "-")
        raise ConfigError(
            f"message type {type_name} is not installed: correct its name, or install its package (with ROS's apt "
            f"packages ros-$ROS_DISTRO-{apt}, with those of PyPI ros-{apt}) and source it"
        ) from None


def check_robot(robot: RobotConfig) -> None:
    """Make sure that every source can be subscribed to, and that every value and condition can be read from it.

    Raises:
        ConfigError: naming the robot, the field of its YAML and the remedy.
    """
    kinds: dict[str, str] = {}
    with _at(f"robot {robot.name!r}"):
        for name, source in robot.sources.items():
            with _at(f"sources.{name}.type"):
                message_type(source.type)
                if (other := kinds.setdefault(source.topic, source.type)) != source.type:
                    raise ConfigError(f"topic {source.topic} is read as {other} by another source; it has one type")
        for vector, read, element in robot.values():
            with _at(f"vectors.{vector}.elements: {element.name}"):
                _check_value(robot.sources[read].type, element)
        for condition in robot.guard.conditions:
            with _at(f"guard.conditions on {condition.name}"):
                _check_condition(robot.sources[condition.source].type, condition)


def check_goal_topics(task: TaskConfig) -> None:
    """Make sure that a task's goal can be read from every topic that tells it.

    Raises:
        ConfigError: naming the task, the topic and the remedy.
    """
    for tells in task.goal_topics:
        with _at(f"task {task.name!r}: goal_topics: {tells.topic}"):
            for value in tells.values:
                path = f"poses[0].{value.field}" if tells.type == PATH else value.field
                _check_value(tells.type, ValueConfig(name=value.name, field=path, transform=value.transform))


def leaf_type(type_name: str, path: str) -> str:
    """Type of the field that a dotted path leads to, such as `double`, `string` or `geometry_msgs/Quaternion`.

    Raises:
        ConfigError: if the type is not installed or has no such field.
    """
    here = type_name.replace("/msg/", "/")
    try:
        parts = field_parts(path)
    except MessageError as error:
        raise ConfigError(str(error)) from error
    for part in parts:
        here = _field_type(here, part, path) if isinstance(part, str) else _element_type(here, part, path)
    if (many := _SEQUENCE.fullmatch(here) or _ARRAY.fullmatch(here)) is not None:
        raise ConfigError(f"{path!r} is a list of {many[1]}: say which element, {path}[0] for the first")
    return here


def _field_type(here: str, part: str, path: str) -> str:
    if "/" not in here or _SEQUENCE.fullmatch(here) or _ARRAY.fullmatch(here):
        raise ConfigError(f"{path!r}: there is no {part!r} in a {here}")
    package, _, name = here.rpartition("/")
    fields = message_type(f"{package}/msg/{name}").get_fields_and_field_types()
    if part not in fields:
        raise ConfigError(f"{path!r}: {here} has no field {part!r}; it has {', '.join(fields)}")
    return str(fields[part])


def _element_type(here: str, index: int, path: str) -> str:
    if (sequence := _SEQUENCE.fullmatch(here)) is not None:
        return sequence[1]
    if (array := _ARRAY.fullmatch(here)) is None:
        raise ConfigError(f"{path!r}: [{index}] is taken of a {here}, which is no list")
    if index >= int(array[2]):
        raise ConfigError(f"{path!r}: there are only {array[2]} elements")
    return array[1]


def _check_value(type_name: str, element: ValueConfig) -> None:
    if type_name == topics.JOINT_STATE:
        return  # The robot's model has checked joint and field.
    reads: list[tuple[str, tuple[str, ...]]] = [(element.field, (QUATERNION,) if element.transform in ANGLES else ())]
    if element.orientation is not None:
        reads = [(element.field, TURNED), (element.orientation, (QUATERNION,))]
    for path, wanted in reads:
        leaf = leaf_type(type_name, path)
        if leaf not in wanted if wanted else "/" in leaf:
            kinds = " or ".join(f"a {kind}" for kind in wanted) or "a number, bool or string"
            raise ConfigError(f"{path!r} is a {leaf}; transform {element.transform} reads {kinds}")


def _check_condition(type_name: str, condition: ConditionConfig) -> None:
    if condition.joint is None and "/" in (leaf := leaf_type(type_name, condition.field)):
        raise ConfigError(f"{condition.field!r} is a {leaf}; a condition compares a number, bool or string")


@contextmanager
def _at(where: str) -> Iterator[None]:
    """Name the place in errors."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error
