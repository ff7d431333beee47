"""A Sphero Ollie in a walled arena, seen from above: two bare motors, and no sensor of its own."""

import math
from typing import Any

import numpy as np

from sim.worlds.body import Body
from sim.worlds.drivetrains import Motors
from sim.worlds.ground import Ground, Thing
from sim.worlds.mobile import MobileScene, Start
from sim.worlds.quadruped import quaternion
from sim.worlds.rendering import Camera
from sim.worlds.senses import Encoders, Tracker

ARENA_M = 1.2
"""Side of the arena within its walls, whose middle is the world's origin."""
WALL_M, WALL_HEIGHT_M = 0.04, 0.08
STALL_NM, FASTEST_RAD_S = 0.02, 100.0
"""Of a motor at full duty: with the 27% that DayDreamer gave it, it drives at up to a metre per second."""
START_SHARE = 0.8
"""It starts anywhere within this middle part of the arena, as a burst of random motion leaves it."""
EYE_M, FIELD_DEG = 2.0, 36.0

GOAL_SHARE = (0.825, 0.165)
"""DayDreamer's goal, in shares of the arena from its upper left corner as the camera sees it."""


def arena_to_world(x: float, y: float) -> tuple[float, float]:
    """Place on the ground, m, of shares of the arena from the upper left corner of the camera's picture."""
    return (x - 0.5) * ARENA_M, (0.5 - y) * ARENA_M


def _start(rng: np.random.Generator) -> Start:
    half = START_SHARE * ARENA_M / 2.0
    place = (float(rng.uniform(-half, half)), float(rng.uniform(-half, half)))
    middle = (ARENA_M + WALL_M) / 2.0
    walls = {
        "wall_east": (middle, 0.0, math.pi / 2.0),
        "wall_west": (-middle, 0.0, math.pi / 2.0),
        "wall_north": (0.0, middle, 0.0),
        "wall_south": (0.0, -middle, 0.0),
    }
    things = {**walls, "goal": (*arena_to_world(*GOAL_SHARE), 0.0)}
    return Start(place, quaternion(0.0, 0.0, rng.uniform(-math.pi, math.pi)), things=things)


def _motors(bullet: Any, body: Body) -> Motors:
    return Motors(bullet, body, STALL_NM, FASTEST_RAD_S)


_WALL = Thing("box", (ARENA_M + 2.0 * WALL_M, WALL_M, WALL_HEIGHT_M), (0.45, 0.40, 0.36))
SPHERO = MobileScene(
    robot="sphero.urdf",
    drivetrain=_motors,
    start=_start,
    # A driver has neither: they are for tests and films.
    senses={"joints": Encoders(), "tracker": Tracker()},
    cameras={"camera": Camera((0.0, 0.0, EYE_M), (0.0, 0.0, 0.0), FIELD_DEG, up=(0.0, 1.0, 0.0), fineness=1)},
    things={
        **dict.fromkeys(("wall_east", "wall_west", "wall_north", "wall_south"), _WALL),
        "goal": Thing("cylinder", (0.06, 0.0, 0.004), (0.90, 0.75, 0.15), solid=False),
    },
    ground=Ground(colours=((0.72, 0.70, 0.66), (0.66, 0.64, 0.60)), tile_m=0.2, tiles=8),
)
