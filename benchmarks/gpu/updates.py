"""How fast an agent's updates are, eagerly and as one CUDA graph, and what they keep busy."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from benchmarks.gpu.cases import Case, draw
from benchmarks.gpu.counting import counted
from robot_mbrl.agents.agent import Capturable
from robot_mbrl.learning.captured import WARM_UP_UPDATES, CapturedUpdate, Update, why_eager
from robot_mbrl.learning.learner import Learner

LAUNCHES = ("cudaLaunchKernel", "cudaLaunchKernelExC", "cuLaunchKernel", "cuLaunchKernelEx", "cudaGraphLaunch")
WAITS = ("cudaStreamSynchronize", "cudaEventSynchronize")
"""What a host waits with for a device; the profiler itself uses `cudaDeviceSynchronize`."""
GIB = 2**30
SLOWEST, NAME = 12, 110
"""How many kernels are named, and how much of their names."""
TOLERANCE = 1e-3
"""How far the metrics of captured updates may differ from eager ones, relative or, below 1, absolutely."""


def measure(case: Case, device: torch.device, updates: int) -> dict[str, Any]:
    """Everything about one case's updates.

    Args:
        case: what is measured.
        device: where.
        updates: how many are timed.
    """
    _reset_peak(device)
    start_s = time.perf_counter()
    with case.learner(device) as learner:
        batches = draw(learner, device)
        first_s = _timed(lambda: learner.agent.update(batches), device)
        row: dict[str, Any] = {
            "case": case.name,
            "parameters": learner.agent.size,
            "until the first update s": time.perf_counter() - start_s,
            "first update s": first_s,
            "eager": _rates(learner, learner.agent.update, device, updates),
            "profile": profiled(lambda: learner.agent.update(batches), device),
        }
    row["captured"] = captured(case, device, updates)
    return row


def captured(case: Case, device: torch.device, updates: int) -> dict[str, Any]:
    """The same as a CUDA graph, and whether it learns what eager updates do; or why it cannot be captured."""
    with case.learner(device) as learner:
        if reason := why_eager(learner.agent, device):
            return {"skipped": reason}
        assert isinstance(learner.agent, Capturable)
        update = CapturedUpdate(learner.agent, device).update
        row: dict[str, Any] = {"parity": _parity(update, case.agent(device).update, learner, device)}
        _reset_peak(device)
        batches = draw(learner, device)
        row["profile"] = profiled(lambda: update(batches), device)
        return row | _rates(learner, update, device, updates)


def _parity(update: Update, eager: Update, learner: Learner, device: torch.device) -> dict[str, Any]:
    """Both make the same updates, of which the last ones are a graph's: the greatest difference of their metrics."""
    differences: dict[str, float] = {}
    first_graph_s = 0.0
    for index in range(WARM_UP_UPDATES + 3):
        batches = draw(learner, device)
        expected = {name: float(value) for name, value in eager(batches).metrics.items()}
        start_s = time.perf_counter()
        found = {name: float(value) for name, value in update(batches).metrics.items()}
        if index == WARM_UP_UPDATES:
            first_graph_s = time.perf_counter() - start_s
        differences = {name: abs(found[name] - value) / max(1.0, abs(value)) for name, value in expected.items()}
    worst = max(differences, key=lambda name: differences[name])
    within = differences[worst] <= TOLERANCE
    return {
        **{"within tolerance": within, "difference": differences[worst], "of": worst, "tolerance": TOLERANCE},
        "capture and first launch s": first_graph_s,
    }


def _rates(learner: Learner, update: Update, device: torch.device, updates: int) -> dict[str, Any]:
    """Updates per second on a batch that lies on the device, and on batches drawn from replay; and the peak memory."""
    batches = draw(learner, device)

    def replayed() -> None:
        update(draw(learner, device))

    def again() -> None:
        update(batches)

    on_device_s, replayed_s = _timed(again, device, updates), _timed(replayed, device, updates)
    return {
        "updates/s, batch on the device": updates / on_device_s,
        "updates/s, batches from replay": updates / replayed_s,
        "memory": _memory(device),
    }


def profiled(update: Callable[[], object], device: torch.device) -> dict[str, Any]:
    """What one update launches and how often the host waits for it."""
    counting = counted(update)
    row: dict[str, Any] = {"host reads": counting.reads, "operators": counting.operators}
    if device.type == "cpu":
        return row | {"kernels": "skipped: a CPU runs none"}
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiler:
        update()
    events = profiler.events() or []
    names = Counter(event.name for event in events if event.device_type == DeviceType.CPU)
    on_device = [event for event in events if event.device_type == DeviceType.CUDA]
    kernels = [event for event in on_device if not event.name.startswith(("Memcpy", "Memset"))]
    return row | {
        "kernels": len(kernels),
        "copies": len(on_device) - len(kernels),
        "kernels ms": sum(event.time_range.elapsed_us() for event in kernels) / 1e3,
        "most of it in": _slowest(kernels),
        "launches": sum(names[name] for name in LAUNCHES),
        "waits": sum(names[name] for name in WAITS),
    }


def _slowest(kernels: Sequence[Any]) -> dict[str, str]:
    """The kernels that took longest in all, with how often they ran."""
    times: Counter[str] = Counter()
    runs = Counter(kernel.name for kernel in kernels)
    for kernel in kernels:
        times[kernel.name] += kernel.time_range.elapsed_us()
    return {name[:NAME]: f"{us / 1e3:.2f} ms in {runs[name]}" for name, us in times.most_common(SLOWEST)}


def _timed(work: Callable[[], object], device: torch.device, times: int = 1) -> float:
    """Seconds until a device has done some work so many times."""
    _wait(device)
    start_s = time.perf_counter()
    for _ in range(times):
        work()
    _wait(device)
    return time.perf_counter() - start_s


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _reset_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def _memory(device: torch.device) -> dict[str, float] | str:
    """What tensors took at most, and what torch claimed for them: all that a graph writes to is claimed for good."""
    if device.type != "cuda":
        return "skipped: the CPU counts none"
    allocated, reserved = torch.cuda.max_memory_allocated(device), torch.cuda.max_memory_reserved(device)
    return {"allocated GiB": allocated / GIB, "reserved GiB": reserved / GIB}
