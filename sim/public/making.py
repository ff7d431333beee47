"""Environments by name: those that Gymnasium has registered, and those of the DeepMind Control Suite."""

import difflib
from collections.abc import Mapping
from typing import Any

import gymnasium

from robot_mbrl.config import PUBLIC
from sim.errors import WorldError
from sim.public import dm_control

EXTRA = "pip install robot-mbrl[gym]"
DEFAULT_RATE_HZ = 20.0
"""Control steps per second of an environment that does not say; nothing but the times in recordings depends on it."""

Environment = gymnasium.Env[Any, Any]


def make_environment(world: str, *, rendered: bool) -> Environment:
    """Make an environment.

    Args:
        world: `gym:` and the environment's id, as a task's `world` has it.
        rendered: whether `render` shall give pictures.

    Raises:
        WorldError: if there is none of this name, or what it needs is not installed; the message names the nearest
            names, or the remedy.
    """
    name = world.removeprefix(PUBLIC)
    mode = "rgb_array" if rendered else None
    try:
        if name.startswith(f"{dm_control.NAMESPACE}/"):
            return dm_control.SuiteEnvironment(name, mode)
        made: Environment = gymnasium.make(name, render_mode=mode, disable_env_checker=True)
    except (KeyError, gymnasium.error.UnregisteredEnv, gymnasium.error.Error) as error:
        if isinstance(error, gymnasium.error.DependencyNotInstalled):
            raise WorldError(f"{world}: {error}; {EXTRA} installs what most environments need") from error
        raise WorldError(f"{world}: {_unknown(name, error)}") from error
    except ModuleNotFoundError as error:
        raise WorldError(f"{world}: {error}; {EXTRA} installs what most environments need") from error
    return made


def rate_hz(environment: Environment) -> float:
    """Control steps per second."""
    metadata: Mapping[str, Any] = environment.metadata or {}
    step_s = getattr(environment.unwrapped, "dt", None)
    return float(metadata.get("render_fps") or (1.0 / step_s if step_s else DEFAULT_RATE_HZ))


def step_limit(environment: Environment) -> int | None:
    """Control steps after which an episode is truncated; None if it is not."""
    if isinstance(environment, dm_control.SuiteEnvironment):
        return environment.step_limit
    return environment.spec.max_episode_steps if environment.spec is not None else None


def _unknown(name: str, error: Exception) -> str:
    names = list(gymnasium.registry)
    try:
        names += dm_control.suite_names()
    except ModuleNotFoundError as missing:
        if name.startswith(f"{dm_control.NAMESPACE}/"):
            return f"{missing}; {EXTRA} brings it"
    if name in names:
        return str(error)
    nearest = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    return "there is no such environment; " + (
        f"the nearest are {', '.join(PUBLIC + other for other in nearest)}"
        if nearest
        else "`gymnasium.pprint_registry()` lists those of Gymnasium"
    )
