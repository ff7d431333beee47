"""A task and a run as data: what of a robot is observed, how episodes go, and what learns from them."""

from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from robot_mbrl import topics
from robot_mbrl.agent_configs import AgentConfig
from robot_mbrl.errors import ConfigError
from robot_mbrl.goal_config import GoalConfig, GoalTopicConfig
from robot_mbrl.robot_config import RobotConfig
from robot_mbrl.specs import ActionSpec, Count, Frozen, ImageSpec, Name, ObservationSpec, Positive, VectorSpec
from robot_mbrl.tasks import Task, computed_by, find_task
from robot_mbrl.topics import AGE_SUFFIX, OBSERVATION_RESERVED

PUBLIC = "gym:"
"""What the `world` of a task begins with that is a Gymnasium environment; its id follows."""
SEVERAL = "several"
"""The `world` of a task that stands for several, which are lived in turn; see `RunConfig.members`."""


def task_flag(name: str) -> str:
    """Name of the observed value that is 1 in one of several tasks, and 0 in the others."""
    return f"task_{name}"


class TaskConfig(Frozen):
    """A task: a robot, what of it is observed, and how episodes begin and end."""

    name: Name
    description: str = ""
    robot: str
    """Name of a packaged robot, or the path of a robot's YAML."""
    task: str | None
    """Key of the task class in `robot_mbrl.tasks.TASKS`, or the import path of one of your own,
    `package.module:Class`; null for a Gymnasium environment, which judges itself, and for several tasks, each of which
    is judged by its own."""
    reward: Literal["task", "feedback"] = "task"
    """Who pays: the task class, or people's labels alone, on the topic `feedback`. Then what the class judges as
    terminal or as success counts all the same; `labels` is one that judges nothing."""
    world: str | None = None
    """Key of the simulated world in `sim.worlds.WORLDS`, or `gym:` and the id of a Gymnasium environment; null for a
    task that exists in hardware only; `several` for several tasks in turn."""
    unmeasured: tuple[str, ...] = ()
    """Names of the robot's vectors that this task does without: they are neither waited for nor observed."""
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
    goal_topics: tuple[GoalTopicConfig, ...] = ()
    """Further topics on which it may be told, by messages of standard types."""
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
    def _topics_tell_its_goal(self) -> Self:
        known = [element.name for group in self.goal.values() for element in group.elements]
        told = [topics.GOAL, *(tells.topic for tells in self.goal_topics)]
        for tells in self.goal_topics:
            if unknown := sorted(set(tells.names) - set(known)):
                raise ValueError(
                    f"goal_topics: {tells.topic} sets {unknown}, no elements of the goal; they are {known}"
                )
            if told.count(tells.topic) > 1:
                raise ValueError(f"goal_topics: {tells.topic} is named twice, or the goal's own; name another")
        return self

    @model_validator(mode="after")
    def _somebody_judges(self) -> Self:
        if (self.task is None) != (self.is_public or self.world == SEVERAL):
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
    members: tuple["RunConfig", ...] = ()
    """The runs of single tasks that this one stands for, where one model learns several (see `several`); empty for a
    run of one task."""

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

    @property
    def tasks(self) -> tuple[TaskConfig, ...]:
        """The tasks whose episodes are lived: its own, or those of its members."""
        return tuple(member.task for member in self.members) or (self.task,)

    def task_of(self, values: Mapping[str, float]) -> TaskConfig:
        """Which of them an observation of these values is of."""
        return next((task for task in self.tasks if values.get(task_flag(task.name))), self.task)

    @model_validator(mode="after")
    def _several_tasks_have_members(self) -> Self:
        if bool(self.members) != (self.task.world == SEVERAL):
            raise ValueError(f"members: a run of the world {SEVERAL!r} has some, and no other run")
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
        for tracker in self.robot.trackers.values():
            pictures.setdefault(tracker.camera, ImageSpec())
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
