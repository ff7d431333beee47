"""Robots, tasks and agents as data: pydantic models read from YAML, with errors that name file and field."""

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import ValidationError

from robot_mbrl.agent_configs import AgentConfig, AgentSettings
from robot_mbrl.agent_configs.retired import RETIRED
from robot_mbrl.command_config import CommandConfig
from robot_mbrl.errors import ConfigError
from robot_mbrl.joint_config import CommandJoint
from robot_mbrl.robot_config import GuardConfig, RobotConfig
from robot_mbrl.run_config import PUBLIC, RunConfig, TaskConfig
from robot_mbrl.sensor_config import CameraConfig, ValueConfig
from robot_mbrl.specs import Frozen
from robot_mbrl.strict_yaml import read_mapping
from robot_mbrl.topics import JOINT_STATE

Model = TypeVar("Model", bound=Frozen)


def load_run(target: str | Path, overrides: Mapping[str, Any] | None = None, seed: int = 0) -> RunConfig:
    """Resolve a task with its robot and agent, or read a resolved run.

    Args:
        target: name of a packaged task, path of a task's YAML, path of a run's `config.yaml`, or of a run folder.
        overrides: values by dotted path, such as `agent.train_ratio` or `task.episode_steps`.
        seed: seed of the run; ignored where `target` is a resolved run.

    Raises:
        ConfigError: if a file or field is missing or wrong; the message names it.
    """
    path = Path(target)
    if path.is_dir():
        path = path / "config.yaml"
    if (
        path.suffix == ".yaml"
        and path.is_file()
        and "robot" in (raw := read_mapping(path))
        and isinstance(raw["robot"], dict)
    ):
        return _validate(RunConfig, _override(raw, overrides), str(path))
    task_raw, task_file = _find(str(target), "tasks")
    return resolve_run(task_raw, task_file, overrides, seed)


def resolve_run(
    task_raw: Mapping[str, Any],
    task_file: str,
    overrides: Mapping[str, Any] | None = None,
    seed: int = 0,
    robot: RobotConfig | None = None,
    members: Sequence[RunConfig] = (),
) -> RunConfig:
    """Resolve a task's fields with its robot and agent.

    Args:
        task_raw: the fields of the task.
        task_file: where they were read, for messages, and for files that are named beside it.
        overrides: values by dotted path.
        seed: seed of the run.
        robot: the robot; None for the one that the task names.
        members: where the task stands for several, the runs of each.

    Raises:
        ConfigError: if a file or field is missing or wrong; the message names it.
    """
    own = {name: value for name, value in (overrides or {}).items() if name.startswith("task.")}
    task = _override({"task": dict(task_raw)}, own)["task"]
    validated = _validate(TaskConfig, task, task_file)
    if robot is None:
        robot_raw, robot_file = _find(validated.robot, "robots", beside=task_file)
        robot = _without(_validate(RobotConfig, robot_raw, robot_file), validated.unmeasured, task_file)
    agent = _read_agent(validated, task_raw, task_file)
    raw = {"task": task, "robot": robot.model_dump(mode="json"), "agent": agent.model_dump(mode="json"), "seed": seed}
    raw["members"] = [member.model_dump(mode="json") for member in members]
    return _validate(RunConfig, _override(raw, overrides), task_file)


def load_agent(preset: str) -> AgentSettings:
    """The settings of a packaged preset, or of the path of one.

    Raises:
        ConfigError: if it is missing or wrong; the message names file and field.
    """
    raw, file = _find(preset, "presets")
    return _validate(_Preset, {"agent": raw}, file).agent


def packaged(kind: Literal["tasks", "robots", "presets"]) -> tuple[str, ...]:
    """Names of the tasks, robots or presets shipped with the package."""
    folder = resources.files("robot_mbrl") / kind
    return tuple(sorted(p.name.removesuffix(".yaml") for p in folder.iterdir() if p.name.endswith(".yaml")))


def read_model(model: type[Model], path: Path) -> Model:
    """A model from a YAML file of its fields.

    Raises:
        ConfigError: if it cannot be read, or a field is missing or wrong; the message names file and field.
    """
    return _validate(model, read_mapping(path), str(path))


def save_run(config: RunConfig, path: Path) -> None:
    """Write a resolved run as YAML that `load_run` reads back."""
    text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    path.write_text(text, encoding="utf-8")


