"""The robot that waits for its policy, of any run: a simulated one behind its guard, or a public task's environment."""

from typing import TYPE_CHECKING

from robot_mbrl.config import RunConfig

if TYPE_CHECKING:
    from sim.in_process import InProcessRobot
    from sim.public.robot import PublicRobot


def make_robot(config: RunConfig, *, seed: int, evaluate: bool = False) -> "InProcessRobot | PublicRobot":
    """Make it.

    Args:
        config: the run.
        seed: of the starts.
        evaluate: whether every episode is lived in evaluate mode.

    Raises:
        WorldError: if it cannot be made here.
    """
    # Each needs an extra that the other does not.
    if config.task.is_public:
        from sim.public.robot import PublicRobot

        return PublicRobot(config, seed=seed, evaluate=evaluate)
    from sim.in_process import InProcessRobot

    return InProcessRobot(config, seed=seed, evaluate=evaluate)
