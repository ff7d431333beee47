"""In what precision networks compute: weights, statistics and losses are always in single precision or better."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def computing_in(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """Within this, layers compute in `float32`, or in `bfloat16` where torch holds that safe."""
    if precision == "float32":
        return nullcontext()
    # Without torch's cache of weights in half precision: through it, gradients of many steps would be summed in half
    # precision, and a weight that an optimiser has changed meanwhile could be used as it was.
    return torch.autocast(device.type, torch.bfloat16, cache_enabled=False)


def prefer_speed(device: torch.device) -> None:
    """Let a GPU round the factors of products to TF32, and try out which of its convolutions are the fastest."""
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.benchmark = True


def at_least_single(x: Tensor) -> Tensor:
    """The same numbers, in single precision if they were in less."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
