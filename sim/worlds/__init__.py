"""Simulated worlds by name."""

from sim.errors import WorldError
from sim.worlds.bullet import BulletWorld, Scene
from sim.worlds.cartpole import CARTPOLE
from sim.worlds.husky import HUSKY
from sim.worlds.mobile import MobileScene, MobileWorld
from sim.worlds.pendulum import PENDULUM
from sim.worlds.quadruped import quadruped
from sim.worlds.reacher import REACHER
from sim.worlds.sphero import SPHERO
from sim.worlds.world import World

WORLDS: dict[str, Scene | MobileScene] = {
    "a1": quadruped("a1.urdf"),
    "cartpole": CARTPOLE,
    "go2": quadruped("go2.urdf"),
    "husky": HUSKY,
    "pendulum": PENDULUM,
    "reacher": REACHER,
    "sphero": SPHERO,
}
"""What there is to simulate, by the name that a task's YAML gives as `world`."""


def make_world(name: str | None) -> World:
    """Build a world.

    Args:
        name: key of `WORLDS`, as a task's `world` gives it.

    Raises:
        WorldError: if there is no such world.
    """
    if name is None:
        raise WorldError("this task names no world: it exists in hardware only and cannot be simulated")
    check_world(name)
    scene = WORLDS[name]
    return MobileWorld(scene) if isinstance(scene, MobileScene) else BulletWorld(scene)


def check_world(name: str) -> None:
    """Refuse a world that there is not.

    Raises:
        WorldError: if there is no such world.
    """
    if name not in WORLDS:
        raise WorldError(f"there is no world named {name!r}; there are {', '.join(sorted(WORLDS))}")


__all__ = ["WORLDS", "MobileScene", "Scene", "World", "check_world", "make_world"]
