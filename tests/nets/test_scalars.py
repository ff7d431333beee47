"""Likelihoods of one real number agree with closed forms."""

import torch
from torch.distributions import Bernoulli as TorchBernoulli
from torch.distributions import Normal

from robot_mbrl.nets.scalars import Bernoulli, Symlog, UnitNormal
from robot_mbrl.nets.twohot import TwoHot

OUT = torch.tensor([[-2.0], [0.3], [4.0]])
TARGET = torch.tensor([-1.0, 0.0, 100.0])


def test_a_normal_of_deviation_1_is_half_the_squared_error_but_for_a_constant() -> None:
    found = UnitNormal().loss(OUT, TARGET)
    negative = -Normal(OUT.squeeze(-1), 1.0).log_prob(TARGET)
    torch.testing.assert_close(found, negative - negative.min() + found.min())
    torch.testing.assert_close(UnitNormal().mean(OUT), OUT.squeeze(-1))


def test_symlog_compares_in_logarithms_and_predicts_in_units() -> None:
    expected = torch.tensor([(-2.0 + 0.6931472) ** 2, 0.3**2, (4.0 - 4.6151205) ** 2])
    torch.testing.assert_close(Symlog().loss(OUT, TARGET), expected)
    torch.testing.assert_close(Symlog().mean(OUT), torch.tensor([-6.389056, 0.3498588, 53.59815]))


def test_a_probability_is_trained_by_cross_entropy_also_towards_what_is_no_certainty() -> None:
    target = torch.tensor([0.0, 1.0, 0.997])
    probability = TorchBernoulli(logits=OUT.squeeze(-1)).probs
    expected = -(target * probability.log() + (1 - target) * (1 - probability).log())
    torch.testing.assert_close(Bernoulli().loss(OUT, target), expected)
    torch.testing.assert_close(Bernoulli().mean(OUT), probability)


def test_the_two_hot_of_dreamerv3_has_255_mirrored_bins_and_weighs_in_raw_space() -> None:
    twohot = TwoHot(255, 20.0)
    assert twohot.bins.shape == (255,)
    torch.testing.assert_close(twohot.bins, -twohot.bins.flip(0), rtol=0, atol=0)
    low, high = float(twohot.bins[200]), float(twohot.bins[201])
    target = torch.tensor(low + 0.25 * (high - low))
    logits = torch.randn(255, generator=torch.Generator().manual_seed(0))
    expected = -(0.75 * torch.log_softmax(logits, -1)[200] + 0.25 * torch.log_softmax(logits, -1)[201])
    torch.testing.assert_close(twohot.loss(logits, target), expected, rtol=1e-4, atol=1e-4)
