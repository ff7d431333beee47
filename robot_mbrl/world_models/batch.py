"""Replayed experience as tensors: what a draw from replay becomes before an agent learns from it."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from robot_mbrl.experience.draws import BEFORE

_OBSERVATION, _GOAL = "observation.", "goal."


class Batch(NamedTuple):
    """Steps of experience, each tensor (B, T, ...); see `experience.draws` for what a row and its action are."""

    observation: dict[str, Tensor]
    """Vectors in physical units, float32, and pictures as they are, uint8 or uint16, by name."""
    goal: dict[str, Tensor]
    """What was to be brought about, in physical units, float32, by name; {} for tasks without a goal."""
    action: Tensor
    """(B, T, A), applied from each observation on."""
    prev_action: Tensor
    """(B, T, A), the action that led to each observation; zeros where an episode begins."""
    reward: Tensor
    """(B, T), earned on arriving at each observation."""
    is_first: Tensor
    """(B, T), 1 where nothing before counts."""
    is_last: Tensor
    is_terminal: Tensor
    valid: Tensor
    """(B, T), bool: false where a row only fills the tensor."""
    row: Tensor
    """(B, T), int64, the rows' numbers in replay."""
    source: Tensor
    """(B, T), uint8, who chose each action: a `specs.Source`."""
    before: dict[str, Tensor]
    """Latents remembered of the row before the first, (B, ...), as replay keeps them; zeros where there are none."""

    def known_prev_action(self) -> Tensor:
        """(B, T, A), the action that led to each observation; zeros where the state before it is not known."""
        return self.prev_action * (1.0 - self.is_first).unsqueeze(-1)

    @classmethod
    def of(cls, drawn: Mapping[str, np.ndarray], device: torch.device) -> "Batch":
        """What a draw has read, on a device; nothing waits for it to arrive there."""

        def tensor(values: np.ndarray) -> Tensor:
            return torch.from_numpy(values).to(device, non_blocking=True)

        def named(prefix: str) -> dict[str, Tensor]:
            return {name.removeprefix(prefix): tensor(drawn[name]) for name in drawn if name.startswith(prefix)}

        others = {name: tensor(drawn[name]) for name in cls._fields if name in drawn}
        return cls(observation=named(_OBSERVATION), goal=named(_GOAL), before=named(BEFORE), **others)
