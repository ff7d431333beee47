"""A two-link arm in the horizontal plane, driven by joint velocities, and a mark to reach."""

import math

import numpy as np

from sim.worlds.bullet import Drive, Scene
from sim.worlds.rendering import Camera

START_SHOULDER_RAD = 1.0
START_ELBOW_RAD = 1.5
"""Starts are drawn uniformly within these of the stretched arm."""
TARGET_RADIUS_M = (0.3, 0.7)
TARGET_BEARING_RAD = 2.0
"""Targets are drawn from a sector of a ring, all of which is within the joints' range."""


def _start(rng: np.random.Generator) -> dict[str, float]:
    radius = rng.uniform(*TARGET_RADIUS_M)
    bearing = rng.uniform(-TARGET_BEARING_RAD, TARGET_BEARING_RAD)
    return {
        "shoulder": rng.uniform(-START_SHOULDER_RAD, START_SHOULDER_RAD),
        "elbow": rng.uniform(-START_ELBOW_RAD, START_ELBOW_RAD),
        "target_x": radius * math.cos(bearing),
        "target_y": radius * math.sin(bearing),
    }


REACHER = Scene(
    bodies={"joints": "reacher.urdf", "target": "target.urdf"},
    drives={"shoulder": Drive("velocity", limit=20.0), "elbow": Drive("velocity", limit=10.0)},
    cameras={"camera": Camera(eye=(0.0, 0.0, 3.0), target=(0.0, 0.0, 0.0), field_deg=30.0, up=(0.0, 1.0, 0.0))},
    start=_start,
)
