"""Networks that read a model state: deter and latent by one kernel, hidden layers, and one or more linear outputs."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from robot_mbrl.nets.latent_kinds import Latent, StateLinear
from robot_mbrl.nets.styles import Style


class Outputs(nn.Module):
    """Linear output layers side by side, each a kernel of its own."""

    def __init__(self, inputs: int, sizes: Sequence[int], scales: Sequence[float], style: Style) -> None:
        super().__init__()
        layers = (style.linear(inputs, size, scale) for size, scale in zip(sizes, scales, strict=True))
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        """All outputs (..., sum of the sizes)."""
        if len(self.layers) == 1:
            out: Tensor = self.layers[0](x)
            return out
        return torch.cat([layer(x) for layer in self.layers], -1)


class StateMLP(nn.Module):
    """Hidden layers of one width on model states, and outputs."""

    def __init__(
        self,
        deter: int,
        latent: Latent,
        *,
        units: int,
        layers: int,
        outputs: Sequence[int],
        scales: Sequence[float],
        style: Style,
    ) -> None:
        """Make the network.

        Args:
            deter: size of the states' recurrent part.
            latent: kind of their stochastic part.
            units: width of the hidden layers.
            layers: how many there are.
            outputs: sizes of the outputs.
            scales: what the outputs' initial weights are scaled by.
            style: how layers are built.
        """
        super().__init__()
        self.first = StateLinear(deter, latent, units, bias=style.bias)
        style.initialise(self.first.weight, self.first.inputs, units, 1.0)
        self.hidden = nn.Sequential(style.after(units), style.mlp(units, units, layers - 1))
        self.outputs = Outputs(units, outputs, scales, style)

    def forward(self, deter: Tensor, latent: Tensor, carried: Tensor | None = None) -> Tensor:
        """Outputs (..., sum of the sizes) of deter (..., deter) and latents (..., stoch).

        `carried` is what goes along with the latents for gradients to pass.
        """
        out: Tensor = self.outputs(self.hidden(self.first(deter, latent, carried)))
        return out
