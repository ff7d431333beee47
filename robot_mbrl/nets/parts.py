"""Large batches in parts that fit into a processor's cache, where what is made of them is small.

A CPU reads and writes memory no faster than it multiplies, so layers that stay in the cache take half the time.
"""

from collections.abc import Callable

import torch
from torch import Tensor

ROWS = 1024
"""Rows of a part for each thread: with some hundred numbers each, a layer of them fits into a core's cache."""


def per_thread(count: int) -> int:
    """So many for each thread that computes: what they share in one operation may be that much larger.

    With parts of one core's size, a second thread gains less than starting it for each of them costs.
    """
    return count * torch.get_num_threads()


def in_parts(function: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
    """What a function makes of inputs (N, ..., n), row by row: (N, ...).

    On a GPU, where every operation costs a launch, all at once, and wherever gradients are wanted.
    """
    first = inputs[0]
    rows, at_a_time = first[..., 0].numel(), per_thread(ROWS)
    if rows <= at_a_time or first.device.type != "cpu" or torch.is_grad_enabled():
        return function(*inputs)
    size = max(1, at_a_time * len(first) // rows)
    return torch.cat([function(*part) for part in zip(*(torch.split(x, size) for x in inputs), strict=True)])
