"""A public task as a run: its environment described as a robot, so that all that learns, records and exports serves it.

There is neither driver nor guard: the topics and limits that a robot's description must have are filled in with values
that nothing reads.
"""

import re
from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import Any

from robot_mbrl.config import (
    CameraConfig,
    CommandConfig,
    CommandJoint,
    RobotConfig,
    RunConfig,
    ValueConfig,
    resolve_run,
)
from robot_mbrl.robot_config import ChoiceConfig, unguarded
from robot_mbrl.sensor_config import SourceConfig, VectorConfig
from robot_mbrl.specs import ImageSpec
from robot_mbrl.topics import IMAGE, JOINT_STATE
from sim.public.making import Environment, make_environment, rate_hz, step_limit
from sim.public.spaces import SOLE_PICTURE, Actions, Part, parts_of

RENDERED = "render"
"""The source of pictures that the environment renders rather than observes."""
OBSERVED = "observed"
"""The source of all that the environment observes."""
PICTURE_SIDE = 64
EPISODE_STEPS = 1000
"""Control steps after which an episode is truncated where the environment sets no limit."""
EXPORT_STEPS = 50
"""Steps between two exports: published agents act with the newest weights, and seconds mean nothing here."""


def load_public_run(
    world: str, overrides: Mapping[str, Any] | None = None, seed: int = 0, *, pixels: bool = False
) -> RunConfig:
    """The run that learns a public task.

    Args:
        world: `gym:` and the id of an environment.
        overrides: values by dotted path, as for `load_run`.
        seed: of the run.
        pixels: whether rendered pictures are observed, in place of everything else.

    Raises:
        WorldError: if there is no such environment, or agents cannot see or act in it.
        ConfigError: if an override is wrong.
    """
    chosen = dict(overrides or {})
    repeat = int(chosen.get("task.action_repeat", 1))
    with closing(make_environment(world, rendered=False)) as environment:
        robot = _describe(world, environment, pixels)
        limit = step_limit(environment) or EPISODE_STEPS
    task = {
        "name": robot.name,
        "description": robot.description,
        "robot": robot.name,
        "task": None,
        "world": world,
        "observe": [*robot.vectors, *robot.cameras],
        "episode_steps": max(1, -(-limit // repeat)),
        # As published: the returns of the policy that explores.
        "evaluate_every": 0,
    }
    chosen.setdefault("agent.export_period_s", EXPORT_STEPS * repeat / robot.control_rate_hz)
    return resolve_run(task, world, chosen, seed, robot)


def is_rendered(config: RunConfig) -> bool:
    """Whether a run observes pictures that its environment must render."""
    return any(camera.source == RENDERED for camera in config.robot.cameras.values())


def _describe(world: str, environment: Environment, pixels: bool) -> RobotConfig:
    rate = rate_hz(environment)
    parts = () if pixels else parts_of(environment.observation_space)
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", world)
    return RobotConfig(
        name=name,
        description=f"Gymnasium environment {world}",
        control_rate_hz=rate,
        sources={
            OBSERVED: SourceConfig(topic=OBSERVED, type=JOINT_STATE, max_age_s=1.0),
            f"{OBSERVED}_picture": SourceConfig(topic=f"{OBSERVED}_picture", type=IMAGE, max_age_s=1.0),
            RENDERED: SourceConfig(topic=RENDERED, type=IMAGE, max_age_s=1.0),
        },
        vectors={part.name: _vector(part) for part in parts if not part.is_picture},
        cameras=_cameras(parts, pixels),
        **_commands(Actions(environment.action_space), rate),
        guard=unguarded(rate),
    )


def _vector(part: Part) -> VectorConfig:
    elements = tuple(ValueConfig(name=name, field="position", joint=name, scale="auto") for name in part.elements)
    return VectorConfig(source=OBSERVED, elements=elements)


def _cameras(parts: Iterable[Part], pixels: bool) -> dict[str, CameraConfig]:
    image = ImageSpec(height=PICTURE_SIDE, width=PICTURE_SIDE)
    if pixels:
        return {SOLE_PICTURE: CameraConfig(source=RENDERED, image=image)}
    pictures = [part.name for part in parts if part.is_picture]
    return {name: CameraConfig(source=f"{OBSERVED}_picture", image=image) for name in pictures}


def _commands(actions: Actions, rate: float) -> dict[str, Any]:
    """Normalised values as they are, since an environment's id says what they mean; or the numbers of choices."""
    names, low, high = (("choice",), 0.0, len(actions.names) - 1.0) if actions.discrete else (actions.names, -1.0, 1.0)
    unlimited = 2.0 * (high - low) * rate
    joints = tuple(CommandJoint(name=name, unit="", low=low, high=high, max_rate=unlimited) for name in names)
    command = CommandConfig(topic="action", type="std_msgs/msg/Float64MultiArray", kind="effort", joints=joints)
    choices = tuple(
        ChoiceConfig(name=name, values={"choice": float(number)})
        for number, name in enumerate(actions.names if actions.discrete else ())
    )
    return {"commands": (command,), "choices": choices}
