"""A wheeled base that skids as it turns, a goal on the ground, and obstacles between the two."""

import math
from typing import Any

import numpy as np

from sim.worlds.body import Body
from sim.worlds.drivetrains import Wheels
from sim.worlds.ground import Ground, Thing
from sim.worlds.mobile import MobileScene, Start
from sim.worlds.quadruped import quaternion
from sim.worlds.rendering import Camera
from sim.worlds.senses import Encoders, Scanner, Tracker, Whereabouts

WHEEL_RADIUS_M = 0.1651
TRACK_M = 0.5708 * 1.4
"""As it counts for turning, since wheels skid: on this ground it then turns about as fast as it is told, and unevenly,
as such bases do. Clearpath's drive counts 1.875 times the distance between its wheels."""

START_M, GOAL_M = (-2.5, 2.0), (2.5, 2.0)
"""x at which the robot starts and at which its goal is, and within how much of y = 0."""
SPREAD_M = 0.5
"""How far either is from its x at most."""
OBSTACLES = 4
OBSTACLES_M = (1.6, 2.4)
"""Obstacles stand within these of x = 0 and y = 0."""
CLEARANCE_M = 1.8
"""The least distance between the middles of any two of robot, goal and obstacles: the robot fits between any two."""
TRIES = 1000

SCANNER = Scanner(beams=271, field_rad=math.radians(270.0), reach_m=10.0, mount_m=(0.39, 0.25))
"""A Hokuyo's field and reach, one beam in a degree."""


def _start(rng: np.random.Generator) -> Start:
    def place(middle_m: tuple[float, float]) -> tuple[float, float]:
        return middle_m[0] + rng.uniform(-SPREAD_M, SPREAD_M), rng.uniform(-middle_m[1], middle_m[1])

    robot, goal = place(START_M), place(GOAL_M)
    taken, things = [robot, goal], {"goal": (*goal, 0.0)}
    for number in range(OBSTACLES):
        for _ in range(TRIES):
            spot = (rng.uniform(-OBSTACLES_M[0], OBSTACLES_M[0]), rng.uniform(-OBSTACLES_M[1], OBSTACLES_M[1]))
            if min(math.dist(spot, other) for other in taken) >= CLEARANCE_M:
                taken.append(spot)
                things[f"obstacle_{number}"] = (*spot, rng.uniform(-math.pi, math.pi))
                break
    return Start(robot, quaternion(0.0, 0.0, rng.uniform(-math.pi, math.pi)), things=things)


def _obstacle(number: int) -> Thing:
    if number % 2:
        return Thing("cylinder", (0.25, 0.0, 0.8), (0.75, 0.25, 0.20))
    return Thing("box", (0.5, 0.5, 0.6), (0.25, 0.40, 0.60))


def _wheels(bullet: Any, body: Body) -> Wheels:
    return Wheels(bullet, body, WHEEL_RADIUS_M, TRACK_M)


HUSKY = MobileScene(
    robot="husky.urdf",
    drivetrain=_wheels,
    start=_start,
    senses={"joints": Encoders(), "odometry": Tracker(), "scan": SCANNER, "goal": Whereabouts("goal")},
    cameras={"camera": Camera((0.0, -6.5, 6.0), (0.0, -0.4, 0.0), field_deg=48.0, aspect=4 / 3, fineness=1)},
    things={
        "goal": Thing("cylinder", (0.4, 0.0, 0.02), (0.15, 0.70, 0.25), solid=False),
        **{f"obstacle_{number}": _obstacle(number) for number in range(OBSTACLES)},
    },
    ground=Ground(tile_m=1.0, tiles=12),
    time_step_s=0.004,
)
