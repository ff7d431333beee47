"""What agents share whose updates one CUDA graph can hold, and those of them that learn a model and nothing else."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from robot_mbrl.agents.agent import Learned
from robot_mbrl.agents.optimizers import ClippedAdam
from robot_mbrl.agents.random_source import RandomSource
from robot_mbrl.world_models.batch import Batch


class CapturableAgent(ABC):
    """An update that is made on the device, and counted on the host. Implements `agents.agent.Capturable`."""

    def __init__(self, device: torch.device, seed: int) -> None:
        """Begin before the first update.

        Args:
            device: where it learns.
            seed: of the random numbers that its updates draw.
        """
        self._random = RandomSource(device, seed)
        self._updates = 0

    @property
    def generators(self) -> tuple[torch.Generator]:
        """The only one."""
        return (self._random.generator,)

    def update(self, batches: Mapping[str, Batch]) -> Learned:
        """Learn once from what was drawn."""
        learned = self.compute(batches)
        self.computed()
        return learned

    def computed(self) -> None:
        """One update more."""
        self._updates += 1

    @abstractmethod
    def compute(self, batches: Mapping[str, Batch]) -> Learned:
        """See `agents.agent.Capturable`."""


class ModelAgent(CapturableAgent):
    """An agent that learns a model, by one optimiser, and plans with it.

    Attributes:
        model: what is learned.
    """

    model: nn.Module

    def __init__(
        self, model: nn.Module, optimizer: ClippedAdam, pretrain_updates: int, device: torch.device, seed: int
    ) -> None:
        """Begin before the first update.

        Args:
            model: what is learned, on the device already.
            optimizer: of the model.
            pretrain_updates: with how many updates learning begins.
            device: where it learns.
            seed: of the random numbers that its updates draw.
        """
        super().__init__(device, seed)
        self.model, self._optimizer, self._pretrain_updates = model, optimizer, pretrain_updates

    @property
    def size(self) -> int:
        """Numbers that are learned."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    @property
    def ready(self) -> bool:
        """Once the updates that learning begins with were made: nobody plans with a model of nothing."""
        return self._updates >= max(1, self._pretrain_updates)

    def state_dict(self) -> dict[str, Any]:
        """The model with its statistics, Adam's moments, the counter and the generator."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "updates": self._updates,
            "random": self._random.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self.model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._updates = state["updates"]
        self._random.load_state_dict(state["random"], self._updates)
