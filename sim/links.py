"""Where each link of a body is: the transforms that displays draw it by, of its URDF and its joints' positions."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pybullet

from robot_mbrl.errors import ConfigError
from robot_mbrl.views.joints import HINGES, SLIDER, Joint, joints_of, links_of, origin_of, read_urdf
from sim.worlds.world import Stance

AT_HOME: Stance = ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0))
"""A link at its parent's place, turned as that is."""


class Links:
    """The links of one body, and how they hang on one another.

    Attributes:
        root: name of the link that no joint moves.
    """

    def __init__(self, urdf: Path) -> None:
        """Read them.

        Args:
            urdf: the body's file.

        Raises:
            ConfigError: if it is no URDF of one body.
        """
        robot = read_urdf(urdf)
        try:
            self._joints = joints_of(robot)
            moved = {joint.child for joint in self._joints}
            (self.root,) = [link for link in links_of(robot) if link not in moved]
            inertial = robot.find(f"link[@name='{self.root}']/inertial")
            place, turn = origin_of(inertial) if inertial is not None else (np.zeros(3), np.zeros(3))
        except ValueError as error:
            raise ConfigError(f"{urdf}: cannot be read as URDF: {error}") from error
        self._from_mass = pybullet.invertTransform(place.tolist(), pybullet.getQuaternionFromEuler(turn.tolist()))
        self._still = {joint.name: (joint.place.tolist(), _quaternion(joint)) for joint in self._joints}

    def root_at(self, mass: Stance) -> Stance:
        """Where the root link's frame is, of where its centre of mass is, which the engine tells."""
        return _chained(mass, self._from_mass)

    def hanging(self, positions: Mapping[str, float]) -> Iterator[tuple[str, str, Stance]]:
        """Parent, child and where the child is in the parent's frame, of each joint.

        Args:
            positions: of joints by name, rad or m; those it leaves out are at 0.
        """
        for joint in self._joints:
            motion = _motion(joint, positions.get(joint.name, 0.0))
            yield joint.parent, joint.child, _chained(self._still[joint.name], motion)


def _motion(joint: Joint, position: float) -> Stance:
    """What a joint's position does."""
    if joint.kind == SLIDER:
        x, y, z = (position * joint.axis).tolist()
        return (x, y, z), AT_HOME[1]
    if joint.kind in HINGES:
        return AT_HOME[0], pybullet.getQuaternionFromAxisAngle(joint.axis.tolist(), position)
    return AT_HOME


def _quaternion(joint: Joint) -> tuple[float, ...]:
    # The engine's angles are roll, pitch and yaw about fixed axes as URDF's are.
    turned: tuple[float, ...] = pybullet.getQuaternionFromEuler(joint.turn.tolist())
    return turned


def _chained(first: Stance, second: Stance) -> Stance:
    """A stance within the frame of another."""
    place, turn = pybullet.multiplyTransforms(*first, *second)
    return place, turn
