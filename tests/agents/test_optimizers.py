"""The optimisers do what their papers' code does, parameter by parameter."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from robot_mbrl.agents.optimizers import ClippedAdam, LaProp, Optimizer

STEPS = 5


def _network() -> nn.Module:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    with torch.no_grad():
        network[1].weight.zero_()
        network[1].bias.fill_(0.5)
    return network


def _gradients(network: nn.Module, step: int) -> list[np.ndarray]:
    rng = np.random.default_rng(step)
    gradients = [rng.normal(0.0, 3.0**step, tuple(p.shape)).astype(np.float32) for p in network.parameters()]
    for parameter, gradient in zip(network.parameters(), gradients, strict=True):
        parameter.grad = torch.from_numpy(gradient.copy())
    return [gradient.astype(np.float64) for gradient in gradients]


def _laprop(network: nn.Module, warmup: int = 3) -> LaProp:
    return LaProp([network], rate=0.01, warmup=warmup, clip=0.3, square_decay=0.999, momentum_decay=0.9, epsilon=1e-20)


def _adam(network: nn.Module) -> ClippedAdam:
    return ClippedAdam([network], rate=0.01, epsilon=1e-6, clip=10.0, decay=0.1)


def test_laprop_clips_per_parameter_normalises_then_averages_and_warms_up_from_zero() -> None:
    network = _network()
    optimizer = _laprop(network)
    expected = [p.detach().double().numpy().copy() for p in network.parameters()]
    square, momentum = [np.zeros_like(p) for p in expected], [np.zeros_like(p) for p in expected]
    for step in range(STEPS):
        gradients = _gradients(network, step)
        norm, left_out = optimizer.step()
        assert float(left_out) == 0.0
        assert float(norm) == pytest.approx(np.sqrt(sum((g**2).sum() for g in gradients)), rel=1e-5)
        for index, gradient in enumerate(gradients):
            limit = 0.3 * max(1e-3, np.linalg.norm(expected[index]))
            gradient /= max(1.0, np.linalg.norm(gradient) / limit)
            square[index] = 0.999 * square[index] + 0.001 * gradient**2
            normed = gradient / (np.sqrt(square[index] / (1 - 0.999 ** (step + 1))) + 1e-20)
            momentum[index] = 0.9 * momentum[index] + 0.1 * normed
            expected[index] -= 0.01 * min(1.0, step / 3) * momentum[index] / (1 - 0.9 ** (step + 1))
    for found, wanted in zip(network.parameters(), expected, strict=True):
        np.testing.assert_allclose(found.detach().numpy(), wanted, rtol=2e-3, atol=2e-6)


def test_adam_clips_all_gradients_together_and_decays_kernels_alone_and_first() -> None:
    network = _network()
    optimizer = _adam(network)
    expected = [p.detach().double().numpy().copy() for p in network.parameters()]
    square, momentum = [np.zeros_like(p) for p in expected], [np.zeros_like(p) for p in expected]
    for step in range(STEPS):
        gradients = _gradients(network, step)
        total = np.sqrt(sum((g**2).sum() for g in gradients))
        optimizer.step()
        for index, gradient in enumerate(gradients):
            gradient *= min(1.0, 10.0 / total)
            if expected[index].ndim > 1:
                expected[index] *= 1.0 - 0.1 * 0.01
            momentum[index] = 0.9 * momentum[index] + 0.1 * gradient
            square[index] = 0.999 * square[index] + 0.001 * gradient**2
            size = np.sqrt(square[index] / (1 - 0.999 ** (step + 1))) + 1e-6
            expected[index] -= 0.01 * momentum[index] / (1 - 0.9 ** (step + 1)) / size
    for found, wanted in zip(network.parameters(), expected, strict=True):
        np.testing.assert_allclose(found.detach().numpy(), wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("make", [_laprop, _adam])
@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_gradients_that_are_not_finite_change_nothing(make, poison: float) -> None:
    network, untouched = _network(), _network()
    optimizer, reference = make(network), make(untouched)
    for step in range(STEPS):
        for one, each in ((network, optimizer), (untouched, reference)):
            _gradients(one, step)
            each.step()
        _gradients(network, step)
        next(iter(network.parameters())).grad[0, 0] = poison
        _, left_out = optimizer.step()
        assert float(left_out) == 1.0
        assert all(p.grad is None for p in network.parameters())
    for found, wanted in zip(network.parameters(), untouched.parameters(), strict=True):
        assert torch.equal(found, wanted)


@pytest.mark.parametrize("make", [_laprop, _adam])
def test_a_first_step_that_is_not_finite_is_as_if_it_had_not_been(make) -> None:
    network, untouched = _network(), _network()
    optimizer, reference = make(network), make(untouched)
    _gradients(network, 0)
    next(iter(network.parameters())).grad[0, 0] = float("nan")
    optimizer.step()
    assert all(torch.equal(p, q) for p, q in zip(network.parameters(), untouched.parameters(), strict=True))
    for step in range(STEPS):
        for one, each in ((network, optimizer), (untouched, reference)):
            _gradients(one, step)
            each.step()
    assert all(torch.equal(p, q) for p, q in zip(network.parameters(), untouched.parameters(), strict=True))


@pytest.mark.parametrize("make", [_laprop, _adam])
def test_it_goes_on_bit_for_bit_where_it_was_saved(make) -> None:
    network = _network()
    optimizer: Optimizer = make(network)
    for step in range(STEPS):
        _gradients(network, step)
        optimizer.step()
    twin = copy.deepcopy(network)
    other: Optimizer = make(twin)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for step in range(STEPS):
        for one, each in ((network, optimizer), (twin, other)):
            _gradients(one, step)
            each.step()
    assert all(torch.equal(p, q) for p, q in zip(network.parameters(), twin.parameters(), strict=True))


def test_moments_of_other_parameters_are_refused() -> None:
    network = _network()
    optimizer = _laprop(network)
    _gradients(network, 0)
    optimizer.step()
    with pytest.raises(ValueError, match="moments of 23 parameters, where there are 5"):
        _laprop(nn.Linear(4, 1)).load_state_dict(optimizer.state_dict())
