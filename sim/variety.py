"""What a person chooses of how simulated worlds vary: `--randomise` and `--push`."""

from dataclasses import dataclass

from sim.worlds import World
from sim.worlds.variation import Ranges
from sim.worlds.varied import Pushes, VariedWorld


@dataclass(frozen=True)
class Variety:
    """Whether worlds differ from episode to episode, and whether robots are pushed."""

    randomise: bool = False
    push: bool = False

    def of(self, world: World) -> World:
        """The world with what was chosen.

        Raises:
            WorldError: if its robot cannot be pushed and is to be.
        """
        if not (self.randomise or self.push):
            return world
        return VariedWorld(world, Ranges() if self.randomise else None, Pushes() if self.push else None)


NONE = Variety()
"""The nominal world, undisturbed."""
