"""A world around another one, which does whatever it is not told to do otherwise."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from sim.worlds.variation import Variation
from sim.worlds.world import Reading, Stance, World


class WrappedWorld:
    """A `World` that leaves everything to another one; subclasses change what they are there for."""

    def __init__(self, world: World) -> None:
        """Wrap a world."""
        self.world = world

    def reset(self, rng: np.random.Generator) -> None:
        """See `World`, as of all below."""
        self.world.reset(rng)

    def apply(self, commands: Mapping[str, float]) -> None:
        """Command joints by name."""
        self.world.apply(commands)

    def brake(self) -> None:
        """Let the drives do what they do when commands cease."""
        self.world.brake()

    def advance(self, duration_s: float) -> None:
        """Let time pass."""
        self.world.advance(duration_s)

    def kinds(self) -> Mapping[str, str]:
        """What each driven joint is commanded in, by its name."""
        return self.world.kinds()

    def positions(self) -> Mapping[str, float]:
        """Where each driven joint is, by its name, rad or m."""
        return self.world.positions()

    def poses(self) -> Mapping[str, Stance]:
        """Where everything is that moves about."""
        return self.world.poses()

    def block(self, joints: frozenset[str]) -> None:
        """Hold these driven joints where they are, whatever they are commanded, and no others."""
        self.world.block(joints)

    def vary(self, variation: Variation) -> None:
        """Differ from the nominal from the next reset on."""
        self.world.vary(variation)

    def push(self, acceleration_m_s2: tuple[float, float]) -> None:
        """Push the robot until told otherwise."""
        self.world.push(acceleration_m_s2)

    def read(self, source: str, height: int = 64, width: int = 64) -> Reading:
        """The present reading of one source."""
        return self.world.read(source, height, width)

    def render(self, camera: str, height: int = 64, width: int = 64) -> np.ndarray:
        """A camera's picture, uint8, shape (height, width, 3)."""
        return self.world.render(camera, height, width)

    def photograph(self, height: int = 240) -> np.ndarray:
        """A picture for people."""
        return self.world.photograph(height)

    def snapshot(self) -> Any:
        """The state of everything."""
        return self.world.snapshot()

    def restore(self, snapshot: Any) -> None:
        """Go back to a snapshot of this world."""
        self.world.restore(snapshot)

    def close(self) -> None:
        """Release the engine."""
        self.world.close()
