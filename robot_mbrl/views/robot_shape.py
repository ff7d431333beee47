"""A robot's links and their parts in space, by the URDF that its simulator or its driver publishes."""

from collections.abc import Mapping
from functools import cached_property
from xml.etree import ElementTree

import numpy as np

from robot_mbrl.errors import MessageError
from robot_mbrl.views.joints import joints_of, links_of
from robot_mbrl.views.kinematics import link_frames
from robot_mbrl.views.marks import Colour, Mark, part
from robot_mbrl.views.solids import solids_of


class RobotShape:
    """The parts of a robot.

    Attributes:
        root: name of the link that no joint moves.
        joint_names: of all joints.
    """

    def __init__(self, urdf: str) -> None:
        """Read them.

        Args:
            urdf: the text.

        Raises:
            MessageError: if it is no URDF of one robot.
        """
        try:
            robot = ElementTree.fromstring(urdf)
            self._joints, self._links = joints_of(robot), links_of(robot)
            moved = {joint.child for joint in self._joints}
            (self.root,) = [link for link in self._links if link not in moved]
            self._solids = {
                link.get("name", ""): [solid for solid, _ in solids_of(link)] for link in robot.findall("link")
            }
        except (ElementTree.ParseError, ValueError) as error:
            raise MessageError(f"robot_description: cannot be read as URDF: {error}") from error
        self.joint_names = tuple(joint.name for joint in self._joints)
        parents = {joint.parent for joint in self._joints}
        self._tips = [link for link in self._links if link not in parents and self._solids.get(link)]

    def parts(
        self, positions: Mapping[str, float], base: np.ndarray, frame: str, space: str, colour: Colour
    ) -> list[Mark]:
        """Every part.

        Args:
            positions: of joints by name, rad or m; those it leaves out are at 0.
            base: where the root link is in the frame, (4, 4).
            frame: its name.
            space: see `Mark`.
            colour: of all parts.
        """
        frames = link_frames(self._links, self._joints, positions, base)
        return [part(solid, frame, at, space, colour) for link, at in frames.items() for solid in self._solids[link]]

    def tips(self, positions: Mapping[str, float], base: np.ndarray) -> np.ndarray:
        """Where the outermost parts have their middles, (tips, 3), in the frame that the base is given in."""
        frames = link_frames(self._links, self._joints, positions, base)
        places = [(frames[link] @ self._solids[link][-1].origin)[:3, 3] for link in self._tips]
        return np.array(places).reshape(-1, 3)

    @cached_property
    def height_m(self) -> float:
        """How far the root link is above the lowest part, with all joints at 0."""
        frames = link_frames(self._links, self._joints, {}, np.eye(4))
        lowest = [
            (solid.points() @ frames[link][:3, :3].T + frames[link][:3, 3])[:, 2].min(initial=0.0)
            for link, solids in self._solids.items()
            for solid in solids
        ]
        return -min(lowest, default=0.0)
