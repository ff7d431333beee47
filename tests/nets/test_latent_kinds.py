"""Gaussian and categorical latents: what they are drawn from, their divergences, and layers that read them."""

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Independent, Normal, kl_divergence

from robot_mbrl.nets.latent_kinds import CategoricalLatent, GaussianLatent, Latent, LatentLinear, StateLinear

DRAWS = 100_000


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def _statistics(latent: Latent, count: int) -> Tensor:
    return latent.statistics(torch.randn(count, latent.outputs))


def test_gaussian_statistics_are_mean_and_softplus_above_the_least_deviation() -> None:
    statistics = GaussianLatent(2, 0.1).statistics(torch.tensor([[1.0, -2.0, 0.0, -100.0]]))
    torch.testing.assert_close(statistics, torch.tensor([[[1.0, 0.1 + 0.6931472], [-2.0, 0.1]]]))


def test_gaussian_draws_have_mean_and_deviation() -> None:
    latent = GaussianLatent(3, 0.1)
    statistics = _statistics(latent, 1)
    drawn = latent.sample(statistics.expand(DRAWS, -1, -1), torch.randn(DRAWS, 3))
    torch.testing.assert_close(drawn.mean(0), statistics[0, :, 0], atol=0.02, rtol=0)
    torch.testing.assert_close(drawn.std(0), statistics[0, :, 1], atol=0.02, rtol=0)
    torch.testing.assert_close(latent.mode(statistics), statistics[..., 0])


def test_gaussian_divergence_agrees_with_torch_and_with_sampling() -> None:
    latent = GaussianLatent(4, 0.1)
    left, right = _statistics(latent, 2), _statistics(latent, 2)
    one, other = (Independent(Normal(*each.unbind(-1)), 1) for each in (left, right))
    torch.testing.assert_close(latent.kl(left, right), kl_divergence(one, other))
    drawn = latent.sample(left.expand(DRAWS, -1, -1, -1), torch.randn(DRAWS, 2, 4))
    sampled = (one.log_prob(drawn) - other.log_prob(drawn)).mean(0)
    torch.testing.assert_close(latent.kl(left, right), sampled, atol=0.1, rtol=0.02)


def test_categorical_divergence_agrees_with_torch_and_with_sampling() -> None:
    latent = CategoricalLatent(4, 5, 0.01)
    left, right = _statistics(latent, 2), _statistics(latent, 2)
    one, other = (Independent(Categorical(probs=each), 1) for each in (left, right))
    torch.testing.assert_close(latent.kl(left, right), kl_divergence(one, other))
    drawn = latent.sample(left.expand(DRAWS, -1, -1, -1), torch.rand(DRAWS, 2, 4))
    sampled = (one.log_prob(drawn) - other.log_prob(drawn)).mean(0)
    torch.testing.assert_close(latent.kl(left, right), sampled, atol=0.02, rtol=0.02)


def test_no_class_is_less_likely_than_its_share_of_the_mixture() -> None:
    latent = CategoricalLatent(1, 4, 0.01)
    statistics = latent.statistics(torch.tensor([[100.0, 0.0, 0.0, 0.0]]))
    torch.testing.assert_close(statistics, torch.tensor([[[0.9925, 0.0025, 0.0025, 0.0025]]]))
    assert latent.mode(statistics).tolist() == [[0]]


@pytest.mark.parametrize("latent", [GaussianLatent(3, 0.1), CategoricalLatent(3, 4, 0.01)], ids=["gaussian", "classes"])
@pytest.mark.parametrize("dense", [False, True], ids=["rows", "one-hots"])
def test_a_layer_reads_the_numbers_that_a_latent_stands_for(
    latent: Latent, dense: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Values and gradients, straight-through ones included, of both ways to compute them."""
    if dense:
        monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
    deter, out = torch.randn(2, 6, requires_grad=True), torch.randn(2, latent.outputs, requires_grad=True)
    layer = StateLinear(6, latent, 5, bias=True)
    nn.init.normal_(layer.weight)
    statistics = latent.statistics(out)
    noise = torch.rand(2, 3)
    drawn = latent.sample(statistics, noise)
    carried = latent.carried(statistics)
    whole = torch.cat([deter, latent.flat(drawn, carried)], -1)
    expected = whole @ layer.weight + layer.bias
    if dense:  # as in a graph, where no gradient passes
        torch.testing.assert_close(layer(deter, drawn.detach()), expected)
        return
    image = layer(deter, drawn, carried)
    torch.testing.assert_close(image, expected)
    weights = torch.randn_like(image)
    inputs = [deter, out, layer.weight]
    found = torch.autograd.grad((image * weights).sum(), inputs, retain_graph=True)
    torch.testing.assert_close(found, torch.autograd.grad((expected * weights).sum(), inputs))


def test_one_hots_pass_gradients_as_if_they_were_the_probabilities() -> None:
    latent = CategoricalLatent(2, 3, 0.01)
    probs = _statistics(latent, 1).detach().requires_grad_()
    flat = latent.flat(torch.tensor([[2, 0]]), probs)
    assert flat.tolist() == [[0.0, 0.0, 1.0, 1.0, 0.0, 0.0]]
    weights = torch.arange(6.0)
    (flat * weights).sum().backward()
    torch.testing.assert_close(probs.grad, weights.view(1, 2, 3))


def test_a_latent_that_does_not_count_leaves_the_bias_alone() -> None:
    layer = LatentLinear(CategoricalLatent(2, 3, 0.01), 4, bias=True)
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    image = layer(torch.tensor([[1, 2], [0, 1]]), kept=torch.tensor([[0.0], [1.0]]))
    torch.testing.assert_close(image[0], layer.bias)
    torch.testing.assert_close(image[1], layer.weight[0] + layer.weight[4] + layer.bias)
