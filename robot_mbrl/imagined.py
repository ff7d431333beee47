"""What a world model expects of the next second, and the message that tells it: a `trajectory_msgs/JointTrajectory`.

The message's joints are the observed values by name, and its points what is expected of them, one per step; the first
is what is observed now. Nothing here imports ROS, as in `messages`.
"""

from array import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from robot_mbrl.errors import MessageError
from robot_mbrl.messages import NANOSECONDS, read_key, write_key
from robot_mbrl.steps import StepKey


@dataclass(frozen=True)
class Imagined:
    """Observed values of now and of the steps to come."""

    key: StepKey
    """Of the observation that it begins with."""
    names: tuple[str, ...]
    values: np.ndarray
    """(T + 1, V), physical units; finite."""
    step_s: float


def write_imagined(message: Any, make_point: Callable[[], Any], imagined: Imagined) -> None:
    """Fill a JointTrajectory.

    Args:
        message: is filled.
        make_point: makes an empty JointTrajectoryPoint.
        imagined: what is told.
    """
    write_key(message, imagined.key)
    message.joint_names = list(imagined.names)
    points = []
    for step, values in enumerate(imagined.values):
        point = make_point()
        point.positions = array("d", values.tolist())
        after = point.time_from_start
        after.sec, after.nanosec = divmod(round(step * imagined.step_s * NANOSECONDS), NANOSECONDS)
        points.append(point)
    message.points = points


def read_imagined(message: Any) -> Imagined:
    """What a JointTrajectory tells.

    Raises:
        MessageError: if a point has not a finite value for each name, a name repeats, or nothing is to come.
    """
    names, points = tuple(message.joint_names), list(message.points)
    if len(set(names)) < len(names):
        raise MessageError(f"imagined: a name repeats among {list(names)}")
    if len(points) < 2 or any(len(point.positions) != len(names) for point in points):
        raise MessageError(f"imagined: {len(points)} points do not each have {len(names)} values, now and to come")
    values = np.array([point.positions for point in points], float)
    if not np.isfinite(values).all():
        raise MessageError("imagined: a value is not finite")
    last = points[-1].time_from_start
    step_s = (last.sec + last.nanosec / NANOSECONDS) / (len(points) - 1)
    return Imagined(read_key(message), names, values, step_s)
