"""Whether a world is that of a robot: it has the robot's sensors, and drives that take the robot's commands."""

import numpy as np

from robot_mbrl.config import RunConfig
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
    wanted: dict[str, set[str]] = {}
    for _, source, value in config.robot.values():
        wanted.setdefault(source, set()).add(str(value.joint))
    for source, joints in wanted.items():
        _require(config, source, JOINT_STATE)
        if missing := joints - set(getattr(world.read(source), "name", ())):
            raise WorldError(f"source {source!r} of world {name!r} does not measure {sorted(missing)}")
    for camera in config.observation_spec().images:
        _require(config, config.robot.cameras[camera].source, IMAGE)
        world.render(config.robot.cameras[camera].source)
    return world


def _require(config: RunConfig, source: str, kind: str) -> None:
    given = config.robot.sources[source].type
    if given != kind:
        raise WorldError(f"source {source!r} of robot {config.robot.name!r} is a {given}; simulators have {kind}")
