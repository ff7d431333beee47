"""An ensemble is its members, each by itself, and its Jacobian is that of automatic differentiation."""

from typing import Literal

import pytest
import torch
from torch import Tensor
from torch.func import jacrev, vmap

from robot_mbrl.nets.ensembles import EnsembleMLP

each_activation = pytest.mark.parametrize("activation", ["relu", "swish"])
each_depth = pytest.mark.parametrize("layers", [0, 1, 3])


def made(layers: int, activation: Literal["relu", "swish"]) -> EnsembleMLP:
    torch.manual_seed(0)
    network = EnsembleMLP(3, 5, 4, 8, layers, activation).double()
    for bias in network.biases:
        torch.nn.init.normal_(bias)
    return network


@each_activation
@each_depth
def test_each_member_computes_an_mlp_of_its_own(layers: int, activation: Literal["relu", "swish"]) -> None:
    network = made(layers, activation)
    x = torch.randn(3, 7, 5, dtype=torch.float64)
    found = network(x)
    act = torch.nn.functional.silu if activation == "swish" else torch.relu
    for member in range(3):
        expected = x[member]
        for index, (kernel, bias) in enumerate(zip(network.kernels, network.biases, strict=True)):
            expected = (act(expected) if index else expected) @ kernel[member] + bias[member]
        torch.testing.assert_close(found[member], expected)


@each_activation
@each_depth
def test_the_jacobian_in_closed_form_is_that_of_autograd(layers: int, activation: Literal["relu", "swish"]) -> None:
    network = made(layers, activation)
    x = torch.randn(3, 7, 5, dtype=torch.float64)
    out, jacobian = network.with_jacobian(x)
    torch.testing.assert_close(out, network(x))
    assert jacobian.shape == (3, 7, 4, 5)

    def alone(row: Tensor) -> Tensor:
        """The members' outputs (E, outputs) of inputs (E, inputs)."""
        return network(row.unsqueeze(1)).squeeze(1)

    whole = vmap(jacrev(alone), in_dims=1)(x)  # (B, E, outputs, E, inputs)
    expected = torch.stack([whole[:, member, :, member] for member in range(3)])
    torch.testing.assert_close(jacobian, expected)


def test_members_begin_otherwise_and_within_what_pets_draws() -> None:
    network = made(2, "swish")
    assert not torch.equal(network.kernels[1][0], network.kernels[1][1])
    for kernel in network.kernels:
        assert float(kernel.detach().abs().max()) <= kernel.shape[1] ** -0.5 + 1e-6
