"""A world with a clock of its own: simulated time, and what goes on in it whether or not anybody commands."""

from collections.abc import Callable, Mapping

from robot_mbrl.messages import NANOSECONDS
from sim.starts import start_rng
from sim.worlds import World


class Simulation:
    """Advances a world, publishes its readings on a grid of simulated time, and brakes it when told.

    Attributes:
        now_ns: simulated time.
        braking: whether the drives have stopped by themselves, because nobody commands them.
    """

    def __init__(self, world: World, seed: int, start_ns: int, publish: Callable[[int], None]) -> None:
        """Put the world at its first start, with the drives braked.

        Args:
            world: what to simulate.
            seed: of the starts.
            start_ns: simulated time of the beginning.
            publish: publishes all readings under a stamp.
        """
        self.now_ns = start_ns
        self.braking = True
        self._world = world
        self._publish = publish
        self._seed = seed
        self._resets = 0
        self._place()

    def command(self, commands: Mapping[str, float]) -> None:
        """Command joints by name, in physical units."""
        self._world.apply(commands)
        self.braking = False

    def brake(self) -> None:
        """Let the drives stop by themselves."""
        self._world.brake()
        self.braking = True

    def advance_to(self, time_ns: int) -> None:
        """Let simulated time pass; nothing happens if it is there already."""
        if time_ns > self.now_ns:
            self._world.advance((time_ns - self.now_ns) / NANOSECONDS)
            self.now_ns = time_ns

    def leap_to(self, time_ns: int) -> None:
        """Set the clock, which never goes back, without anything moving."""
        self.now_ns = max(self.now_ns, time_ns)

    def publish(self) -> None:
        """Publish the present readings."""
        self._publish(self.now_ns)

    def reset(self) -> None:
        """Put the world at its next start; braked drives stay so."""
        self._resets += 1
        self._place()

    def _place(self) -> None:
        self._world.reset(start_rng(self._seed, self._resets))
        if self.braking:
            self._world.brake()
