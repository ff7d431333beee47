"""What is measured of the joints that one topic commands."""

import math
from typing import Any

from robot_mbrl.config import CommandConfig
from robot_mbrl.errors import MessageError
from robot_mbrl.messages import read_joint


class MeasuredJoints:
    """The newest measurement of the joints of one command topic.

    Attributes:
        positions: rad or m, in order of the config's joints; empty before the first measurement.
        velocities: likewise, where they are asked for.
        sensed_s: when they were measured.
    """

    def __init__(self, config: CommandConfig, max_age_s: float, *, with_velocities: bool = False) -> None:
        """Begin knowing nothing.

        Args:
            config: the command topic.
            max_age_s: measurements older than this are stale; infinite if the joints are not measured.
            with_velocities: whether their velocities are needed too.
        """
        self.positions: list[float] = []
        self.velocities: list[float] = []
        self.sensed_s = -math.inf
        self._joints = config.joints
        self._max_age_s = max_age_s
        self._with_velocities = with_velocities

    def sense(self, message: Any, now_s: float) -> None:
        """Take in a JointState of the driver; one that names none of the joints is another device's.

        Raises:
            MessageError: if a joint is missing, or a position or velocity that is needed is not finite.
        """
        if not any(joint.name in message.name for joint in self._joints):
            return
        positions = [_finite(message, joint.name, "position") for joint in self._joints]
        if self._with_velocities:
            self.velocities = [_finite(message, joint.name, "velocity") for joint in self._joints]
        self.positions = positions
        self.sensed_s = now_s

    def is_stale(self, now_s: float) -> bool:
        """Whether the joints should have been measured since."""
        return now_s - self.sensed_s > self._max_age_s

    def misplaced(self, bounds: list[tuple[float, float] | None]) -> str:
        """Which joints are known to be beyond their bounds, None for none; empty if all are within."""
        return "; ".join(
            f"joint {joint.name} is at {position:.4f}, not within [{limits[0]}, {limits[1]}]"
            for joint, position, limits in zip(self._joints, self.positions, bounds, strict=False)
            if limits is not None and not limits[0] <= position <= limits[1]
        )


def _finite(message: Any, joint: str, field: str) -> float:
    value = read_joint(message, joint, field)
    if not math.isfinite(value):
        raise MessageError(f"{field} of joint {joint!r} is not finite")
    return value
