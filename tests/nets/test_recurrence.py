"""The recurrent cells compute what the papers' code does, gate by gate."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from robot_mbrl.nets.recurrence import BlockDense, DeepBlockGRU, NormGRU, PlainGRU
from robot_mbrl.nets.styles import KERAS, LAYER_NORM, RMS_NORM


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-x))


def _array(x: Tensor) -> np.ndarray:
    return x.detach().double().numpy()


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def _in_use(module: nn.Module) -> None:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))


def test_the_plain_one_is_torchs_own() -> None:
    gru, reference = PlainGRU(5, 8, KERAS), nn.GRUCell(5, 8)
    _in_use(gru)
    reference.load_state_dict(
        {
            "weight_ih": gru.inputs.weight,
            "bias_ih": gru.inputs.bias,
            "weight_hh": gru.recurrent.weight,
            "bias_hh": gru.recurrent.bias,
        }
    )
    x, deter = torch.randn(3, 5), torch.randn(3, 8)
    torch.testing.assert_close(gru(x, deter), reference(x, deter))
    assert sum(p.numel() for p in gru.parameters()) == sum(p.numel() for p in reference.parameters())


def test_the_recurrent_kernel_of_the_plain_one_starts_orthogonal() -> None:
    kernel = PlainGRU(5, 8, KERAS).recurrent.weight
    torch.testing.assert_close(kernel.T @ kernel, torch.eye(8))


def test_the_normalised_one_normalises_all_gates_together() -> None:
    gru = NormGRU(5, 8, LAYER_NORM)
    _in_use(gru)
    x, deter = torch.randn(3, 5), torch.randn(3, 8)
    gates = np.concatenate([_array(deter), _array(x)], -1) @ _array(gru.gates.weight).T
    mean, variance = gates.mean(-1, keepdims=True), gates.var(-1, keepdims=True)
    gates = (gates - mean) / np.sqrt(variance + 1e-3) * _array(gru.norm.weight) + _array(gru.norm.bias)
    reset, candidate, update = np.split(gates, 3, -1)
    update = _sigmoid(update - 1.0)
    expected = update * np.tanh(_sigmoid(reset) * candidate) + (1.0 - update) * _array(deter)
    np.testing.assert_allclose(_array(gru(x, deter)), expected, atol=1e-5)


def test_the_block_one_is_a_hidden_layer_and_gates_per_block() -> None:
    blocks, deter_size = 4, 16
    gru = DeepBlockGRU(6, deter_size, blocks, RMS_NORM)
    _in_use(gru)
    x, deter = torch.randn(3, 6), torch.randn(3, deter_size)
    share = deter_size // blocks
    hidden = []
    for block in range(blocks):
        seen = np.concatenate([_array(deter)[:, block * share : (block + 1) * share], _array(x)], -1)
        hidden.append(seen @ _array(gru.hidden.weight[block]) + _array(gru.hidden.bias[block]))
    together = np.concatenate(hidden, -1)
    scale = _array(next(gru.after.parameters()))
    together = together / np.sqrt((together**2).mean(-1, keepdims=True) + 1e-4) * scale
    together = together * _sigmoid(together)
    expected = []
    for block in range(blocks):
        own = slice(block * share, (block + 1) * share)
        gates = together[:, own] @ _array(gru.gates.weight[block]) + _array(gru.gates.bias[block])
        reset, candidate, update = np.split(gates, 3, -1)
        update = _sigmoid(update - 1.0)
        new = np.tanh(_sigmoid(reset) * candidate)
        expected.append(update * new + (1.0 - update) * _array(deter)[:, own])
    np.testing.assert_allclose(_array(gru(x, deter)), np.concatenate(expected, -1), atol=1e-5)


def test_block_kernels_start_by_the_fan_of_all_blocks_together() -> None:
    layer = BlockDense(800, 800, 8, RMS_NORM)
    assert layer.weight.shape == (8, 100, 100)
    assert float(layer.weight.detach().std()) == pytest.approx(800**-0.5, rel=0.02)


def test_blocks_must_divide_the_sizes() -> None:
    with pytest.raises(ValueError, match="4 blocks do not divide 6"):
        BlockDense(6, 12, 4, RMS_NORM)
