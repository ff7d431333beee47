"""Dense building blocks: normalised layers, the MLP and the block GRU."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robot_mbrl.nets.initial import truncated_normal

NORM_EPSILON = 1e-3


class NormAct(nn.Module):
    """Layer normalisation and SiLU, what follows every hidden linear layer."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(size, eps=NORM_EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        """Normalised and activated x, same shape (..., size)."""
        return F.silu(self.norm(x))


def linear(inputs: int, outputs: int, scale: float = 1.0) -> nn.Linear:
    """A linear layer with variance-preserving truncated-normal weights times `scale`, and zero bias."""
    layer = nn.Linear(inputs, outputs)
    truncated_normal(layer.weight, scale * inputs**-0.5)
    nn.init.zeros_(layer.bias)
    return layer


class MLP(nn.Sequential):
    """Hidden layers of one width; the input may already be the first one's linear image."""

    def __init__(self, inputs: int | None, units: int, layers: int) -> None:
        """Make the layers.

        Args:
            inputs: size of the input; None if it is the first layer's image and only needs NormAct.
            units: width.
            layers: number of hidden layers, the first one included.
        """
        modules: list[nn.Module] = [] if inputs is None else [linear(inputs, units)]
        modules.append(NormAct(units))
        for _ in range(layers - 1):
            modules += [linear(units, units), NormAct(units)]
        super().__init__(*modules)


class BlockLinear(nn.Module):
    """A block-diagonal linear layer without bias, whose blocks each see and make 1/blocks of the features."""

    def __init__(self, inputs: int, outputs: int, blocks: int) -> None:
        super().__init__()
        if inputs % blocks or outputs % blocks:
            raise ValueError(f"{blocks} blocks do not divide {inputs} inputs and {outputs} outputs")
        self.weight = nn.Parameter(torch.empty(blocks, inputs // blocks, outputs // blocks))
        truncated_normal(self.weight, (inputs // blocks) ** -0.5)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, inputs) to (batch, blocks, outputs / blocks)."""
        blocks = self.weight.shape[0]
        return torch.bmm(x.view(x.shape[0], blocks, -1).transpose(0, 1), self.weight).transpose(0, 1)


class BlockGRU(nn.Module):
    """A GRU with layer-normalised gates and block-diagonal recurrence (DreamerV3, section on the block GRU).

    The input reaches every block through a dense layer; the recurrent state only its own block. The update gate
    starts with a bias of -1, towards keeping the state. Gates lie one after the other: reset, candidate, update.
    """

    def __init__(self, inputs: int, deter: int, blocks: int) -> None:
        super().__init__()
        self.blocks = blocks
        self.dense = nn.Linear(inputs, 3 * deter, bias=False)
        truncated_normal(self.dense.weight, (2 * inputs) ** -0.5)
        self.recurrent = BlockLinear(deter, 3 * deter, blocks)
        with torch.no_grad():
            self.recurrent.weight.mul_(2**-0.5)
        self.norm = nn.LayerNorm(3 * deter, eps=NORM_EPSILON)
        with torch.no_grad():
            self.norm.bias[2 * deter :].fill_(-1.0)

    def forward(self, x: Tensor, deter: Tensor) -> Tensor:
        """Next state (batch, deter) from the input (batch, inputs) and the state (batch, deter)."""
        image = self.dense(x)
        if self.blocks == 1:  # in one operation: at small sizes, their number is what takes the time
            image = torch.addmm(image, deter, self.recurrent.weight.squeeze(0))
        else:
            # Each block makes its own share of every gate: (batch, blocks, 3, deter / blocks).
            shares = self.recurrent(deter).unflatten(-1, (3, -1))
            image = image + shares.transpose(1, 2).flatten(1)
        reset, candidate, update = self.norm(image).chunk(3, -1)
        candidate = torch.tanh(torch.sigmoid(reset) * candidate)
        return torch.lerp(deter, candidate, torch.sigmoid(update))
