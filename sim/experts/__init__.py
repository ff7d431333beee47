"""Scripted experts by the task they solve."""

from collections.abc import Callable

from robot_mbrl.config import RobotConfig
from sim.experts.cartpole import CartpoleExpert
from sim.experts.expert import Expert
from sim.experts.husky import HuskyExpert
from sim.experts.pendulum import PendulumExpert
from sim.experts.quadruped import QuadrupedExpert
from sim.experts.reacher import ReacherExpert
from sim.experts.sphero import SpheroExpert

EXPERTS: dict[str, Callable[[RobotConfig], Expert]] = {
    "cartpole_swingup": CartpoleExpert,
    "drive_to_goal": HuskyExpert,
    # It comes to the place, facing anywhere.
    "drive_to_pose": HuskyExpert,
    "pendulum_swingup": PendulumExpert,
    "quadruped_walk": QuadrupedExpert,
    "reach_goal_in_arena": SpheroExpert,
    "reach_target": ReacherExpert,
    # It walks straight ahead at its own speed, whatever it is told.
    "walk_as_told": QuadrupedExpert,
}
"""What makes each expert, by the name of the task's class in `robot_mbrl.tasks.TASKS`."""

__all__ = ["EXPERTS", "Expert"]
