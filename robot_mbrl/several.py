"""Several tasks as one run, which one model learns: one agent for six tasks (Hafner et al. 2019, section 4).

Its observation is every value that any of the tasks observes, by name: 0 where a task lacks it; and which task it is,
as a one-hot. Its action is as long as the longest: the first elements are a task's own, and the rest is nobody's.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from robot_mbrl.agent_configs import PlaNetConfig
from robot_mbrl.config import CommandConfig, CommandJoint, RobotConfig, RunConfig, load_run, resolve_run
from robot_mbrl.errors import ConfigError
from robot_mbrl.robot_config import unguarded
from robot_mbrl.run_config import PUBLIC, SEVERAL, task_flag
from robot_mbrl.sensor_config import SourceConfig, ValueConfig, VectorConfig
from robot_mbrl.specs import Element
from robot_mbrl.topics import JOINT_STATE

SEPARATOR = "+"
"""Between the tasks, where several are named: `pendulum+cartpole`."""
PRESET = "planet-multitask-cpu"
"""What learns them where the user names no agent."""
VALUES, WHICH = "values", "task"
"""Names of the observed vectors: all values, and the one-hot of the task."""


def names_several(task: str) -> bool:
    """Whether what a user named are several tasks."""
    return SEPARATOR in task and not Path(task).exists()


def load_several(tasks: str, overrides: Mapping[str, Any] | None = None, seed: int = 0) -> RunConfig:
    """The run in which one model learns several tasks.

    Each keeps its robot, control rate, episodes and goal, which stays at its initial value; a step of the run is a step
    of the task whose turn it is, however long that lasts.

    Args:
        tasks: their names or paths, with `+` between them.
        overrides: values by dotted path, as for `load_run`; those of tasks and robots hold for each of them.
        seed: of the run.

    Raises:
        ConfigError: if there is no such task, an override is wrong, or one model cannot learn these.
    """
    chosen = {"task.agent": PRESET, **(overrides or {})}
    members = tuple(_load_member(name, chosen, seed) for name in tasks.split(SEPARATOR))
    _check(members)
    elements = observed_values(members)
    first, name = members[0], "-and-".join(member.task.name for member in members)
    robot = _robot(name, members, elements)
    task = {
        "name": name,
        "description": f"Several tasks in turn: {', '.join(member.task.name for member in members)}",
        "robot": robot.name,
        "task": None,
        "world": SEVERAL,
        "observe": [VALUES, WHICH],
        "episode_steps": max(member.task.episode_steps for member in members),
        "action_repeat": first.task.action_repeat,
        "agent": first.task.agent,
    }
    own = {path: value for path, value in chosen.items() if path.startswith("agent.")}
    return resolve_run(task, tasks, own, seed, robot, members)


def observed_values(members: Sequence[RunConfig]) -> tuple[Element, ...]:
    """Every value that any task observes, in order of the tasks; one that several observe is one.

    Raises:
        ConfigError: if two tasks mean different things by one name.
    """
    found: dict[str, tuple[Element, RunConfig]] = {}
    for member in members:
        for element in _elements(member):
            known, other = found.setdefault(element.name, (element, member))
            if known != element:
                raise ConfigError(
                    f"{other.task.name} and {member.task.name} both observe {element.name!r}, but in another unit or "
                    f"of another scale: {_says(known)} and {_says(element)}; let their robots' YAMLs agree, or give "
                    f"one of the values another name"
                )
    return tuple(element for element, _ in found.values())


def places(member: RunConfig, elements: Iterable[Element]) -> tuple[int | None, ...]:
    """For each of several tasks' values its place among those that one task observes; None where it lacks it."""
    own = [element.name for element in _elements(member)]
    return tuple(own.index(element.name) if element.name in own else None for element in elements)


def _elements(member: RunConfig) -> list[Element]:
    return [element for vector in member.observation_spec().vectors.values() for element in vector.elements]


def _says(element: Element) -> str:
    return f"[{element.unit}], scale {element.scale}"


def _load_member(name: str, overrides: Mapping[str, Any], seed: int) -> RunConfig:
    if not name or name.startswith(PUBLIC):
        raise ConfigError(
            f"{name!r} cannot be one of several tasks: name tasks of robots with {SEPARATOR} between them, such as "
            f"pendulum{SEPARATOR}cartpole"
        )
    member = load_run(name, overrides, seed)
    if member.task.world is None:
        raise ConfigError(f"{name} exists in hardware only: there is nothing to simulate")
    if member.members:
        raise ConfigError(f"{name} is several tasks already: name single ones")
    return member


def _check(members: Sequence[RunConfig]) -> None:
    """See that one model can learn them.

    Raises:
        ConfigError: if it cannot; it says why.
    """
    names = [member.task.name for member in members]
    if len(names) < 2 or len(set(names)) < len(names):
        raise ConfigError(f"{SEPARATOR.join(names)}: name at least two tasks, each of them once")
    agent, repeat = members[0].agent, members[0].task.action_repeat
    # The only family whose policy knows that a part of its action is nobody's.
    if not isinstance(agent, PlaNetConfig) or agent.plan_for != "reward":
        raise ConfigError(
            f"agent: several tasks at once are learned by agents of the family planet that plan for rewards; choose "
            f"{PRESET}, or one task"
        )
    for member in members:
        task = member.task
        if pictures := list(member.observation_spec().images):
            raise ConfigError(
                f"{task.name}: of several tasks at once only values are learned from, and it observes the pictures "
                f"{pictures}; leave it out, or set its observe to vectors"
            )
        if member.action_spec().discrete:
            raise ConfigError(
                f"{task.name}: agents of the family planet plan continuous actions; this robot's are choices"
            )
        if task.action_repeat != repeat:
            raise ConfigError(
                f"{names[0]} has an action_repeat of {repeat}, {task.name} of {task.action_repeat}: one model needs "
                f"one; choose it with --action-repeat"
            )
        if member.agent != agent:
            raise ConfigError(
                f"{names[0]} and {task.name} override settings of the agent differently, and one model has but one; "
                f"leave the tasks' overrides out, and use --set"
            )


def _robot(name: str, members: Sequence[RunConfig], elements: Iterable[Element]) -> RobotConfig:
    """What stands for the tasks' robots: nothing reads the topics and limits that a robot's description must have.

    Its rate is the highest, by which exports and checkpoints are scheduled.
    """
    rate = max(member.robot.control_rate_hz for member in members)
    flags = [Element(name=task_flag(member.task.name)) for member in members]
    size = max(member.action_spec().size for member in members)
    joints = tuple(
        CommandJoint(name=f"action_{index}", unit="", low=-1.0, high=1.0, max_rate=4.0 * rate) for index in range(size)
    )
    return RobotConfig(
        name=name,
        description="Several robots in turn",
        control_rate_hz=rate,
        sources={VALUES: SourceConfig(topic=VALUES, type=JOINT_STATE, max_age_s=1.0)},
        vectors={VALUES: _vector(elements), WHICH: _vector(flags)},
        commands=(CommandConfig(topic="action", type="std_msgs/msg/Float64MultiArray", kind="effort", joints=joints),),
        random_hold_steps=max(member.robot.random_hold_steps for member in members),
        guard=unguarded(rate),
    )


def _vector(elements: Iterable[Element]) -> VectorConfig:
    values = (ValueConfig(name=e.name, field="position", joint=e.name, unit=e.unit, scale=e.scale) for e in elements)
    return VectorConfig(source=VALUES, elements=tuple(values))
