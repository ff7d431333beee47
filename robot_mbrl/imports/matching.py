"""Which of a bag's topics is which of the robot's: by name, or else by type and the end of its name, or as told."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from robot_mbrl import topics
from robot_mbrl.command_config import MULTI_ARRAY, CommandConfig
from robot_mbrl.config import RunConfig
from robot_mbrl.errors import ConfigError
from robot_mbrl.runs.scenario import namespace
from robot_mbrl.sensor_config import IMAGE_TYPES

COMMAND_TYPES = frozenset(
    {
        "std_msgs/msg/Float64MultiArray",
        "sensor_msgs/msg/JointState",
        "trajectory_msgs/msg/JointTrajectory",
        "geometry_msgs/msg/Twist",
        "geometry_msgs/msg/TwistStamped",
    }
)
"""Types that commands of any robot are read from, whatever its own driver listens to."""
COMPRESSED = "/compressed"
"""What drivers put behind the name of a camera's topic for its compressed pictures."""
_SPOKEN = (topics.GOAL, topics.FEEDBACK)
"""Topics by which people speak to the robot: read where they are there."""


@dataclass(frozen=True)
class Wanted:
    """What of the robot a bag should hold.

    Attributes:
        name: of a source or a command topic, as the robot's YAML has it; or one by which people speak.
        topic: its full name on the robot.
        types: message types that can be read as it.
        command: the command topic's settings; None for a sensor.
        interface: the interface beside the kind that the topic is of, as a forward controller's of gains; else empty.
        required: whether nothing can be imported without it.
    """

    name: str
    topic: str
    types: frozenset[str]
    command: CommandConfig | None = None
    interface: str = ""
    required: bool = True


@dataclass
class Matching:
    """What of the robot's topics was found in a bag."""

    found: dict[str, Wanted] = field(default_factory=dict)
    """What each of the bag's topics is read as."""
    missing: dict[str, str] = field(default_factory=dict)
    """What is not there, with what might be meant."""
    skipped: dict[str, str] = field(default_factory=dict)
    """The bag's other topics, with their types."""


def wanted_of(config: RunConfig, sources: Iterable[str]) -> list[Wanted]:
    """What a bag of a run's robot should hold.

    Args:
        config: the run.
        sources: names of the sources that are observed.
    """
    space = namespace(config)
    found = []
    for name in sources:
        source = config.robot.sources[name]
        kinds = frozenset(IMAGE_TYPES) if source.type in IMAGE_TYPES else frozenset({source.type})
        found.append(Wanted(name, _absolute(source.topic, space), kinds))
    found += [Wanted(c.topic, _absolute(c.topic, space), COMMAND_TYPES, c) for c in config.robot.commands]
    for command in config.robot.commands:
        for interface, topic in command.interface_topics.items():
            gains = Wanted(topic, _absolute(topic, space), frozenset({MULTI_ARRAY}), command, interface, required=False)
            found.append(gains)
    kind = frozenset({topics.JOINT_STATE})
    return found + [Wanted(name, f"{space}/{name}", kind, required=False) for name in _SPOKEN]


def match_topics(wanted: Iterable[Wanted], recorded: Mapping[str, str], told: Mapping[str, str]) -> Matching:
    """Find the robot's topics among those of a bag.

    Args:
        wanted: the robot's.
        recorded: the bag's, with their types.
        told: the bag's topic for a source or a command topic of the robot, where a person says so.

    Raises:
        ConfigError: if a person names what is not there.
    """
    wanted = list(wanted)
    _check(told, {want.name for want in wanted}, recorded)
    matching = Matching()
    exact = {want.topic for want in wanted}
    for want in wanted:
        topic = told.get(want.name, "") or (want.topic if recorded.get(want.topic) in want.types else "")
        others = [name for name in recorded if name not in exact and recorded[name] in want.types]
        # Topics of gains all have the same type and, but for one word, the same name.
        least = want.topic.strip("/").count("/") if want.interface else 1
        alike = [topic] if topic else _alike(want.topic, others, least)
        if len(alike) == 1 and alike[0] not in matching.found:
            matching.found[alike[0]] = want
        elif want.required:
            matching.missing[want.name] = _missing(want, recorded, alike or others)
    matching.skipped = {name: kind for name, kind in sorted(recorded.items()) if name not in matching.found}
    return matching


def _alike(topic: str, others: list[str], least: int) -> list[str]:
    """Topics whose names end as the robot's does, with as many words as tell them apart, and so many at least."""
    words = topic.strip("/").split("/")
    for count in range(len(words), least - 1, -1):
        ending = "/" + "/".join(words[-count:])
        if found := [name for name in others if f"/{name.strip('/')}".removesuffix(COMPRESSED).endswith(ending)]:
            return found
    return []


def _missing(want: Wanted, recorded: Mapping[str, str], others: list[str]) -> str:
    remedy = f"say which it is with --topic {want.name}=/TOPIC"
    if (kind := recorded.get(want.topic)) is not None and kind not in want.types:
        return f"{want.topic} holds {kind}, and {' or '.join(sorted(want.types))} is read"
    if others:
        return f"nothing on {want.topic}; {', '.join(sorted(others))} may be meant: {remedy}"
    return f"nothing on {want.topic}, nor anything else of type {' or '.join(sorted(want.types))}"


def _check(told: Mapping[str, str], names: set[str], recorded: Mapping[str, str]) -> None:
    for name, topic in told.items():
        if name not in names:
            raise ConfigError(f"--topic {name}={topic}: this robot has no {name!r}; it has {', '.join(sorted(names))}")
        if topic not in recorded:
            raise ConfigError(f"--topic {name}={topic}: not in the bag, which holds {', '.join(sorted(recorded))}")


def _absolute(topic: str, space: str) -> str:
    return topic if topic.startswith("/") else f"{space}/{topic.removeprefix('~/')}"
