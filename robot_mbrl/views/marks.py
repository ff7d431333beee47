"""What is drawn in space beside a robot: plain shapes, of which nodes make `visualization_msgs/Marker`s."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from robot_mbrl.views.kinematics import placed
from robot_mbrl.views.solids import Solid

Colour = tuple[float, float, float, float]
"""Red, green, blue and opacity, 0 to 1."""
GOAL: Colour = (0.15, 0.70, 0.25, 0.45)
GHOST: Colour = (0.78, 0.31, 0.12, 0.35)
"""What is expected has the same hue in pictures of predictions."""
WAY: Colour = (0.78, 0.31, 0.12, 0.9)
BOUNDS: Colour = (0.45, 0.45, 0.45, 0.9)
FARTHEST_M = 1000.0
"""Beyond this nothing is drawn: it would be rubbish, and viewers move their cameras to it."""
THICK_M = 0.01
"""Of lines and of what lies flat on the ground."""


@dataclass(frozen=True)
class Mark:
    """A shape."""

    space: str
    """What it belongs to, by which viewers show and hide: `goal`, `ghost`, `way`, `bounds`, `scene`."""
    kind: Literal["box", "cylinder", "sphere", "mesh", "arrow", "line"]
    frame: str
    """Name of the frame that it lies in."""
    origin: np.ndarray
    """Where it lies there, (4, 4); an arrow points along its x axis."""
    size_m: tuple[float, float, float]
    """Along its own axes; of a line its thickness comes first, of an arrow its length."""
    colour: Colour
    points: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))
    """Of a line, (P, 3)."""
    mesh: str = ""

    @property
    def is_drawable(self) -> bool:
        """Whether every number of it means something to a viewer."""
        numbers = np.concatenate([self.origin.ravel(), self.points.ravel(), self.size_m])
        # An infinite one compares as it should; what is not a number is never below anything.
        means_something = bool((np.abs(numbers) < FARTHEST_M).all()) and min(self.size_m) > 0.0
        return means_something and (self.kind != "line" or len(self.points) > 1)


def line(space: str, frame: str, points: Sequence[Sequence[float]] | np.ndarray, colour: Colour) -> Mark:
    """A line through points (P, 3)."""
    return Mark(space, "line", frame, np.eye(4), (THICK_M,) * 3, colour, np.asarray(points, float).reshape(-1, 3))


def disc(frame: str, place: Sequence[float], radius_m: float, colour: Colour, space: str = "goal") -> Mark:
    """A flat cylinder."""
    return Mark(space, "cylinder", frame, placed(place), (2.0 * radius_m, 2.0 * radius_m, THICK_M), colour)


def arrow(frame: str, place: Sequence[float], yaw: float, length_m: float, colour: Colour, space: str = "goal") -> Mark:
    """An arrow from a place, turned about the vertical."""
    return Mark(
        space, "arrow", frame, placed(place, (0.0, 0.0, yaw)), (length_m, length_m / 6.0, length_m / 6.0), colour
    )


def part(solid: Solid, frame: str, link: np.ndarray, space: str, colour: Colour) -> Mark:
    """A part of a robot whose link is at a frame, (4, 4)."""
    return Mark(space, solid.kind, frame, link @ solid.origin, solid.size_m, colour, mesh=solid.mesh)
