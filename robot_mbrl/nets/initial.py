"""Initial weights that several kinds of layers start with."""

import torch
from torch import Tensor, nn

CUT = 2.0
"""Deviations of the normal at which it is cut off."""
_NARROWED = 0.87962566
"""Deviation that is left of a standard normal cut off there."""


def truncated_normal(kernel: Tensor, deviation: float) -> None:
    """Fill a kernel from a normal cut off on both sides at two of its deviations (DreamerV3's initialiser).

    Args:
        kernel: what is filled.
        deviation: of the weights, once they are cut off: none is beyond 2.27 of it. 0 for zeros.
    """
    if not deviation:
        nn.init.zeros_(kernel)
        return
    # Drawn at a deviation of 1: torch takes the bounds as they are, not in units of the deviation.
    nn.init.trunc_normal_(kernel, std=1.0, a=-CUT, b=CUT)
    with torch.no_grad():
        kernel.mul_(deviation / _NARROWED)
