"""A world whose drives misbehave: any world, with faults between the commands and its joints."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from sim.faults.body import Drives
from sim.faults.description import Faults
from sim.worlds.world import World
from sim.worlds.wrapped import WrappedWorld

SLICE_S = 0.005
"""A drive that lags is advanced by this much at a time."""


class FaultyWorld(WrappedWorld):
    """The `World` that another one becomes by its drives' faults; its sensors are those of the other one."""

    def __init__(self, world: World, faults: Faults) -> None:
        """Wrap a world; time counts from now, and not from its resets."""
        super().__init__(world)
        self._drives = Drives(faults, world.kinds())
        self._blocked: frozenset[str] = frozenset()
        self._now_s = 0.0

    def misbehave(self, faults: Faults) -> None:
        """Let other faults happen from now on, instead of those before; the drives go on from where the joints are."""
        self.world.block(frozenset())
        self.world.brake()
        self._drives, self._blocked, self._now_s = Drives(faults, self.world.kinds()), frozenset(), 0.0

    def reset(self, rng: np.random.Generator) -> None:
        """Put everything at a start drawn from `rng`, at rest and with the drives idle."""
        self.world.reset(rng)
        self._drives.brake()

    def apply(self, commands: Mapping[str, float]) -> None:
        """Command joints by name; what they make of it is seen as time passes."""
        if not self._drives.faulty:
            self.world.apply(commands)
            return
        positions = self.world.positions() if "position" in self.world.kinds().values() else {}
        moving = {name: value for name, value in commands.items() if name in self.world.kinds()}
        self._drives.command(moving, self._now_s, positions)
        # What gains a drive is told it takes at once, whatever becomes of its command.
        if gains := {name: value for name, value in commands.items() if name not in moving}:
            self.world.apply(gains)

    def brake(self) -> None:
        """What the drives do by themselves when commands cease: come to rest and stay there."""
        self._drives.brake()
        self.world.brake()

    def advance(self, duration_s: float) -> None:
        """Let time pass."""
        if not self._drives.faulty:
            self.world.advance(duration_s)
            self._now_s += duration_s
            return
        slices = max(1, round(duration_s / SLICE_S))
        for _ in range(slices):
            self._advance(duration_s / slices)

    def restore(self, snapshot: Any) -> None:
        """Go back to a snapshot of the world; the faults go on, and the drives wait for a command."""
        self.world.restore(snapshot)
        self._drives.brake()

    def _advance(self, dt_s: float) -> None:
        driven = self._drives.advance(self._now_s, dt_s)
        blocked = self._drives.blocked(self._now_s)
        if blocked != self._blocked:
            self.world.block(blocked)
            self._blocked = blocked
        if driven:
            self.world.apply(driven)
        self.world.advance(dt_s)
        self._now_s += dt_s
