"""The graph that leaves the learner has every weight under its name, however equal they were when it was traced."""

import gc
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from robot_mbrl.errors import BundleError
from robot_mbrl.learning.onnx_graph import OnnxGraph, named_tensors

SIZE = 8
EXPORTS = 200
MEGABYTE = 1 << 20


class _Normalised(nn.Module):
    """A policy with statistics of what it sees and of what it pays: the same numbers until something is seen."""

    seen: Tensor
    paid: Tensor

    def __init__(self, width: int = SIZE) -> None:
        super().__init__()
        self.register_buffer("seen", torch.ones(SIZE))
        self.register_buffer("paid", torch.ones(SIZE))
        self.first, self.second = nn.Linear(SIZE, width), nn.Linear(width, SIZE)
        for layer in (self.first, self.second):
            nn.init.zeros_(layer.bias)
            nn.init.eye_(layer.weight)

    def forward(self, x: Tensor) -> tuple[Tensor]:
        # The logarithm of a constant would be folded away, and the constant with it.
        return (self.second(self.first(x / self.seen)) * self.paid.log1p(),)


class _Aliased(_Normalised):
    """Reads one of its weights by a name that the module does not know."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = (self.first.bias,)

    def forward(self, x: Tensor) -> tuple[Tensor]:
        return (super().forward(x)[0] + self.hidden[0],)


def _trace(policy: nn.Module) -> OnnxGraph:
    return OnnxGraph(policy, (torch.ones(1, SIZE),), ["x"], ["y"])


def _run(data: bytes, x: Tensor) -> np.ndarray:
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["y"], {"x": x.numpy()})[0])


def _present(policy: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach() for name, tensor in named_tensors(policy).items()}


def test_buffers_that_were_equal_when_the_graph_was_traced_are_told_apart_afterwards() -> None:
    policy = _Normalised()
    graph = _trace(policy)
    policy.seen.fill_(2.0)
    policy.paid.copy_(torch.arange(SIZE))
    with torch.no_grad():
        policy.second.bias.fill_(3.0)
        policy.second.weight.mul_(0.5)
    x = torch.linspace(-1.0, 1.0, SIZE)[None]
    expected = (x / 2.0 * 0.5 + 3.0) * torch.log1p(torch.arange(SIZE))
    np.testing.assert_allclose(_run(graph.fill(_present(policy), "{}"), x), expected.numpy(), rtol=1e-6)
    np.testing.assert_allclose(graph.run(_present(policy), (x,))[0].numpy(), expected.numpy(), rtol=1e-6)


def test_every_weight_that_is_used_is_one_of_the_graphs_own() -> None:
    policy = _Normalised()
    policy.unused = nn.Linear(SIZE, SIZE)
    assert set(_trace(policy).weights) == {name for name in policy.state_dict() if "unused" not in name}


def test_a_weight_that_the_graph_would_keep_as_it_is_now_is_named() -> None:
    with pytest.raises(BundleError, match=r"'first\.bias' by another way"):
        _trace(_Aliased())


def test_exports_leave_no_memory_behind() -> None:
    policy = _Normalised(width=MEGABYTE // 16)  # 2 x 2 MiB of weights
    graph, weights = _trace(policy), _present(policy)
    for _ in range(5):
        graph.fill(weights, "{}")
    before = _resident_bytes()
    for _ in range(EXPORTS):
        size = len(graph.fill(weights, "{}"))
    gc.collect()
    assert size > 4 * MEGABYTE
    assert _resident_bytes() - before < 5 * size


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096
