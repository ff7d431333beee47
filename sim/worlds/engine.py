"""Connecting to PyBullet, quietly and with the settings that make runs repeat bit for bit."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sim.errors import WorldError

GRAVITY_M_S2 = 9.81
STOP_ERP = 0.01
"""Share of a joint's overshoot past its end stop that is corrected per step; the default of 0.2 throws it back."""


@contextmanager
def quiet() -> Iterator[None]:
    """Send what C code prints to nowhere: PyBullet greets on standard output and error, which may carry JSON."""
    sys.stdout.flush()
    sys.stderr.flush()
    saved = [os.dup(stream) for stream in (1, 2)]
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 1)
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        # C's buffers are flushed when it pleases, which would be after the real streams are back.
        ctypes.CDLL(None).fflush(None)
        for stream, original in zip((1, 2), saved, strict=True):
            os.dup2(original, stream)
            os.close(original)


def check_display() -> None:
    """Refuse a window where there is no display for it.

    Raises:
        WorldError: if there is none.
    """
    if not os.environ.get("DISPLAY"):
        raise WorldError("there is no display to show the robot on: set DISPLAY, or ask for a video instead")


def connect(time_step_s: float, *, view: bool = False) -> Any:
    """A physics engine of its own, empty but for gravity.

    Args:
        time_step_s: duration of one physics step.
        view: whether it shows itself in a window.

    Returns:
        A `BulletClient`, which has every function of the `pybullet` module.

    Raises:
        WorldError: if there is no display for the window.
    """
    if view:
        check_display()
    with quiet():
        import pybullet
        from pybullet_utils.bullet_client import BulletClient

        try:
            client = BulletClient(pybullet.GUI if view else pybullet.DIRECT)
        except pybullet.error as error:
            raise WorldError(f"PyBullet cannot open a window on display {os.environ['DISPLAY']}: {error}") from error
    client.setGravity(0.0, 0.0, -GRAVITY_M_S2)
    client.setPhysicsEngineParameter(fixedTimeStep=time_step_s, erp=STOP_ERP, deterministicOverlappingPairs=1)
    if view:
        client.configureDebugVisualizer(client.COV_ENABLE_GUI, 0)
    return client


def load_body(client: Any, urdf: Path, *, fixed: bool = True) -> int:
    """Load a body, its inertias as the file says, without the engine's artificial damping.

    Args:
        client: the engine.
        urdf: the body's file.
        fixed: whether its base is fixed to the world, or moves freely.
    """
    # Else cylinders become meshes, which are slower and roll on corners.
    flags = client.URDF_USE_INERTIA_FROM_FILE | client.URDF_USE_IMPLICIT_CYLINDER
    with quiet():
        body = client.loadURDF(str(urdf), useFixedBase=fixed, flags=flags)
    for link in range(-1, client.getNumJoints(body)):
        client.changeDynamics(body, link, linearDamping=0.0, angularDamping=0.0)
    return int(body)
