"""Robots, tasks and agents as data: pydantic models read from YAML, with errors that name file and field."""

from collections.abc import Collection, Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import yaml
from pydantic import Field, ValidationError, model_validator

from robot_mbrl import topics
from robot_mbrl.agent_configs import AgentConfig, AgentSettings
from robot_mbrl.agent_configs.retired import RETIRED
from robot_mbrl.command_config import CommandConfig, CommandJoint
from robot_mbrl.errors import ConfigError
from robot_mbrl.goal_config import GoalConfig
from robot_mbrl.robot_config import (
    CameraConfig,
    GuardConfig,
    RobotConfig,
    ValueConfig,
)
from robot_mbrl.specs import ActionSpec, Count, Frozen, ImageSpec, Name, ObservationSpec, Positive, VectorSpec
from robot_mbrl.strict_yaml import read_mapping
from robot_mbrl.tasks import Task, computed_by, find_task
from robot_mbrl.topics import AGE_SUFFIX, JOINT_STATE, OBSERVATION_RESERVED

Model = TypeVar("Model", bound=Frozen)

PUBLIC = "gym:"
"""What the `world` of a task begins with that is a Gymnasium environment; its id follows."""


class TaskConfig(Frozen):
    """A task: a robot, what of it is observed, and how episodes begin and end."""

    name: Name
    description: str = ""
    robot: str
    """Name of a packaged robot, or the path of a robot's YAML."""
    task: str | None
    """Key of the task class in `robot_mbrl.tasks.TASKS`, or the import path of one of your own,
    `package.module:Class`; null for a Gymnasium environment, which judges itself."""
    reward: Literal["task", "feedback"] = "task"
    """Who pays: the task class, or people's labels alone, on the topic `feedback`. Then what the class judges as
    terminal or as success counts all the same; `labels` is one that judges nothing."""
    world: str | None = None
    """Key of the simulated world in `sim.worlds.WORLDS`, or `gym:` and the id of a Gymnasium environment; null for a
    task that exists in hardware only."""
    observe: Annotated[tuple[str, ...], Field(min_length=1)]
    """Names of the robot's vectors and cameras, and of groups that the task computes, that the agent sees."""
    episode_steps: Count = 250
    reset: Literal["none", "service", "home", "human"] = "service"
    reset_timeout_s: Positive = 30.0
    """How long a reset by service or home may take; one that has not answered by then is asked for again."""
    evaluate_every: Annotated[int, Field(ge=0)] = 5
    """Every n-th episode is lived in evaluate mode; 0 for never."""
    goal: dict[Name, GoalConfig] = {}
    """What the robot is to bring about, where that is told while it lives, on the topic `goal`."""
    reward_scale: Positive | None = None
    """A typical magnitude of the reward of a step: beyond 100 times that, rewards are bounded. Null to learn it."""
    action_repeat: Count = 1
    """Control periods that each action is held for; rewards are summed over them."""
    agent: str = "dreamer-cpu"
    """Name of a packaged preset, or the path of one."""
    overrides: dict[str, Any] = {}
    """Fields of the preset that this task sets differently."""

    @property
    def is_public(self) -> bool:
        """Whether it is a Gymnasium environment: without a robot's topics, driver and guard."""
        return self.world is not None and self.world.startswith(PUBLIC)

    @model_validator(mode="after")
    def _somebody_judges(self) -> Self:
        if (self.task is None) != self.is_public:
            raise ValueError(f"task: only environments of Gymnasium (world {PUBLIC}…) judge themselves, all of them do")
        return self


