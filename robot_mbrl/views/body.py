"""A robot's body from the side, from its URDF and what is observed of it: flat shapes for a small picture.

It is looked at along the axis of its first hinge, where most of its motion shows.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from robot_mbrl.config import RobotConfig
from robot_mbrl.errors import ConfigError
from robot_mbrl.views.joints import HINGES, joints_of, read_urdf
from robot_mbrl.views.kinematics import link_frames, turned
from robot_mbrl.views.solids import solids_of

GREY = (0.5, 0.5, 0.5)
OF_THE_BODY = ("sensor_msgs/msg/Imu", "nav_msgs/msg/Odometry")
"""Types of messages that tell how the robot itself lies."""
DIGITS = 4


@dataclass(frozen=True)
class Shape:
    """A part of a link, as a cloud of points in the link's frame whose outline is drawn."""

    points: np.ndarray
    """(P, 3)"""
    colour: str


class Body:
    """Draws a robot."""

    def __init__(self, robot: RobotConfig, urdf: Path) -> None:
        """Read its shape.

        Args:
            robot: which observed value is which joint's.
            urdf: boxes, cylinders and spheres are drawn, meshes are left out.

        Raises:
            ConfigError: if the file is no URDF.
        """
        root = read_urdf(urdf)
        try:
            colours = {m.get("name"): _colour(m) for m in root.findall("material")}
            self._shapes = {link.get("name", ""): list(_shapes(link, colours)) for link in root.findall("link")}
            self._joints = joints_of(root)
        except ValueError as error:
            raise ConfigError(f"{urdf}: cannot be read as URDF: {error}") from error
        self._read = dict(joint_values(robot))
        self._tilt = tilt_values(robot)
        hinges = [joint.axis for joint in self._joints if joint.kind in HINGES]
        # Seen from above where it turns about the vertical, else from the side.
        self._above = bool(hinges) and abs(hinges[0][2]) > math.sqrt(0.5)

    def draw(self, values: Mapping[str, float]) -> list[dict[str, Any]]:
        """Outlines, each `{"points": [[right, up], …], "colour"}` in metres, from back to front.

        Args:
            values: what is observed, by name; joints of which nothing is known stay at 0.
        """
        positions = {joint: read(values) for joint, read in self._read.items()}
        roll, pitch = (values.get(self._tilt.get(name, ""), 0.0) for name in ("roll", "pitch"))
        frames = link_frames(list(self._shapes), self._joints, positions, turned(roll, pitch, 0.0))
        drawn = []
        for link, frame in frames.items():
            for shape in self._shapes[link]:
                points = shape.points @ frame[:3, :3].T + frame[:3, 3]  # (P, 3)
                # From above a hinge's x is right and y is up; from the side, z is up and -y is towards the viewer.
                flat, depth = (points[:, :2], points[:, 2]) if self._above else (points[:, [0, 2]], -points[:, 1])
                drawn.append((float(depth.mean()), {"points": _outline(flat), "colour": shape.colour}))
        return [shape for _, shape in sorted(drawn, key=lambda pair: pair[0])]


def joint_values(robot: RobotConfig) -> Iterator[tuple[str, Any]]:
    """How each joint's position follows from observed values: as it is, or from its cosine and sine."""
    names: dict[str, dict[str, str]] = {}
    for _, _, value in robot.values():
        if value.joint is not None and value.field == "position" and value.difference_s is None:
            names.setdefault(value.joint, {})[value.transform] = value.name
    for joint, by in names.items():
        if "none" in by:
            yield joint, lambda values, name=by["none"]: values.get(name, 0.0)
        elif {"cos", "sin"} <= by.keys():
            yield joint, lambda values, by=by: math.atan2(values.get(by["sin"], 0.0), values.get(by["cos"], 1.0))


def tilt_values(robot: RobotConfig) -> dict[str, str]:
    """Which observed values are the body's roll and pitch, by these words, where it is observed how it lies."""
    return {
        value.transform: value.name
        for _, source, value in robot.values()
        if value.transform in ("roll", "pitch")
        and value.difference_s is None
        and robot.sources[source].type in OF_THE_BODY
    }


def _shapes(link: ElementTree.Element, colours: Mapping[str | None, str]) -> Iterator[Shape]:
    for solid, visual in solids_of(link):
        material = visual.find("material")
        named = colours.get(material.get("name")) if material is not None else None
        own = _colour(material) if material is not None and material.find("color") is not None else None
        if solid.kind != "mesh":
            yield Shape(solid.points(), own or named or _hex(GREY))


def _colour(material: ElementTree.Element) -> str:
    colour = material.find("color")
    rgba = [float(part) for part in colour.get("rgba", "").split()] if colour is not None else []
    return _hex((rgba[0], rgba[1], rgba[2])) if len(rgba) >= 3 else _hex(GREY)


def _hex(rgb: tuple[float, float, float]) -> str:
    return "#" + "".join(f"{round(255 * min(1.0, max(0.0, part))):02x}" for part in rgb)


def _outline(points: np.ndarray) -> list[list[float]]:
    """The convex hull of flat points (P, 2), as a polygon."""
    # Not at the top: the command line starts without the robot's libraries.
    import cv2

    hull = cv2.convexHull(points.astype(np.float32))  # (H, 1, 2)
    return [[round(float(x), DIGITS), round(float(y), DIGITS)] for x, y in hull[:, 0]]
