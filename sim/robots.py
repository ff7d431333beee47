"""The robot that waits for its policy, of any run: a simulated one, several in turn, or a public task's environment."""

from typing import TYPE_CHECKING

from robot_mbrl.config import RunConfig
from robot_mbrl.errors import ConfigError
from robot_mbrl.variety import NONE, Variety

if TYPE_CHECKING:
    from sim.in_process import InProcessRobot
    from sim.public.robot import PublicRobot
    from sim.robots_in_turn import RobotsInTurn


def make_robot(
    config: RunConfig, *, seed: int, evaluate: bool = False, variety: Variety = NONE
) -> "InProcessRobot | PublicRobot | RobotsInTurn":
    """Make it.

    Args:
        config: the run.
        seed: of the starts.
        evaluate: whether every episode is lived in evaluate mode.
        variety: how the simulated world differs from what it is built as.

    Raises:
        ConfigError: if what is asked for is not for Gymnasium environments, and this is one.
        WorldError: if it cannot be made here.
    """
    # Each needs an extra that the other does not.
    if config.task.is_public and variety:
        raise ConfigError(
            "randomise, push and change are for simulated robots; an environment of Gymnasium is as it is"
        )
    if config.members:
        from sim.robots_in_turn import RobotsInTurn

        return RobotsInTurn(config, seed=seed, evaluate=evaluate, variety=variety)
    if config.task.is_public:
        from sim.public.robot import PublicRobot

        return PublicRobot(config, seed=seed, evaluate=evaluate)
    from sim.in_process import InProcessRobot

    return InProcessRobot(config, seed=seed, evaluate=evaluate, variety=variety)
