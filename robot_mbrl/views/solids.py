"""What a robot's links look like, as its URDF says: boxes, cylinders, spheres and meshes."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal
from xml.etree import ElementTree

import numpy as np

from robot_mbrl.views.joints import origin_of, three_numbers
from robot_mbrl.views.kinematics import placed

CORNERS = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])  # (8, 3)
ROUND = 24
"""Points of a circle."""
Kind = Literal["box", "cylinder", "sphere", "mesh"]


@dataclass(frozen=True)
class Solid:
    """A part of a link."""

    kind: Kind
    size_m: tuple[float, float, float]
    """Along its own axes; of a mesh, by how much it is scaled along them."""
    origin: np.ndarray
    """Its frame in the link's, (4, 4)."""
    mesh: str = ""
    """Where a mesh is read from, as the URDF says."""

    def points(self) -> np.ndarray:
        """Points whose convex hull, seen along one of its axes, is that of the part, in the link's frame (P, 3)."""
        own = self._own_points()
        moved: np.ndarray = own @ self.origin[:3, :3].T + self.origin[:3, 3]
        return moved

    def _own_points(self) -> np.ndarray:
        """The same in its own frame; none of a mesh, whose file is not read."""
        size = np.array(self.size_m)
        if self.kind == "mesh":
            return np.zeros((0, 3))
        if self.kind == "box":
            corners: np.ndarray = CORNERS * size
            return corners
        angles = np.linspace(0.0, 2.0 * math.pi, ROUND, endpoint=False)
        x, y = size[0] / 2.0 * np.cos(angles), size[1] / 2.0 * np.sin(angles)
        if self.kind == "cylinder":
            return np.concatenate([np.column_stack([x, y, np.full(ROUND, end)]) for end in (-size[2] / 2, size[2] / 2)])
        zero = np.zeros(ROUND)
        return np.concatenate([np.column_stack([x, y, zero]), np.column_stack([x, zero, y])])


def solids_of(link: ElementTree.Element) -> Iterator[tuple[Solid, ElementTree.Element]]:
    """The parts of a link, each with its `<visual>`; those that no URDF has are left out.

    Raises:
        ValueError: naming what is wrong with one.
    """
    for visual in link.findall("visual"):
        if (solid := _solid(visual)) is not None:
            yield solid, visual


def _solid(visual: ElementTree.Element) -> Solid | None:
    origin = placed(*origin_of(visual))
    if (box := visual.find("geometry/box")) is not None:
        return Solid("box", _three(box.get("size", "0 0 0")), origin)
    if (cylinder := visual.find("geometry/cylinder")) is not None:
        across = 2.0 * float(cylinder.get("radius", 0))
        return Solid("cylinder", (across, across, float(cylinder.get("length", 0))), origin)
    if (sphere := visual.find("geometry/sphere")) is not None:
        across = 2.0 * float(sphere.get("radius", 0))
        return Solid("sphere", (across, across, across), origin)
    if (mesh := visual.find("geometry/mesh")) is not None:
        return Solid("mesh", _three(mesh.get("scale", "1 1 1")), origin, mesh.get("filename", ""))
    return None


def _three(text: str) -> tuple[float, float, float]:
    x, y, z = three_numbers(text).tolist()
    return x, y, z
