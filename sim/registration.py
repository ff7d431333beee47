"""The names by which Gymnasium finds the simulated tasks."""

import gymnasium

from robot_mbrl.config import load_run, packaged

NAMESPACE = "robot_mbrl"


def environment_id(task: str) -> str:
    """The name of a packaged task for `gymnasium.make`, such as `robot_mbrl/cartpole-v0`."""
    return f"{NAMESPACE}/{task}-v0"


def register_environments() -> None:
    """Register every packaged task that can be simulated; an installed package does it when Gymnasium is imported."""
    for task in packaged("tasks"):
        name = environment_id(task)
        if name not in gymnasium.registry and load_run(task).task.world is not None:
            gymnasium.register(name, entry_point="sim.environment:RobotEnvironment", kwargs={"task": task})
