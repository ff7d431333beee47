"""The recurrent part of an RSSM: what leads from one model state and an action to the next deter."""

from typing import Protocol

import torch
from torch import Tensor, nn

from robot_mbrl.nets.latent_kinds import Latent, LatentLinear
from robot_mbrl.nets.latents import OneHotLinear
from robot_mbrl.nets.layers import BlockGRU
from robot_mbrl.nets.recurrence import DeepBlockGRU, NormGRU, PlainGRU
from robot_mbrl.nets.styles import Style
from robot_mbrl.world_models.state import State


class Transition(Protocol):
    """What leads from a state and an action to the next deter."""

    def drive(self, action: Tensor) -> Tensor:
        """What actions (..., A) contribute, (..., n): of a whole sequence at once, since it depends on no state."""
        ...

    def advance(self, state: State, driven: Tensor, kept: Tensor | None = None) -> Tensor:
        """The next deter (B, D).

        Args:
            state: states (B, ...).
            driven: what the actions contribute, (B, n).
            kept: (B, 1), 0 where the state's latent counts as all zeros; None for nowhere.
        """
        ...


class Core(Protocol):
    """The deterministic part of an RSSM."""

    def transition(self) -> Transition:
        """Its transition, with kernels laid out for as many steps as the weights stay as they are."""
        ...


class DenseCore(nn.Module):
    """A GRU behind a hidden layer on latent and action (PlaNet, Dreamer v1, DreamerV2, DayDreamer)."""

    def __init__(
        self,
        of_latent: LatentLinear | OneHotLinear,
        of_action: nn.Linear,
        after: nn.Module,
        gru: PlainGRU | NormGRU | BlockGRU,
    ) -> None:
        """Compose the core.

        Args:
            of_latent: the hidden layer's part that sees latents.
            of_action: its part that sees actions.
            after: what follows their sum.
            gru: leads from that and a deter to the next deter.
        """
        super().__init__()
        self.of_latent, self.of_action, self.after, self.gru = of_latent, of_action, after, gru

    @classmethod
    def of_style(cls, latent: Latent, action: int, hidden: int, gru: PlainGRU | NormGRU, style: Style) -> "DenseCore":
        """One whose hidden layer is built as a paper builds its layers."""
        of_latent = LatentLinear(latent, hidden, bias=False)
        of_action = style.linear(action, hidden, bias=style.bias)
        # The two make up one layer, so each starts with the fans of both.
        fans = (latent.width + action, hidden)
        style.initialise(of_latent.weight, *fans, 1.0)
        style.initialise(of_action.weight, *fans, 1.0)
        return cls(of_latent, of_action, style.after(hidden), gru)

    def transition(self) -> "DenseCore":
        """See `Core`: there is nothing to lay out."""
        return self

    def drive(self, action: Tensor) -> Tensor:
        """See `Transition`."""
        driven: Tensor = self.of_action(action)
        return driven

    def advance(self, state: State, driven: Tensor, kept: Tensor | None = None) -> Tensor:
        """See `Transition`."""
        hidden = self.after(self.of_latent(state.latent, state.probs, kept) + driven)
        deter: Tensor = self.gru(hidden, state.deter)
        return deter


class BlockCore(nn.Module):
    """A block GRU on three normalised inputs: deter, latent and action, each through a layer of its own (DreamerV3)."""

    def __init__(self, latent: Latent, action: int, deter: int, hidden: int, blocks: int, style: Style) -> None:
        super().__init__()
        self.hidden = hidden
        self.of_deter = style.hidden(deter, hidden)
        self.of_latent = LatentLinear(latent, hidden, bias=True)
        style.initialise(self.of_latent.weight, latent.width, hidden, 1.0)
        self.after_latent = style.after(hidden)
        self.of_action = style.hidden(action, hidden)
        self.gru = DeepBlockGRU(3 * hidden, deter, blocks, style)

    def transition(self) -> "BlockCore | BlockTransition":
        """See `Core`."""
        # An ONNX graph must use kernels whole, under their names.
        return self if torch.compiler.is_exporting() else BlockTransition(self)

    def drive(self, action: Tensor) -> Tensor:
        """See `Transition`; actions beyond ±1 count as ±1."""
        driven: Tensor = self.of_action(action / action.detach().abs().clamp(min=1.0))
        return driven

    def latent_layer(self, state: State, kept: Tensor | None) -> Tensor:
        """The hidden layer of the states' latents, (B, H)."""
        out: Tensor = self.after_latent(self.of_latent(state.latent, state.probs, kept))
        return out

    def advance(self, state: State, driven: Tensor, kept: Tensor | None = None) -> Tensor:
        """See `Transition`."""
        inputs = torch.cat([self.of_deter(state.deter), self.latent_layer(state, kept), driven], -1)
        deter: Tensor = self.gru(inputs, state.deter)
        return deter


class BlockTransition:
    """The transition of a `BlockCore` for many steps: what does not depend on the state is taken out of them.

    So actions contribute to the hidden layer of the recurrence, and what all its blocks see alike is one product.
    """

    def __init__(self, core: BlockCore) -> None:
        self._core = core
        self._kernels = kernels = core.gru.kernels()
        of_action = core.hidden
        self._of_hidden, self._of_action = torch.split(
            kernels.of_inputs, [len(kernels.of_inputs) - of_action, of_action]
        )

    def drive(self, action: Tensor) -> Tensor:
        """See `Transition`."""
        return nn.functional.linear(self._core.drive(action), self._of_action.t(), self._kernels.bias)

    def advance(self, state: State, driven: Tensor, kept: Tensor | None = None) -> Tensor:
        """See `Transition`."""
        hidden = torch.cat([self._core.of_deter(state.deter), self._core.latent_layer(state, kept)], -1)
        image = torch.addmm(driven, hidden, self._of_hidden)
        return self._core.gru.step(image, state.deter, self._kernels)
