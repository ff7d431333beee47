"""Truncated normals are cut off at two of their own deviations, whatever these are."""

import pytest
import torch
from scipy import stats

from robot_mbrl.agent_configs import DreamerConfig
from robot_mbrl.agents.dreamer import Dreamer
from robot_mbrl.nets.initial import truncated_normal
from tests.agents.settings import CONTINUOUS, OBSERVATION

FURTHEST = 2.0 / stats.truncnorm(-2, 2).std()
"""Where a normal ends that was cut off at two deviations, in deviations of what is left."""


@pytest.mark.parametrize("deviation", [1e-3, 0.05, 3.0])
def test_what_is_left_has_the_deviation_asked_for(deviation: float) -> None:
    torch.manual_seed(0)
    kernel = torch.empty(300, 400)
    truncated_normal(kernel, deviation)
    drawn = kernel.flatten().double().numpy()
    cut = stats.truncnorm(-2, 2, scale=deviation / stats.truncnorm(-2, 2).std())
    assert stats.kstest(drawn, cut.cdf).pvalue > 0.01
    assert abs(drawn).max() <= FURTHEST * deviation * (1 + 1e-6)


def test_without_deviation_all_is_zero() -> None:
    kernel = torch.ones(3, 4)
    truncated_normal(kernel, 0.0)
    assert not kernel.any()


def test_no_weight_of_the_projects_own_dreamer_starts_far_out() -> None:
    torch.manual_seed(0)
    agent = Dreamer(OBSERVATION, CONTINUOUS, DreamerConfig(blocks=2))
    kernels = {name: p.detach() for name, p in agent.named_parameters() if p.ndim > 1 and p.numel() >= 1024}
    drawn = {name: kernel for name, kernel in kernels.items() if kernel.any()}
    layers = {layer for name in drawn for layer in name.split(".")}
    assert layers >= {"dense", "recurrent", "of_latent", "prior_network", "of_embedding", "deter"}
    for name, kernel in drawn.items():
        # A normal that is not cut off has one of 1,024 draws beyond 2.6 deviations in all likelihood.
        assert float(kernel.abs().max() / kernel.std()) < 1.1 * FURTHEST, name
