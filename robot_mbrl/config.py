"""Robots, tasks and agents as data: pydantic models read from YAML, with errors that name file and field."""

from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import yaml
from pydantic import Field, ValidationError, model_validator

from robot_mbrl.agent_config import AgentConfig
from robot_mbrl.errors import ConfigError
from robot_mbrl.specs import ActionSpec, Element, Frozen, ImageSpec, ObservationSpec, VectorSpec

Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]

SourceType = Literal[
    "sensor_msgs/msg/JointState",
    "sensor_msgs/msg/Image",
    "sensor_msgs/msg/CompressedImage",
    "sensor_msgs/msg/Imu",
    "nav_msgs/msg/Odometry",
    "geometry_msgs/msg/WrenchStamped",
    "std_msgs/msg/Float64",
    "std_msgs/msg/Bool",
]
CommandType = Literal[
    "std_msgs/msg/Float64MultiArray",
    "sensor_msgs/msg/JointState",
    "trajectory_msgs/msg/JointTrajectory",
    "geometry_msgs/msg/Twist",
    "geometry_msgs/msg/TwistStamped",
]
Model = TypeVar("Model", bound=Frozen)
JOINT_STATE = "sensor_msgs/msg/JointState"
JOINT_FIELDS = ("position", "velocity", "effort")
TWIST_AXES = ("linear.x", "linear.y", "linear.z", "angular.x", "angular.y", "angular.z")
IMAGE_TYPES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")


class SourceConfig(Frozen):
    """A sensor topic of the robot's driver."""

    topic: str
    type: SourceType
    max_age_s: Positive
    """Older than this and the source is stale: no observation is published, and the guard stops the robot."""
    reliable: bool = True
    """False subscribes best effort, as most camera drivers publish."""


class ValueConfig(Frozen):
    """One observed value: where it is read and what is made of it."""

    name: str
    field: str
    """Field of the message: `position`, `velocity` or `effort` of a JointState, else a dotted path."""
    joint: str | None = None
    """Joint to look up by name, for a JointState."""
    transform: Literal["none", "cos", "sin", "roll", "pitch", "yaw"] = "none"
    """Applied to the reading; roll, pitch and yaw read a quaternion."""
    unit: str = ""
    scale: Positive = 1.0


class VectorConfig(Frozen):
    """A group of values read from one source."""

    source: str
    elements: Annotated[tuple[ValueConfig, ...], Field(min_length=1)]

    def spec(self) -> VectorSpec:
        """The part of the configuration that agents need to know."""
        return VectorSpec(elements=tuple(Element(name=e.name, unit=e.unit, scale=e.scale) for e in self.elements))


class CameraConfig(Frozen):
    """A picture read from one source, resized to what the policy sees."""

    source: str
    image: ImageSpec = ImageSpec()


class CommandJoint(Frozen):
    """A commanded joint or twist axis with the limits the guard enforces, in the command's units."""

    name: str
    unit: str
    low: float
    high: float
    """Bounds of the command itself; the normalised actions -1 and 1 map onto them."""
    max_rate: Positive
    """How fast the command may change: position rad/s or m/s, velocity rad/s² or m/s², effort N/s or N m/s."""
    max_acceleration: Positive | None = None
    """For position commands, how fast that rate may change, rad/s² or m/s²."""
    position_low: float | None = None
    position_high: float | None = None
    """Where the joint itself may be; found beyond, the guard stops and latches. Velocity commands brake before it."""
    braking: Positive | None = None
    """For velocity commands with position bounds, the deceleration the robot is sure to manage."""

    @model_validator(mode="after")
    def _bounds_are_ordered(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"joint {self.name}: low {self.low} is not below high {self.high}")
        if (self.position_low is None) != (self.position_high is None):
            raise ValueError(f"joint {self.name}: give both position_low and position_high, or neither")
        if self.position_low is not None and self.position_high is not None and self.position_low >= self.position_high:
            raise ValueError(f"joint {self.name}: position_low is not below position_high")
        return self


