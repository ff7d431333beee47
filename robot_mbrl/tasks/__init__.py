"""Tasks by name: how arrivals are judged. Their settings stand beside them as YAML."""

from robot_mbrl.tasks.cartpole_swingup import CartpoleSwingup
from robot_mbrl.tasks.pendulum_swingup import PendulumSwingup
from robot_mbrl.tasks.reach_target import ReachTarget
from robot_mbrl.tasks.task import Judgement, Task

TASKS: dict[str, type[Task]] = {
    "cartpole_swingup": CartpoleSwingup,
    "pendulum_swingup": PendulumSwingup,
    "reach_target": ReachTarget,
}
"""The class of each task, by the name that a task's YAML gives as `task`."""

__all__ = ["TASKS", "Judgement", "Task"]
