"""A rod on a motor too weak to lift it: it must be swung up."""

import math

import numpy as np

from sim.worlds.bullet import Drive, Scene
from sim.worlds.rendering import Camera

START_ANGLE_RAD = 0.5
"""Starts are drawn uniformly within this of hanging."""


def _start(rng: np.random.Generator) -> dict[str, float]:
    return {"pivot": math.pi + rng.uniform(-START_ANGLE_RAD, START_ANGLE_RAD)}


PENDULUM = Scene(
    bodies={"joints": "pendulum.urdf"},
    drives={"pivot": Drive("effort", limit=2.0)},
    cameras={"camera": Camera(eye=(0.0, -5.0, 0.0), target=(0.0, 0.0, 0.0), field_deg=25.0)},
    start=_start,
)
