"""What an update asks of a device: operators, and where the host waits for a number, counted on whatever device."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

READS = (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.lift_fresh.default)
"""A number read from a tensor, and a tensor made of the host's numbers, which have to be sent to the device."""


class Counting(TorchDispatchMode):
    """Counts within its context, also on a CPU, where such reads cost nothing.

    Attributes:
        operators: how many operators there were.
        reads: how many of them read a tensor, or made one of the host's numbers.
    """

    def __init__(self) -> None:
        super().__init__()
        self.operators = self.reads = 0

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        self.operators += 1
        self.reads += func in READS
        return func(*args, **(kwargs or {}))


def counted(work: Callable[[], object]) -> Counting:
    """What some work asked for."""
    with Counting() as counting:
        work()
    return counting
