"""A cart on a rail, driven by force, with a freely swinging pole that hangs at the start."""

import math

import numpy as np

from sim.worlds.bullet import Drive, Scene
from sim.worlds.rendering import Camera

START_POSITION_M = 0.5
START_ANGLE_RAD = 0.3
"""Starts are drawn uniformly within these of the rail's middle and of hanging."""


def _start(rng: np.random.Generator) -> dict[str, float]:
    return {
        "slider": rng.uniform(-START_POSITION_M, START_POSITION_M),
        "hinge": math.pi + rng.uniform(-START_ANGLE_RAD, START_ANGLE_RAD),
    }


CARTPOLE = Scene(
    bodies={"joints": "cartpole.urdf"},
    drives={"slider": Drive("effort", limit=10.0)},
    # Looks along the rail's normal; a wide picture squeezed to a square, as the resizing of a real camera's would be.
    cameras={"camera": Camera(eye=(0.0, -5.0, 0.0), target=(0.0, 0.0, 0.0), field_deg=28.0, aspect=2.2)},
    start=_start,
)
