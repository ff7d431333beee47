"""What robots move about on, and what stands around on it."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Colour = tuple[float, float, float]

BURIED_M = -5.0
"""Where things are that a start does not mention."""


@dataclass(frozen=True)
class Ground:
    """Flat ground without end, chequered so that one sees a robot move.

    Attributes:
        friction: its coefficient, where the robot's is 1.
        colours: of the tiles.
        tile_m: side of a tile.
        tiles: how many of them are drawn along each side of a square around what is looked at; an even number.
    """

    friction: float = 0.8
    colours: tuple[Colour, Colour] = ((0.62, 0.65, 0.60), (0.50, 0.53, 0.49))
    tile_m: float = 0.5
    tiles: int = 12

    def lay(self, bullet: Any) -> "Floor":
        """Put it into an engine."""
        # A plane that has no looks of its own would be drawn in the engine's; these are out of sight.
        hidden = bullet.createVisualShape(
            bullet.GEOM_SPHERE, radius=0.001, visualFramePosition=(0.0, 0.0, BURIED_M), rgbaColor=(0.0, 0.0, 0.0, 1.0)
        )
        plane = bullet.createMultiBody(0.0, bullet.createCollisionShape(bullet.GEOM_PLANE), hidden)
        bullet.changeDynamics(plane, -1, lateralFriction=self.friction, restitution=0.0)
        looks = [bullet.createMultiBody(0.0, -1, self._tiles(bullet, parity)) for parity in (0, 1)]
        return Floor(bullet, plane, looks, 2.0 * self.tile_m)

    def _tiles(self, bullet: Any, parity: int) -> int:
        """Every other tile, as one shape of two triangles each: boxes would be drawn from all sides."""
        corners: list[list[float]] = []
        triangles: list[int] = []
        for row in range(self.tiles):
            for column in range(self.tiles):
                if (row + column) % 2 != parity:
                    continue
                x, y = (self.tile_m * (number - self.tiles // 2) for number in (row, column))
                first = len(corners)
                corners += [[x + dx, y + dy, 0.0] for dx, dy in _SQUARE * np.float64(self.tile_m)]
                triangles += [first, first + 1, first + 2, first, first + 2, first + 3]
        return int(
            bullet.createVisualShape(
                bullet.GEOM_MESH,
                vertices=corners,
                indices=triangles,
                normals=[[0.0, 0.0, 1.0]] * len(corners),
                rgbaColor=[*self.colours[parity], 1.0],
            )
        )


_SQUARE = np.array([(0, 0), (1, 0), (1, 1), (0, 1)])


@dataclass(frozen=True)
class Floor:
    """Ground in an engine: the plane itself, and the tiles that are drawn of it."""

    bullet: Any
    plane: int
    looks: list[int]
    pattern_m: float

    def show_around(self, x: float, y: float) -> None:
        """Draw the tiles around a place, as if there were tiles everywhere."""
        middle = [self.pattern_m * round(value / self.pattern_m) for value in (x, y)]
        for body in self.looks:
            self.bullet.resetBasePositionAndOrientation(body, (*middle, 0.0), (0.0, 0.0, 0.0, 1.0))

    def set_friction(self, friction: float) -> None:
        """Change its coefficient."""
        self.bullet.changeDynamics(self.plane, -1, lateralFriction=friction)


@dataclass(frozen=True)
class Thing:
    """An obstacle or a mark.

    Attributes:
        size_m: length, width and height of a box; radius, unused and height of a cylinder.
        solid: whether robots bump into it, and lasers see it.
    """

    shape: Literal["box", "cylinder"]
    size_m: tuple[float, float, float]
    colour: Colour
    solid: bool = True

    @property
    def height_m(self) -> float:
        """How high it is."""
        return self.size_m[2]


def build_thing(bullet: Any, thing: Thing) -> int:
    """Build a thing, buried until a start puts it somewhere; returns its number."""
    length, width, height = thing.size_m
    if thing.shape == "box":
        half = [length / 2.0, width / 2.0, height / 2.0]
        solid = bullet.createCollisionShape(bullet.GEOM_BOX, halfExtents=half) if thing.solid else -1
        looks = bullet.createVisualShape(bullet.GEOM_BOX, halfExtents=half, rgbaColor=(*thing.colour, 1.0))
    else:
        solid = bullet.createCollisionShape(bullet.GEOM_CYLINDER, radius=length, height=height) if thing.solid else -1
        looks = bullet.createVisualShape(
            bullet.GEOM_CYLINDER, radius=length, length=height, rgbaColor=(*thing.colour, 1.0)
        )
    return int(bullet.createMultiBody(0.0, solid, looks, basePosition=(0.0, 0.0, BURIED_M)))
