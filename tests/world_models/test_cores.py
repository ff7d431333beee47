"""A core's transition for many steps is the core's own."""

import pytest
import torch
from torch import Tensor

from robot_mbrl.nets.latent_kinds import CategoricalLatent
from robot_mbrl.nets.styles import RMS_NORM
from robot_mbrl.world_models.cores import BlockCore, BlockTransition, Transition
from robot_mbrl.world_models.state import State

BATCH, STOCH, CLASSES, ACTION, DETER = 5, 3, 4, 2, 8


def _core(blocks: int) -> BlockCore:
    torch.manual_seed(0)
    core = BlockCore(CategoricalLatent(STOCH, CLASSES, 0.01), ACTION, DETER, 6, blocks, RMS_NORM).double()
    with torch.no_grad():
        for parameter in core.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return core


def _next(transition: Transition, kept: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """The next deter of random states, with what it depends on."""
    generator = torch.Generator().manual_seed(1)

    def random(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()

    deter, probs, action = random(BATCH, DETER), random(BATCH, STOCH, CLASSES), random(BATCH, ACTION)
    latent = torch.randint(CLASSES, (BATCH, STOCH), generator=generator)
    return transition.advance(State(deter, latent, probs), transition.drive(2.0 * action), kept), deter, probs


@pytest.mark.parametrize("blocks", [1, 4])
@pytest.mark.parametrize("forgotten", [False, True])
def test_the_block_one_for_many_steps_has_the_same_values_and_gradients(blocks: int, forgotten: bool) -> None:
    core = _core(blocks)
    many = core.transition()
    assert isinstance(many, BlockTransition)
    kept = torch.tensor([[1.0], [0.0], [1.0], [0.0], [1.0]], dtype=torch.float64) if forgotten else None
    results = []
    for transition in (core, many):
        found, *inputs = _next(transition, kept)
        results.append((found, *torch.autograd.grad(found.square().sum(), [*inputs, *core.parameters()])))
    for found, expected in zip(results[1], results[0], strict=True):
        torch.testing.assert_close(found, expected)
