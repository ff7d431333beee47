"""The robot that waits for its policy, of any run: a simulated one behind its guard, or a public task's environment."""

from robot_mbrl.config import RunConfig
from sim.in_process import InProcessRobot
from sim.public.robot import PublicRobot

WaitingRobot = InProcessRobot | PublicRobot


def make_robot(config: RunConfig, *, seed: int, evaluate: bool = False) -> WaitingRobot:
    """Make it.

    Args:
        config: the run.
        seed: of the starts.
        evaluate: whether every episode is lived in evaluate mode.

    Raises:
        WorldError: if it cannot be made here.
    """
    kind = PublicRobot if config.task.is_public else InProcessRobot
    return kind(config, seed=seed, evaluate=evaluate)
