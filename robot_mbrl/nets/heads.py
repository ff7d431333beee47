"""Heads: networks that read the model state."""

from torch import Tensor, nn

from robot_mbrl.nets.latents import StateLinear
from robot_mbrl.nets.layers import MLP, linear


class StateHead(nn.Module):
    """An MLP from the model state (deter, stoch) to `outputs` numbers."""

    def __init__(
        self, deter: int, stoch: int, classes: int, *, units: int, layers: int, outputs: int, output_scale: float = 1.0
    ) -> None:
        super().__init__()
        self.first = StateLinear(deter, stoch, classes, units)
        self.hidden = MLP(None, units, layers)
        self.last = linear(units, outputs, output_scale)

    def forward(self, deter: Tensor, index: Tensor, probs: Tensor | None = None) -> Tensor:
        """Outputs (..., outputs) of deter (..., deter) and classes (..., stoch), drawn from probs if given."""
        out: Tensor = self.last(self.hidden(self.first(deter, index, probs)))
        return out
