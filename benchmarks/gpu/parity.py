"""One update of every family on a device and on the CPU, from the same weights, batches and random numbers."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from benchmarks.gpu.cases import SEED, Case, draw
from benchmarks.gpu.counting import counted

TOLERANCE = 1e-3
"""How far metrics in single precision may differ, relative to their size or absolutely where they are below 1."""
DRAWS = {torch.rand, torch.randn, torch.randperm}


class SameDraws(TorchFunctionMode):
    """Random numbers are drawn on the CPU and moved: generators of other devices give other numbers for a seed."""

    def __init__(self) -> None:
        super().__init__()
        self._generator = torch.Generator().manual_seed(SEED)

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func not in DRAWS:
            return func(*args, **(kwargs or {}))
        others = {name: value for name, value in (kwargs or {}).items() if name not in ("generator", "device")}
        return func(*args, **others, generator=self._generator).to((kwargs or {}).get("device", "cpu"))


def compare(case: Case, device: torch.device) -> dict[str, Any]:
    """The metrics of a first update on a device, and their greatest difference from the CPU's."""
    learned, reads = _first_update(case, device)
    row: dict[str, Any] = {"case": case.name, "finite": all(map(math.isfinite, learned.values())), "host reads": reads}
    if device.type == "cpu":
        return row | {"parity": "skipped: the device is the CPU, with which it would be compared"}
    expected, _ = _first_update(case, torch.device("cpu"))
    differences = {name: abs(learned[name] - value) / max(1.0, abs(value)) for name, value in expected.items()}
    worst = max(differences, key=lambda name: differences[name])
    within = differences[worst] <= TOLERANCE
    return row | {"parity": within, "difference": differences[worst], "of": worst, "tolerance": TOLERANCE}


def _first_update(case: Case, device: torch.device) -> tuple[dict[str, float], int]:
    """Metrics of a first update, and how often a second one reads a tensor on the host."""
    with case.learner(torch.device("cpu")) as learner:
        batches = draw(learner, device)
    agent = case.agent(device)
    with SameDraws():
        metrics = agent.update(batches).metrics
    learned = {name: float(value) for name, value in metrics.items()}
    return learned, counted(lambda: agent.update(batches)).reads
