"""A source of random numbers that a checkpoint can keep, also one that is resumed on another kind of device."""

from collections.abc import Mapping
from typing import Any

import torch


class RandomSource:
    """A seeded generator on a device.

    Attributes:
        generator: what to draw with.
    """

    def __init__(self, device: torch.device, seed: int) -> None:
        """Seed it; for the device "meta", where nothing is computed, any generator will do."""
        self._seed = seed
        self.generator = torch.Generator("cpu" if device.type == "meta" else device).manual_seed(seed)

    def state_dict(self) -> dict[str, Any]:
        """Where the generator is."""
        return {"device": self.generator.device.type, "generator": self.generator.get_state()}

    def load_state_dict(self, state: Mapping[str, Any], updates: int) -> None:
        """Go on from there.

        Args:
            state: as `state_dict` gave it.
            updates: made so far. On another kind of device the generator cannot go on where it was: it begins a new
                sequence, which depends on the seed and this number alone.
        """
        if state["device"] == self.generator.device.type:
            self.generator.set_state(state["generator"].cpu())
        else:
            self.generator.manual_seed(self._seed + updates)
