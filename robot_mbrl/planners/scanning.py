"""A loop over the first dimension of tensors that stays a loop in an ONNX graph, however often it runs."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch._higher_order_ops.scan import scan as exported_scan

Tensors = tuple[Tensor, ...]
Step = tuple[Tensors, Tensors]
"""What a step carries on, and what it leaves. Named, because torch's tracer cannot read subscripts in annotations of
functions inside of those that it traces."""


def scan(step: Callable[[Tensors, Tensors], Step], carry: Tensors, inputs: Tensors) -> Step:
    """Apply `step` again and again.

    Args:
        step: of (what is carried, slices of the inputs), a pure function; gives what is carried on, of the same shapes,
            and what is to be stacked, which must be something.
        carry: what the first step is given.
        inputs: sliced along their first dimension, of the same length N, which is how often `step` runs.

    Returns:
        What the last step carried on, and what was stacked, (N, ...).
    """
    if torch.compiler.is_exporting():

        def pure(carried: Tensors, slices: Tensors) -> Step:
            carried_on, stacked = step(carried, slices)
            # Nothing that comes out of an exported step may be a view of what went in.
            return tuple(x.clone() for x in carried_on), tuple(x.clone() for x in stacked)

        last, outputs = exported_scan(pure, carry, inputs)
        return tuple(last), tuple(outputs)
    stacks: list[Tensors] = []
    for index in range(inputs[0].shape[0]):
        carry, stacked = step(carry, tuple(x[index] for x in inputs))
        stacks.append(stacked)
    return carry, tuple(torch.stack(parts) for parts in zip(*stacks, strict=True))
