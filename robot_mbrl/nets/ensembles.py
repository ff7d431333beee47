"""Several MLPs of one shape, computed together, with their Jacobian in closed form."""

from typing import Literal

import torch
from torch import Tensor, nn

Activation = Literal["relu", "swish"]


class EnsembleMLP(nn.Module):
    """Members of an ensemble, which differ in nothing but their weights. Shapes: E members, B batch."""

    def __init__(
        self, members: int, inputs: int, outputs: int, units: int, layers: int, activation: Activation
    ) -> None:
        """Make the layers, with truncated normal weights of deviation 1 / (2 √inputs) as in PETS, and biases of zero.

        Args:
            members: number of MLPs.
            inputs: size of the input.
            outputs: size of the output.
            units: width of the hidden layers.
            layers: number of hidden layers.
            activation: what follows each of them.
        """
        super().__init__()
        sizes = [inputs, *[units] * layers, outputs]
        pairs = list(zip(sizes[:-1], sizes[1:], strict=True))
        self.kernels = nn.ParameterList(torch.empty(members, before, after) for before, after in pairs)
        self.biases = nn.ParameterList(torch.zeros(members, 1, after) for _, after in pairs)
        for kernel in self.kernels:
            deviation = 0.5 * kernel.shape[1] ** -0.5
            nn.init.trunc_normal_(kernel, std=deviation, a=-2.0 * deviation, b=2.0 * deviation)
        self._swish = activation == "swish"

    def forward(self, x: Tensor) -> Tensor:
        """(E, B, outputs) from (E, B, inputs)."""
        for index, (kernel, bias) in enumerate(zip(self.kernels, self.biases, strict=True)):
            if index:
                x = x * torch.sigmoid(x) if self._swish else torch.relu(x)
            x = torch.baddbmm(bias, x, kernel)
        return x

    def with_jacobian(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(E, B, outputs) from (E, B, inputs), and their derivative by the inputs, (E, B, outputs, inputs)."""
        jacobian = x.new_zeros(())
        for index, (kernel, bias) in enumerate(zip(self.kernels, self.biases, strict=True)):
            # A call, since torch's tracer moves attributes of weights out of loops, where they are aliases of them.
            across = kernel.transpose(1, 2).unsqueeze(1)  # (E, 1, after, before)
            if index == 0:
                jacobian = across
            else:
                x, slope = self._activated(x)
                jacobian = across @ (slope.unsqueeze(-1) * jacobian)
            x = torch.baddbmm(bias, x, kernel)
        return x, jacobian.expand(*x.shape, -1)

    def _activated(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The activation of x, and its derivative."""
        if self._swish:
            gate = torch.sigmoid(x)
            return x * gate, gate + x * gate * (1.0 - gate)
        return torch.relu(x), (x > 0.0).to(x)
