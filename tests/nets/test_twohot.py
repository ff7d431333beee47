"""The two-hot distribution encodes, decodes and trains real numbers."""

import torch

from robot_mbrl.nets.twohot import TwoHot, symexp, symlog


def _encode(twohot: TwoHot, value: float) -> torch.Tensor:
    """The two-hot vector itself, by brute force."""
    encoded = torch.zeros_like(twohot.bins)
    for low in range(len(twohot.bins) - 1):
        left, right = float(twohot.bins[low]), float(twohot.bins[low + 1])
        if left <= value <= right:
            encoded[low] = (right - value) / (right - left)
            encoded[low + 1] = (value - left) / (right - left)
            break
    return encoded


def test_symexp_inverts_symlog() -> None:
    x = torch.tensor([-1000.0, -1.5, 0.0, 1e-3, 42.0])
    torch.testing.assert_close(symexp(symlog(x)), x)


def test_loss_is_the_cross_entropy_with_the_two_hot_encoding() -> None:
    twohot = TwoHot(41, 5.0)
    logits = torch.randn(6, 41, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([-147.0, -3.3, 0.0, 0.2, 17.0, 140.0])
    expected = torch.stack(
        [
            -(_encode(twohot, float(t)) * torch.log_softmax(row, -1)).sum()
            for t, row in zip(targets, logits, strict=True)
        ]
    )
    torch.testing.assert_close(twohot.loss(logits, targets), expected, rtol=1e-4, atol=1e-5)


def test_mean_of_an_encoding_is_the_value() -> None:
    twohot = TwoHot(41, 5.0)
    for value in (-100.0, -0.4, 0.0, 3.7, 99.0):
        logits = _encode(twohot, value).clamp(min=1e-30).log()
        torch.testing.assert_close(twohot.mean(logits), torch.tensor(value), rtol=1e-4, atol=1e-5)


def test_zero_logits_mean_zero_even_between_huge_bins() -> None:
    assert TwoHot(255, 20.0).mean(torch.zeros(255)).item() == 0.0


def test_targets_beyond_the_bins_count_as_the_outermost() -> None:
    twohot = TwoHot(41, 5.0)
    logits = torch.randn(41)
    assert twohot.loss(logits, torch.tensor(1e9)) == twohot.loss(logits, twohot.bins[-1])
