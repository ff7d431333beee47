"""Tasks by name: how arrivals are judged. Their settings stand beside them as YAML."""

from robot_mbrl.errors import ConfigError
from robot_mbrl.tasks.cartpole_swingup import CartpoleSwingup
from robot_mbrl.tasks.labels import Labels
from robot_mbrl.tasks.pendulum_swingup import PendulumSwingup
from robot_mbrl.tasks.reach_target import ReachTarget
from robot_mbrl.tasks.task import GoalTask, Judgement, Task

TASKS: dict[str, type[Task]] = {
    "cartpole_swingup": CartpoleSwingup,
    "labels": Labels,
    "pendulum_swingup": PendulumSwingup,
    "reach_target": ReachTarget,
}
"""The class of each task, by the name that a task's YAML gives as `task`."""


def make_task(name: str | None) -> Task:
    """What judges a task.

    Args:
        name: as a task's YAML gives it.

    Raises:
        ConfigError: if it is None: a Gymnasium environment judges itself.
    """
    if name is None:
        raise ConfigError("a Gymnasium environment is no robot, and has no topics: use robot-mbrl train")
    return TASKS[name]()


__all__ = ["TASKS", "GoalTask", "Judgement", "Task", "make_task"]
