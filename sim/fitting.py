"""Whether a world is that of a robot: it has the robot's sensors, and drives that take the robot's commands."""

from collections.abc import Iterator

import numpy as np

from robot_mbrl.config import RunConfig
from robot_mbrl.control.values import ValueReader, read_place
from robot_mbrl.errors import MessageError
from robot_mbrl.sensor_config import IMAGE_TYPES
from robot_mbrl.topics import IMAGE, JOINT_STATE
from sim.errors import WorldError
from sim.worlds import World, make_world


def make_robots_world(config: RunConfig) -> World:
    """Build the world of a run's task.

    Args:
        config: the run.

    Raises:
        WorldError: if there is no such world, or it does not fit the robot.
    """
    world = make_world(config.task.world)
    world.reset(np.random.default_rng(0))
    name, kinds = config.task.world, world.kinds()
    for command in config.robot.commands:
        for joint in command.joints:
            if kinds.get(joint.name) != command.kind:
                raise WorldError(
                    f"robot {config.robot.name!r} commands {joint.name!r} in {command.kind}, "
                    f"but the drives of world {name!r} take {dict(kinds)}"
                )
    _require_values(config, world)
    for source in config.taken_pictures():
        given = config.robot.sources[source].type
        if given != IMAGE:
            raise WorldError(f"source {source!r} of robot {config.robot.name!r} is a {given}; simulators have {IMAGE}")
        world.render(source)
    return world


def further_sources(config: RunConfig) -> tuple[str, ...]:
    """The sources of values and conditions that are neither JointStates nor pictures, nor found in pictures."""
    robot = config.robot
    read = [source for _, source, _ in robot.values()] + [condition.source for condition in robot.guard.conditions]
    return tuple(
        source
        for source in dict.fromkeys(read)
        if robot.sources[source].type not in (JOINT_STATE, *IMAGE_TYPES) and source not in robot.trackers
    )


def _require_values(config: RunConfig, world: World) -> None:
    """Whether the world measures whatever the robot reads."""
    robot = config.robot
    readings = {source: world.read(source) for source in dict.fromkeys(_sources(config))}
    try:
        for _, source, value in robot.values():
            if source in readings:
                ValueReader(value).read(readings[source])
        for condition in robot.guard.conditions:
            if condition.source in readings:
                read_place(readings[condition.source], condition.field, condition.joint)
    except MessageError as error:
        raise WorldError(f"world {config.task.world!r} does not measure what {robot.name!r} reads: {error}") from error


def _sources(config: RunConfig) -> Iterator[str]:
    robot = config.robot
    yield from (source for _, source, _ in robot.values() if robot.sources[source].type == JOINT_STATE)
    yield from further_sources(config)
