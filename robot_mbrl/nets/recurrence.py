"""The recurrent cells of the published Dreamers: plain, layer-normalised and block-diagonal.

All are gated: a candidate c and an update gate u make the next state u·c + (1 - u)·deter.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from robot_mbrl.nets.styles import Style


class PlainGRU(nn.Module):
    """The GRU of Keras and torch, whose reset gate is applied after the recurrent product (Dreamer v1)."""

    def __init__(self, inputs: int, deter: int, style: Style) -> None:
        super().__init__()
        self.inputs = style.linear(inputs, 3 * deter)
        self.recurrent = nn.Linear(deter, 3 * deter)
        nn.init.orthogonal_(self.recurrent.weight)
        nn.init.zeros_(self.recurrent.bias)

    def forward(self, x: Tensor, deter: Tensor) -> Tensor:
        """Next state (batch, deter) from the input (batch, inputs) and the state (batch, deter)."""
        reset_x, keep_x, candidate_x = self.inputs(x).chunk(3, -1)
        reset, keep, candidate = self.recurrent(deter).chunk(3, -1)
        candidate = torch.tanh(candidate_x + torch.sigmoid(reset_x + reset) * candidate).to(deter.dtype)
        return torch.lerp(candidate, deter, torch.sigmoid(keep_x + keep).to(deter.dtype))


class NormGRU(nn.Module):
    """A GRU with one layer normalisation over all gates and an update gate that starts low (DreamerV2, DayDreamer)."""

    def __init__(self, inputs: int, deter: int, style: Style) -> None:
        super().__init__()
        self.gates = style.linear(deter + inputs, 3 * deter, bias=False)
        self.norm = nn.LayerNorm(3 * deter, eps=1e-3)

    def forward(self, x: Tensor, deter: Tensor) -> Tensor:
        """Next state (batch, deter) from the input (batch, inputs) and the state (batch, deter)."""
        return gated(self.norm(self.gates(torch.cat([deter.to(x.dtype), x], -1))).chunk(3, -1), deter)


class BlockDense(nn.Module):
    """A block-diagonal linear layer with bias (DreamerV3)."""

    def __init__(self, inputs: int, outputs: int, blocks: int, style: Style) -> None:
        super().__init__()
        if inputs % blocks or outputs % blocks:
            raise ValueError(f"{blocks} blocks do not divide {inputs} inputs and {outputs} outputs")
        self.weight = nn.Parameter(torch.empty(blocks, inputs // blocks, outputs // blocks))
        # As published, by the fans of all blocks together: each block's outputs start small.
        style.initialise(self.weight, inputs, outputs, 1.0)
        self.bias = nn.Parameter(torch.zeros(blocks, outputs // blocks))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, blocks, inputs / blocks) to (batch, blocks, outputs / blocks)."""
        return torch.baddbmm(self.bias.unsqueeze(1), x.transpose(0, 1), self.weight).transpose(0, 1)


class BlockKernels(NamedTuple):
    """The hidden layer of a `DeepBlockGRU`, laid out so that what all blocks see alike is one product."""

    of_state: Tensor
    """(blocks, deter / blocks, deter / blocks), of each block's own share of the state."""
    of_inputs: Tensor
    """(inputs, deter)."""
    bias: Tensor
    """(deter)."""


class DeepBlockGRU(nn.Module):
    """The recurrence of DreamerV3: each block sees its own share of the state and all inputs, through a hidden layer.

    The hidden layer is normalised over all blocks together; the gates are not normalised.
    """

    def __init__(self, inputs: int, deter: int, blocks: int, style: Style) -> None:
        super().__init__()
        self.blocks = blocks
        self.hidden = BlockDense(deter + blocks * inputs, deter, blocks, style)
        self.after = style.after(deter)
        self.gates = BlockDense(deter, 3 * deter, blocks, style)

    def kernels(self) -> BlockKernels:
        """The hidden layer's, for as long as its weights stay as they are: laid out once for many steps."""
        weight = self.hidden.weight
        share = weight.shape[2]  # deter / blocks
        of_state, of_inputs = torch.split(weight, [share, weight.shape[1] - share], 1)
        return BlockKernels(of_state, of_inputs.transpose(0, 1).flatten(1), self.hidden.bias.flatten())

    def forward(self, x: Tensor, deter: Tensor) -> Tensor:
        """Next state (batch, deter) from the inputs (batch, inputs) and the state (batch, deter), by whole kernels."""
        shares = deter.view(deter.shape[0], self.blocks, -1).to(x.dtype)  # (batch, blocks, deter / blocks)
        seen = torch.cat([shares, x.unsqueeze(1).expand(-1, self.blocks, -1)], -1)
        return self._gated(self.hidden(seen).flatten(1), deter)

    def step(self, image: Tensor, deter: Tensor, kernels: BlockKernels) -> Tensor:
        """Next state (batch, deter) from the hidden layer's image (batch, deter) of the inputs, its bias included."""
        if self.blocks == 1:
            return self._gated(torch.addmm(image, deter, kernels.of_state.squeeze(0)), deter)
        shares = deter.view(deter.shape[0], self.blocks, -1).transpose(0, 1)  # (blocks, batch, deter / blocks)
        return self._gated(image + torch.bmm(shares, kernels.of_state).transpose(0, 1).flatten(1), deter)

    def _gated(self, image: Tensor, deter: Tensor) -> Tensor:
        """Next state of the hidden layer before its normalisation."""
        shape = (deter.shape[0], self.blocks, -1)
        gates = self.gates(self.after(image).view(shape)).chunk(3, -1)  # 3 x (batch, blocks, deter / blocks)
        return gated(gates, deter.view(shape)).flatten(1)


def gated(gates: tuple[Tensor, ...], deter: Tensor) -> Tensor:
    """The next state of reset, candidate and update gates before their nonlinearities, each of the state's shape."""
    reset, candidate, update = gates
    candidate = torch.tanh(torch.sigmoid(reset) * candidate)
    # The state itself stays in its own precision, whatever the layers compute in: small steps must not be lost.
    return torch.lerp(deter, candidate.to(deter.dtype), torch.sigmoid(update - 1.0).to(deter.dtype))
