"""Tasks by name: how arrivals are judged. Their settings stand beside them as YAML."""

from collections.abc import Mapping

from robot_mbrl.errors import ConfigError
from robot_mbrl.specs import VectorSpec
from robot_mbrl.tasks.cartpole_swingup import CartpoleSwingup
from robot_mbrl.tasks.drive_to_goal import DriveToGoal
from robot_mbrl.tasks.drive_to_pose import DriveToPose
from robot_mbrl.tasks.importing import PATH_SEPARATOR, import_task
from robot_mbrl.tasks.labels import Labels
from robot_mbrl.tasks.objective import Objective
from robot_mbrl.tasks.pendulum_swingup import PendulumSwingup
from robot_mbrl.tasks.quadruped_walk import QuadrupedWalk
from robot_mbrl.tasks.reach_goal_in_arena import ReachGoalInArena
from robot_mbrl.tasks.reach_target import ReachGoal, ReachTarget
from robot_mbrl.tasks.task import Aim, AimedTask, GoalTask, Judgement, Task
from robot_mbrl.tasks.walk_as_told import WalkAsTold

TASKS: dict[str, type[Task]] = {
    "cartpole_swingup": CartpoleSwingup,
    "drive_to_goal": DriveToGoal,
    "drive_to_pose": DriveToPose,
    "labels": Labels,
    "pendulum_swingup": PendulumSwingup,
    "quadruped_walk": QuadrupedWalk,
    "reach_goal": ReachGoal,
    "reach_goal_in_arena": ReachGoalInArena,
    "reach_target": ReachTarget,
    "walk_as_told": WalkAsTold,
}
"""The class of each shipped task, by the name that a task's YAML gives as `task`."""


def find_task(name: str) -> type[Task]:
    """The class that judges a task.

    Args:
        name: as a task's YAML gives it: a key of `TASKS`, or an import path, `package.module:Class`.

    Raises:
        ConfigError: if there is none, or it is no task.
    """
    if PATH_SEPARATOR in name:
        return import_task(name)
    if name not in TASKS:
        raise ConfigError(
            f"there is no task class {name!r}; there are {sorted(TASKS)}, and those of your own by their import path, "
            f"package.module:Class"
        )
    return TASKS[name]


def computed_by(task: type[Task]) -> Mapping[str, VectorSpec]:
    """What a task computes besides its verdict, by name of the group; nothing where it does not say."""
    computes: Mapping[str, VectorSpec] = getattr(task, "computes", {})
    return computes


def make_task(name: str | None) -> Task:
    """What judges a task.

    Args:
        name: as a task's YAML gives it.

    Raises:
        ConfigError: if there is none; or it is None: a Gymnasium environment judges itself, several tasks each by its
            own.
    """
    if name is None:
        raise ConfigError(
            "a Gymnasium environment is no robot, nor are several tasks, and it has no topics: use robot-mbrl train"
        )
    return find_task(name)()


__all__ = [
    "TASKS",
    "Aim",
    "AimedTask",
    "GoalTask",
    "Judgement",
    "Objective",
    "Task",
    "computed_by",
    "find_task",
    "make_task",
]
