"""What a recurrent state-space model knows of the world at one step (PlaNet, section 3)."""

from typing import NamedTuple

from torch import Tensor


class State(NamedTuple):
    """Model states, with any leading dimensions."""

    deter: Tensor
    """(..., D), float32."""
    latent: Tensor
    """(..., S), int64 classes, or float32 where latents are Gaussian."""
    probs: Tensor | None = None
    """(..., S, K) that the classes were drawn from; carries their gradient. None where none is wanted."""

    def detach(self) -> "State":
        """The same state without gradients."""
        return State(self.deter.detach(), self.latent.detach())