class CommandConfig(Frozen):
    """A command topic of the robot's driver."""

    topic: str
    type: CommandType
    kind: Literal["position", "velocity", "effort", "twist"]
    source: str | None = None
    """JointState source with the measured positions of these joints; needed for position commands and bounds."""
    joints: Annotated[tuple[CommandJoint, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _limits_fit_the_kind(self) -> Self:
        for joint in self.joints:
            if self.kind == "position" and joint.max_acceleration is None:
                raise ValueError(f"joint {joint.name}: position commands need max_acceleration")
            if self.kind == "velocity" and joint.position_low is not None and joint.braking is None:
                raise ValueError(f"joint {joint.name}: velocity commands with position bounds need braking")
            if joint.position_low is not None and self.source is None:
                raise ValueError(f"joint {joint.name}: position bounds need the command's source to be named")
        if self.kind == "position" and self.source is None:
            raise ValueError("position commands need a source with the measured positions")
        if (self.kind == "twist") != self.type.startswith("geometry_msgs/"):
            raise ValueError("twist commands, and only those, need geometry_msgs/msg/Twist or TwistStamped")
        if self.kind == "twist" and (unknown := [joint.name for joint in self.joints if joint.name not in TWIST_AXES]):
            raise ValueError(f"a twist has no axes {unknown}; it has {TWIST_AXES}")
        return self


class ChoiceConfig(Frozen):
    """One discrete action: the normalised command, in [-1, 1], it holds for each named joint; others get 0."""

    name: str
    values: dict[str, Annotated[float, Field(ge=-1, le=1)]]


class GuardConfig(Frozen):
    """Timing and stopping behaviour of the guard."""

    command_rate_hz: Positive
    """How often the command is repeated, interpolated towards the newest action."""
    action_deadline_s: Positive
    """How long after an observation its action may arrive before the previous one is held as late."""
    command_timeout_s: Positive
    """How long without a timely action before the safe stop."""
    recover_steps: Count = 5
    """Timely actions in a row that end a safe stop."""
    safe_stop: Literal["hold", "zero", "damping"]
    """hold: keep the measured position; zero: zero velocity or effort; damping: effort against the velocity."""
    damping: NonNegative = 0.0
    """Gain of the damping stop, effort per unit of velocity."""
    driver_timeout_s: Positive | None
    """After how long without commands the driver stops the robot by itself; null where it never does."""

    @model_validator(mode="after")
    def _deadline_is_before_timeout(self) -> Self:
        if self.action_deadline_s > self.command_timeout_s:
            raise ValueError("action_deadline_s must not exceed command_timeout_s")
        return self


class RobotConfig(Frozen):
    """A robot: its topics, joints, limits and rates."""

    name: str
    description: str = ""
    control_rate_hz: Positive
    sources: dict[str, SourceConfig]
    vectors: dict[str, VectorConfig] = {}
    cameras: dict[str, CameraConfig] = {}
    commands: Annotated[tuple[CommandConfig, ...], Field(min_length=1)]
    choices: tuple[ChoiceConfig, ...] = ()
    """Given, the agent picks one of these; empty, it sets every joint's command continuously."""
    random_hold_steps: Count = 8
    """How many steps a random action is held while exploring without a policy."""
    guard: GuardConfig
    home: dict[str, float] = {}
    """Position, rad or m, of each joint commanded by position, that a reset by `home` moves to."""

    @model_validator(mode="after")
    def _names_resolve(self) -> Self:
        for name, vector in self.vectors.items():
            self._require_source(vector.source, f"vectors.{name}.source", images=False)
            joint_state = self.sources[vector.source].type == "sensor_msgs/msg/JointState"
            for value in vector.elements:
                if joint_state and value.joint is None:
                    raise ValueError(f"vectors.{name}: {value.name} reads a JointState and needs a joint")
                if joint_state and value.field not in JOINT_FIELDS:
                    raise ValueError(f"vectors.{name}: {value.name} reads {value.field!r}, none of {JOINT_FIELDS}")
                if not joint_state and value.joint is not None:
                    raise ValueError(f"vectors.{name}: {value.name} names a joint, but its source is no JointState")
        for name, camera in self.cameras.items():
            self._require_source(camera.source, f"cameras.{name}.source", images=True)
        for command in self.commands:
            if command.source is not None:
                self._require_source(command.source, "commands.source", images=False)
                if self.sources[command.source].type != JOINT_STATE:
                    raise ValueError(f"commands.source: source {command.source!r} is no JointState")
        _require_unique((e.name for v in self.vectors.values() for e in v.elements), "observed values")
        _require_unique(self.joint_names, "commanded joints")
        for choice in self.choices:
            if unknown := set(choice.values) - set(self.joint_names):
                raise ValueError(f"choices.{choice.name} names joints that are not commanded: {sorted(unknown)}")
        positioned = {joint.name for command in self.commands if command.kind == "position" for joint in command.joints}
        if self.home and set(self.home) != positioned:
            raise ValueError(f"home must name the joints commanded by position: {sorted(positioned)}")
        return self

    def _require_source(self, source: str, where: str, *, images: bool) -> None:
        if source not in self.sources:
            raise ValueError(f"{where}: no source named {source!r}; there are {sorted(self.sources)}")
        if (self.sources[source].type in IMAGE_TYPES) != images:
            raise ValueError(f"{where}: source {source!r} is of the wrong type ({self.sources[source].type})")

    @property
    def period_s(self) -> float:
        """Duration of one control step."""
        return 1.0 / self.control_rate_hz

    @property
    def joints(self) -> tuple[CommandJoint, ...]:
        """Every commanded joint, in order of the commands."""
        return tuple(joint for command in self.commands for joint in command.joints)

    @property
    def joint_names(self) -> tuple[str, ...]:
        """Names of every commanded joint, in order of the commands."""
        return tuple(joint.name for joint in self.joints)

    def action_spec(self) -> ActionSpec:
        """What an agent of this robot decides at each step."""
        if self.choices:
            return ActionSpec(kind="discrete", names=tuple(choice.name for choice in self.choices))
        return ActionSpec(names=self.joint_names, units=tuple(joint.unit for joint in self.joints))


class TaskConfig(Frozen):
    """A task: a robot, what of it is observed, and how episodes begin and end."""

    name: str
    description: str = ""
    robot: str
    """Name of a packaged robot, or the path of a robot's YAML."""
    task: str
    """Key of the task class in `robot_mbrl.tasks.TASKS`."""
    world: str | None = None
    """Key of the simulated world in `sim.worlds.WORLDS`; null for a task that exists in hardware only."""
    observe: Annotated[tuple[str, ...], Field(min_length=1)]
    """Names of the robot's vectors and cameras that the agent sees."""
    episode_steps: Count = 250
    reset: Literal["none", "service", "home", "human"] = "service"
    evaluate_every: Annotated[int, Field(ge=0)] = 5
    """Every n-th episode is lived in evaluate mode; 0 for never."""
    action_repeat: Count = 1
    """Control periods that each action is held for; rewards are summed over them."""
    agent: str = "dreamer-cpu"
    """Name of a packaged preset, or the path of one."""
    overrides: dict[str, Any] = {}
    """Fields of the preset that this task sets differently."""


class RunConfig(Frozen):
    """Everything a run is defined by; saved as `config.yaml` in its folder."""

    task: TaskConfig
    robot: RobotConfig
    agent: AgentConfig
    seed: int = 0

    @model_validator(mode="after")
    def _task_fits_robot(self) -> Self:
        for name in self.task.observe:
            if name not in self.robot.vectors and name not in self.robot.cameras:
                have = sorted([*self.robot.vectors, *self.robot.cameras])
                raise ValueError(f"task.observe: robot {self.robot.name!r} has no {name!r}; it has {have}")
        if self.task.reset == "home" and not self.robot.home:
            raise ValueError(f"task.reset: robot {self.robot.name!r} has no home")
        return self

    def observation_spec(self) -> ObservationSpec:
        """What the agent of this run sees."""
        robot = self.robot
        return ObservationSpec(
            vectors={n: robot.vectors[n].spec() for n in self.task.observe if n in robot.vectors},
            images={n: robot.cameras[n].image for n in self.task.observe if n in robot.cameras},
        )

    def action_spec(self) -> ActionSpec:
        """What the agent of this run decides."""
        return self.robot.action_spec()

    @property
    def step_s(self) -> float:
        """Duration of one step of experience: the control period times the action repeat."""
        return self.robot.period_s * self.task.action_repeat


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
        and "robot" in (raw := _read_yaml(path))
        and isinstance(raw["robot"], dict)
    ):
        return _validate(RunConfig, _override(raw, overrides), str(path))
    task_raw, task_file = _find(str(target), "tasks")
    task = _override({"task": task_raw}, {k: v for k, v in (overrides or {}).items() if k.startswith("task.")})["task"]
    validated = _validate(TaskConfig, task, task_file)
    robot_raw, robot_file = _find(validated.robot, "robots", beside=task_file)
    robot = _validate(RobotConfig, robot_raw, robot_file)
    agent_raw, agent_file = _find(validated.agent, "presets", beside=task_file)
    agent = _validate(AgentConfig, {**agent_raw, **validated.overrides}, f"{agent_file} with overrides of {task_file}")
    raw = {"task": task, "robot": robot.model_dump(mode="json"), "agent": agent.model_dump(mode="json"), "seed": seed}
    return _validate(RunConfig, _override(raw, overrides), task_file)


def packaged(kind: Literal["tasks", "robots", "presets"]) -> tuple[str, ...]:
    """Names of the tasks, robots or presets shipped with the package."""
    folder = resources.files("robot_mbrl") / kind
    return tuple(sorted(p.name.removesuffix(".yaml") for p in folder.iterdir() if p.name.endswith(".yaml")))


def save_run(config: RunConfig, path: Path) -> None:
    """Write a resolved run as YAML that `load_run` reads back."""
    path.write_text(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True))


def _find(name: str, kind: Literal["tasks", "robots", "presets"], beside: str = "") -> tuple[dict[str, Any], str]:
    """Raw content and file name of a packaged YAML or of one on disk, relative paths also beside the naming file."""
    if name in packaged(kind):
        file = resources.files("robot_mbrl") / kind / f"{name}.yaml"
        return _read_yaml(Path(str(file))), str(file)
    for path in (Path(name), Path(beside).parent / name):
        if path.suffix == ".yaml" and path.is_file():
            return _read_yaml(path), str(path)
    raise ConfigError(
        f"{name!r} is neither a packaged name nor a YAML file; packaged {kind} are {', '.join(packaged(kind))}"
    )


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        raw = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: cannot be read as YAML: {error}") from error
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: must be a mapping of fields, not {type(raw).__name__}")
    return raw


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
        problems = [f"{'.'.join(map(str, e['loc'])) or 'as a whole'}: {e['msg']}" for e in error.errors()]
        raise ConfigError(f"{file}: " + "; ".join(problems)) from error


def _require_unique(names: Iterable[str], what: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"{what}: the name {name!r} is used twice")
        seen.add(name)
