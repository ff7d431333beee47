"""The recurrent part of an RSSM: what leads from one model state and an action to the next deter."""

from typing import Protocol

import torch
from torch import Tensor, nn

from robot_mbrl.nets.latent_kinds import Latent, LatentLinear
from robot_mbrl.nets.recurrence import DeepBlockGRU, NormGRU, PlainGRU
from robot_mbrl.nets.styles import Style
from robot_mbrl.world_models.rssm import State


class Core(Protocol):
    """The deterministic transition of an RSSM."""

    def drive(self, action: Tensor) -> Tensor:
        """What actions (..., A) contribute, (..., H): of a whole sequence at once, since it depends on no state."""
        ...

    def advance(self, state: State, driven: Tensor, kept: Tensor | None = None) -> Tensor:
        """The next deter (B, D).

        Args:
            state: states (B, ...).
            driven: what the actions contribute, (B, H).
            kept: (B, 1), 0 where the state's latent counts as all zeros; None for nowhere.
        """
        ...


class DenseCore(nn.Module):
    """A GRU behind a hidden layer on latent and action (PlaNet, Dreamer v1, DreamerV2, DayDreamer)."""

    def __init__(self, latent: Latent, action: int, hidden: int, gru: PlainGRU | NormGRU, style: Style) -> None:
        super().__init__()
        self.of_latent = LatentLinear(latent, hidden, bias=False)
        self.of_action = style.linear(action, hidden, bias=style.bias)
        # The two make up one layer, so each starts with the fans of both.
        fans = (latent.width + action, hidden)
        style.initialise(self.of_latent.weight, *fans, 1.0)
        style.initialise(self.of_action.weight, *fans, 1.0)
        self.after = style.after(hidden)
        self.gru = gru

    def drive(self, action: Tensor) -> Tensor:
        """See `Core`."""
        driven: Tensor = self.of_action(action)
        return driven

    def advance(self, state: State, driven: Tensor, kept: Tensor | None = None) -> Tensor:
        """See `Core`."""
        hidden = self.after(self.of_latent(state.latent, state.probs, kept) + driven)
        deter: Tensor = self.gru(hidden, state.deter)
        return deter


class BlockCore(nn.Module):
    """A block GRU on three normalised inputs: deter, latent and action, each through a layer of its own (DreamerV3)."""

    def __init__(self, latent: Latent, action: int, deter: int, hidden: int, blocks: int, style: Style) -> None:
        super().__init__()
        self.of_deter = style.hidden(deter, hidden)
        self.of_latent = LatentLinear(latent, hidden, bias=True)
        style.initialise(self.of_latent.weight, latent.width, hidden, 1.0)
        self.after_latent = style.after(hidden)
        self.of_action = style.hidden(action, hidden)
        self.gru = DeepBlockGRU(3 * hidden, deter, blocks, style)

    def drive(self, action: Tensor) -> Tensor:
        """See `Core`; actions beyond ±1 count as ±1."""
        driven: Tensor = self.of_action(action / action.detach().abs().clamp(min=1.0))
        return driven

    def advance(self, state: State, driven: Tensor, kept: Tensor | None = None) -> Tensor:
        """See `Core`."""
        of_latent = self.after_latent(self.of_latent(state.latent, state.probs, kept))
        inputs = torch.cat([self.of_deter(state.deter), of_latent, driven], -1)
        deter: Tensor = self.gru(inputs, state.deter)
        return deter