class RunConfig(Frozen):
    """Everything a run is defined by; saved as `config.yaml` in its folder."""

    task: TaskConfig
    robot: RobotConfig
    agent: AgentConfig
    seed: Annotated[int, Field(ge=0)] = 0
    namespace: Name | None = None
    """What the robot's nodes and topics are named after where two of a kind share a graph, each under its own; null for
    the robot's name. `-` becomes `_`."""

    @property
    def space(self) -> str:
        """The robot's ROS namespace."""
        return topics.namespace(self.namespace or self.robot.name)

    @model_validator(mode="after")
    def _task_fits_robot(self) -> Self:
        try:
            judge = self.task_class
        except ConfigError as error:
            raise ValueError(f"task.task: {error}") from error
        have = [*self.robot.vectors, *self.robot.cameras, *self.computed_spec()]
        for name in self.task.observe:
            if name not in have:
                raise ValueError(
                    f"task.observe: robot {self.robot.name!r} has no {name!r}, nor does its task compute any; there "
                    f"are {sorted(have)}"
                )
        if self.task.reset == "home" and not self.robot.home:
            raise ValueError(f"task.reset: robot {self.robot.name!r} has no home")
        measured = {value.name for _, _, value in self.robot.values()}
        measured |= self._goal_names(measured)
        self._check_computed(measured)
        reads = judge.reads if judge is not None else ()
        if missing := sorted(set(reads) - measured):
            raise ValueError(
                f"task.task: {self.task.task!r} judges by {missing}, which robot {self.robot.name!r} does not measure; "
                f"add elements of these names to its vectors, or to task.goal"
            )
        return self

    @model_validator(mode="after")
    def _agent_can_see_the_pictures(self) -> Self:
        for name in self.task.observe:
            if name in self.robot.cameras and not _is_foldable(image := self.robot.cameras[name].image):
                raise ValueError(
                    f"cameras.{name}.image of robot {self.robot.name!r}: agents see square pictures with a side of 8, "
                    f"16, 32, 64, 128, 256 or 512, not {image.height}x{image.width}"
                )
        return self

    def observation_spec(self) -> ObservationSpec:
        """What the agent of this run sees."""
        robot = self.robot
        vectors = {name: vector.spec() for name, vector in robot.vectors.items()} | self.computed_spec()
        return ObservationSpec(
            vectors={name: vectors[name] for name in self.task.observe if name in vectors},
            images={n: robot.cameras[n].image for n in self.task.observe if n in robot.cameras},
        )

    def computed_spec(self) -> dict[str, VectorSpec]:
        """What the task computes, by name of the group: in every observation, and seen by agents that observe it."""
        judge = self.task_class
        return dict(computed_by(judge)) if judge is not None else {}

    @property
    def task_class(self) -> type[Task] | None:
        """What judges; None for a Gymnasium environment.

        Raises:
            ConfigError: if there is no such class, which is found out when the run is read.
        """
        return find_task(self.task.task) if self.task.task is not None else None

    def _check_computed(self, measured: Collection[str]) -> None:
        """What the task computes stands beside the measured and the goal's, each under a name of its own."""
        groups = self.computed_spec()
        names = [name for group in groups.values() for name in group.names]
        for name in names:
            if name in {*measured, *OBSERVATION_RESERVED} or name.endswith(AGE_SUFFIX) or names.count(name) > 1:
                raise ValueError(
                    f"task.task: {self.task.task!r} computes {name!r}, which would be taken for another value; let it "
                    f"have its own name"
                )
        if taken := sorted(groups.keys() & {*self.robot.vectors, *self.robot.cameras, *self.task.goal}):
            raise ValueError(
                f"task.task: {self.task.task!r} computes groups named {taken}, as vectors, cameras or goals of this "
                f"run are; let them have names of their own"
            )

    def taken_pictures(self) -> dict[str, ImageSpec]:
        """The pictures that simulated cameras take for it, by source; of several looks at one source the finest."""
        pictures: dict[str, ImageSpec] = {}
        for name in self.observation_spec().images:
            camera = self.robot.cameras[name]
            taken, other = camera.taken, pictures.get(camera.source)
            if other is None or taken.height * taken.width > other.height * other.width:
                pictures[camera.source] = taken
        return pictures

    def goal_spec(self) -> dict[str, VectorSpec]:
        """What the agent of this run may be told to bring about, by name."""
        return {name: goal.spec() for name, goal in self.task.goal.items()}

    def action_spec(self) -> ActionSpec:
        """What the agent of this run decides."""
        return self.robot.action_spec()

    def _goal_names(self, measured: Collection[str]) -> set[str]:
        """Names of the goal's elements, which stand beside the measured ones in every observation."""
        names = [element.name for goal in self.task.goal.values() for element in goal.elements]
        taken = {*measured, *OBSERVATION_RESERVED}
        for name in names:
            if name in taken or name.endswith(AGE_SUFFIX) or names.count(name) > 1:
                raise ValueError(
                    f"task.goal: an element named {name!r} would be taken for another; give it its own name"
                )
        return set(names)

    @property
    def step_s(self) -> float:
        """Duration of one step of experience: the control period times the action repeat."""
        return self.robot.period_s * self.task.action_repeat


def _is_foldable(image: ImageSpec) -> bool:
    """Whether halving its sides again and again ends in a square of 4x4, as the agents' convolutions do."""
    return image.height == image.width and image.height.bit_count() == 1


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
) -> RunConfig:
    """Resolve a task's fields with its robot and agent.

    Args:
        task_raw: the fields of the task.
        task_file: where they were read, for messages, and for files that are named beside it.
        overrides: values by dotted path.
        seed: seed of the run.
        robot: the robot; None for the one that the task names.

    Raises:
        ConfigError: if a file or field is missing or wrong; the message names it.
    """
    own = {name: value for name, value in (overrides or {}).items() if name.startswith("task.")}
    task = _override({"task": dict(task_raw)}, own)["task"]
    validated = _validate(TaskConfig, task, task_file)
    if robot is None:
        robot_raw, robot_file = _find(validated.robot, "robots", beside=task_file)
        robot = _validate(RobotConfig, robot_raw, robot_file)
    agent = _read_agent(validated, task_raw, task_file)
    raw = {"task": task, "robot": robot.model_dump(mode="json"), "agent": agent.model_dump(mode="json"), "seed": seed}
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
