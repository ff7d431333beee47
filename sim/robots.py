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
        ConfigError: if what is asked for is not for Gymnasium environments, and this is one, or nothing simulates it.
        WorldError: if it cannot be made here.
    """
    check_robot(config, variety=variety)
    # Each needs an extra that the other does not.
    if config.members:
        from sim.robots_in_turn import RobotsInTurn

        return RobotsInTurn(config, seed=seed, evaluate=evaluate, variety=variety)
    if config.task.is_public:
        from sim.public.robot import PublicRobot

        return PublicRobot(config, seed=seed, evaluate=evaluate)
    from sim.in_process import InProcessRobot

    return InProcessRobot(config, seed=seed, evaluate=evaluate, variety=variety)


def check_robot(config: RunConfig, *, variety: Variety = NONE, view: bool = False) -> None:
    """Refuse a robot that could not be made or shown here, before there is a run's folder for it.

    Args:
        config: the run.
        variety: how the simulated world differs from what it is built as.
        view: whether it is to be shown in a window.

    Raises:
        ConfigError: if nothing simulates it, or what is asked for is not for Gymnasium environments, and this is one.
        WorldError: if there is no such world, or no display.
    """
    if config.members and view:
        raise ConfigError("--view shows one robot, and here are several; film them with --video")
    for member in config.members:
        check_robot(member, variety=variety)
    if config.members:
        return
    if config.task.world is None:
        raise ConfigError(f"{config.task.name} exists in hardware only: there is nothing to simulate")
    if config.task.is_public:
        if variety:
            raise ConfigError(
                "randomise, push and change are for simulated robots; an environment of Gymnasium is as it is"
            )
        if view:
            raise ConfigError("--view shows simulated robots, and a public task has none; film it with --video")
        return
    from sim.worlds import check_world
    from sim.worlds.engine import check_display

    check_world(config.task.world)
    if view:
        check_display()