def _find(name: str, kind: Literal["tasks", "robots", "presets"], beside: str = "") -> tuple[dict[str, Any], str]:
    """Raw content and file name of a packaged YAML or of one on disk, relative paths also beside the naming file."""
    if name in packaged(kind):
        file = resources.files("robot_mbrl") / kind / f"{name}.yaml"
        return read_mapping(Path(str(file))), str(file)
    for path in (Path(name), Path(beside).parent / name):
        if path.suffix == ".yaml" and path.is_file():
            return read_mapping(path), str(path)
    if kind == "presets" and name in RETIRED:
        raise ConfigError(
            f"the preset {name!r} is no more: {RETIRED[name]} is DreamerV3 of that size as published; for a preset of "
            f"your own, name a YAML file"
        )
    raise ConfigError(
        f"{name!r} is neither a packaged name nor a YAML file; packaged {kind} are {', '.join(packaged(kind))}"
    )


def _without(robot: RobotConfig, unmeasured: Sequence[str], task_file: str) -> RobotConfig:
    """A robot less the vectors that a task does without."""
    if unknown := sorted(set(unmeasured) - set(robot.vectors)):
        raise ConfigError(
            f"{task_file}: unmeasured: robot {robot.name!r} has no vectors {unknown}; it has {sorted(robot.vectors)}"
        )
    return robot.model_copy(update={"vectors": {n: v for n, v in robot.vectors.items() if n not in unmeasured}})


class _Preset(Frozen):
    agent: AgentConfig


def _read_agent(task: TaskConfig, written: Mapping[str, Any], task_file: str) -> AgentSettings:
    """The agent of a task, with the task's own settings where they were written for its family.

    Args:
        task: the task, whose agent may be another than its file names.
        written: what its file says.
        task_file: where it was read.
    """
    raw, file = _find(task.agent, "presets", beside=task_file)
    own = written.get("agent", TaskConfig.model_fields["agent"].default)
    overrides = task.overrides
    if task.agent != own and overrides == written.get("overrides", {}):
        own_raw, _ = _find(own, "presets", beside=task_file)
        overrides = overrides if own_raw.get("family") == raw.get("family") else {}
    return _validate(_Preset, {"agent": {**raw, **overrides}}, f"{file} with overrides of {task_file}").agent


def _override(raw: dict[str, Any], overrides: Mapping[str, Any] | None) -> dict[str, Any]:
    """A copy of nested mappings with values replaced by dotted path."""
    result = {key: dict(value) if isinstance(value, dict) else value for key, value in raw.items()}
    for path, value in (overrides or {}).items():
        *parents, leaf = path.split(".")
        node = result
        for parent in parents:
            child = node.get(parent)
            if not isinstance(child, dict):
                raise ConfigError(f"override {path!r}: there is no section {parent!r}")
            node[parent] = child = dict(child)
            node = child
        node[leaf] = value
    return result


def _validate(model: type[Model], raw: Mapping[str, Any], file: str) -> Model:
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(f"{file}: " + "; ".join(_problems(error))) from error


def _problems(error: ValidationError) -> list[str]:
    found = {_place(e["loc"]): _says(e["type"], e["msg"]) for e in error.errors()}
    # What is wrong with an element makes pydantic complain of the list that it leaves too short, too.
    inner = [loc for loc in found if not any(loc != deeper and deeper[: len(loc)] == loc for deeper in found)]
    return [f"{'.'.join(map(str, loc)) or 'as a whole'}: {found[loc]}" for loc in inner]


def _says(kind: str, message: str) -> str:
    """What is wrong with a field, without the words of the library that found it."""
    return "there is no such field" if kind == "extra_forbidden" else message.removeprefix("Value error, ")


def _place(loc: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Where a field is written: of an agent's pydantic names the family, too, which is no section of the file."""
    return (loc[0], *loc[2:]) if loc[:1] == ("agent",) else loc


__all__ = [
    "JOINT_STATE",
    "PUBLIC",
    "AgentSettings",
    "CameraConfig",
    "CommandConfig",
    "CommandJoint",
    "GuardConfig",
    "RobotConfig",
    "RunConfig",
    "TaskConfig",
    "ValueConfig",
    "load_agent",
    "load_run",
    "packaged",
    "read_model",
    "resolve_run",
    "save_run",
]
