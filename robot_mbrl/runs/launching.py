"""What launch files need of the table of nodes; plain types, since `launch` itself belongs to ROS."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from robot_mbrl import topics
from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.errors import ConfigError
from robot_mbrl.runs.environment import joining, ros_environment
from robot_mbrl.runs.folder import RunFolder, write_json
from robot_mbrl.runs.running import ROBOT_RUNS
from robot_mbrl.runs.scenario import NodeProcess, Options, scenario

MOST_NAMED = 5
"""How many fields a refusal names."""

ARGUMENTS = {
    "config": ("", "task name or path of a task's YAML; may be left out where run_dir holds a run"),
    "namespace": ("", "what the robot's nodes and topics are named after; empty for the robot's name"),
    "run_dir": ("", f"folder of the run on this computer; empty for {ROBOT_RUNS}/ and the task's name"),
    "simulated": ("false", "whether the robot is a simulated one, which owns the clock and enables itself"),
    "speed": ("1.0", "simulated seconds per second"),
    "lockstep": ("false", "whether the simulator waits for every step; the same for all launch files of a robot"),
    "start_policy": ("", "what drives before a bundle has arrived: cached, file, random, hold; empty for the safe one"),
    "policy_file": ("", "bundle on this computer that start_policy file drives with, also where that is left out"),
    "provider": ("auto", "what computes the policy: cpu, cuda, tensorrt, or auto for the fastest"),
    "accept_new_run": ("false", "whether bundles of another learning run replace those that the robot has"),
}
"""Arguments of every launch file, each with its default and description."""


Check = Callable[[RunConfig], object]
"""Raises if a run is not to begin, or to go on, here and now."""


def launched(side: str, check: Check = lambda config: None, **chosen: str) -> list[NodeProcess]:
    """The nodes that one computer's launch file starts.

    Args:
        side: `sim`, `robot` or `workstation`.
        check: called with the run before there is a folder for it.
        chosen: `ARGUMENTS` as text; those left out have their defaults. The run's folder is made if it is missing.

    Raises:
        ConfigError: if one of them cannot be understood, or robot or task are not those of the run in the folder.
    """
    text = {name: default for name, (default, _) in ARGUMENTS.items()} | chosen
    simulated = yes(text, "simulated")
    # Before the run's folder is made: what is refused leaves nothing behind.
    options = Options(
        speed=_number(text, "speed"),
        lockstep=yes(text, "lockstep"),
        start_policy=text["start_policy"] or None,
        policy_file=expanded(text["policy_file"]).absolute() if text["policy_file"] else None,
        provider=text["provider"],
        accept_new_run=yes(text, "accept_new_run"),
    )
    environment = ros_environment(os.environ)
    run, folder = open_or_create(text["config"], text["run_dir"], text["namespace"], check)
    # What `robot-mbrl enable` and `stop` find the nodes by.
    write_json(folder.environment, joining(environment))
    return list(scenario(side, run, folder.path, replace(options, seed=run.seed), simulated=simulated))


def open_or_create(
    config: str, run_dir: str, namespace: str = "", check: Check = lambda config: None
) -> tuple[RunConfig, RunFolder]:
    """The run of a computer that takes part in it, and its folder there.

    Args:
        config: task name or path of a task's YAML; may be empty where the folder holds a run.
        run_dir: the folder; empty for the task's own below `ROBOT_RUNS`, or the namespace's.
        namespace: of the robot; empty for the robot's name, or for what the run in the folder says.
        check: called with the run before there is a folder for it.

    Raises:
        ConfigError: if neither is given, or robot, task or namespace are not those of the run in the folder.
    """
    if not config and not run_dir:
        raise ConfigError("config: name a task or the path of its YAML, or give in run_dir the folder of a run")
    if not config:
        folder = RunFolder.open(expanded(run_dir))
        saved = _in_namespace(load_run(folder.path), namespace, folder.path)
        check(saved)
        return saved, folder
    wanted = load_run(expanded(config), {"namespace": namespace} if namespace else None)
    own = f"{wanted.task.name}-{namespace}" if namespace else wanted.task.name
    path = expanded(run_dir or ROBOT_RUNS / own)
    if not (path / "config.yaml").is_file():
        check(wanted)
        return wanted, RunFolder.create(wanted, path)
    saved, fields = load_run(path), {"robot", "task"}
    # Limits that were mended in a YAML meanwhile would not hold, though the person who launches believes so.
    there, asked_for = (run.model_dump(mode="json", include=fields) for run in (saved, wanted))
    changed = list(_differences(there, asked_for))
    if changed:
        more = f" and {len(changed) - MOST_NAMED} more" if len(changed) > MOST_NAMED else ""
        raise ConfigError(
            f"{path} holds a run with other values of {', '.join(changed[:MOST_NAMED])}{more} than {config}: name "
            "another folder to begin a new run, or no task to go on with the one there as it was saved"
        )
    _in_namespace(saved, namespace, path)
    check(saved)
    return saved, RunFolder.open(path)


def _in_namespace(saved: RunConfig, namespace: str, path: Path) -> RunConfig:
    """A run, made sure to be in the namespace that was asked for."""
    if namespace and saved.space != topics.namespace(namespace):
        raise ConfigError(f"{path} holds a run in namespace {saved.space}, not {namespace!r}: name another folder")
    return saved


def expanded(path: str | Path) -> Path:
    """A path as a person writes it, `~` for the home.

    Raises:
        ConfigError: if this user has none.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        # As of a service.
        raise ConfigError(f"{path}: this user has no home: name another folder with --run, or run_dir") from None


def _differences(old: Any, new: Any, path: str = "") -> Iterator[str]:
    """Dotted paths of what differs between two nested structures."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in {**old, **new}:
            yield from _differences(old.get(key), new.get(key), f"{path}.{key}" if path else key)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, pair in enumerate(zip(old, new, strict=True)):
            yield from _differences(*pair, f"{path}.{index}")
    elif old != new:
        yield path


def _number(text: dict[str, str], name: str) -> float:
    try:
        return float(text[name])
    except ValueError:
        raise ConfigError(f"{name}: {text[name]!r} is not a number") from None


def yes(text: dict[str, str], name: str) -> bool:
    """An argument that is `true` or `false`.

    Raises:
        ConfigError: if it is neither.
    """
    choices = {"true": True, "false": False}
    try:
        return choices[text[name].lower()]
    except KeyError:
        raise ConfigError(f"{name}: {text[name]!r} is neither true nor false") from None
