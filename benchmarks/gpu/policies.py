"""A policy's way to a robot: exported from the device, checked by its canary, and one step of it by each provider."""

import time
from typing import Any

import numpy as np
import torch

from benchmarks.gpu.cases import Case, draw
from robot_mbrl.control.bundle_file import Bundle, check_bundle
from robot_mbrl.control.onnx_session import PROVIDERS
from robot_mbrl.errors import BundleError

WARM_UP = 20


def measure(case: Case, device: torch.device, steps: int) -> dict[str, Any]:
    """Export one case's policy twice, since the first time it is traced, and time steps of it.

    Args:
        case: what is exported, after one update.
        device: where its weights are.
        steps: how many are timed.
    """
    with case.learner(device) as learner:
        learner.agent.update(draw(learner, device))
        start_s = time.perf_counter()
        learner.export()
        first_s, start_s = time.perf_counter() - start_s, time.perf_counter()
        data = learner.export()
        export_s = time.perf_counter() - start_s
    return {
        "case": case.name,
        "bundle MB": len(data) / 1e6,
        "first export s": first_s,
        "export s": export_s,
        "step": {provider: _step(case, data, provider, steps) for provider in PROVIDERS},
    }


def _step(case: Case, data: bytes, provider: Any, steps: int) -> dict[str, Any]:
    """Durations of a bundle's steps, milliseconds; the canary is checked when it is opened."""
    try:
        bundle = check_bundle(Bundle(data, case.name, provider), case.config)
    except BundleError as error:
        return {"skipped": str(error)}
    durations_ms = np.empty(steps)
    for index in range(-WARM_UP, steps):
        start_s = time.perf_counter()
        bundle.run()
        durations_ms[max(0, index)] = (time.perf_counter() - start_s) * 1e3
    p50, p99 = np.percentile(durations_ms, (50, 99))
    return {"canary": True, "p50 ms": float(p50), "p99 ms": float(p99), "max ms": float(durations_ms.max())}
