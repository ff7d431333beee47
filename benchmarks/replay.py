"""Replay: how fast steps are appended, sequences sampled and latent states kept; saved, loaded, recorded and read.

Run it with `python -m benchmarks.replay`.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.report import Row, report
from robot_mbrl.experience.filling import fill_replay
from robot_mbrl.experience.replay import Replay
from robot_mbrl.experience.session import StepWriter
from robot_mbrl.specs import ActionSpec, Element, ImageSpec, ObservationSpec, TensorSpec, VectorSpec
from robot_mbrl.steps import Action, Observation, Step, StepKey

STEPS = 25_000
IMAGE_STEPS = 5_000
SAMPLES = 500
BATCH, LENGTH = 16, 65
STEP_NS = 50_000_000
VECTORS = {"sensors": VectorSpec(elements=tuple(Element(name=f"sensor_{index}") for index in range(24)))}
ACTION = ActionSpec(names=tuple(f"joint_{index}" for index in range(6)))
STATE = {"deter": TensorSpec(shape=(512,)), "index": TensorSpec(shape=(32,), dtype="uint8")}


def make_steps(count: int, spec: ObservationSpec) -> list[Step]:
    """A life of random observations and actions."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(count, 24))
    pictures = {name: rng.integers(0, 256, image.shape).astype(image.dtype) for name, image in spec.images.items()}
    names = spec.element_names
    return [
        Step(
            Observation(
                key := StepKey("session", (index + 1) * STEP_NS),
                dict(zip(names, values[index].tolist(), strict=True)),
                pictures,
                is_first=index % 250 == 0,
            ),
            Action(key, np.zeros(ACTION.size, np.float32)),
        )
        for index in range(count)
    ]


def measure(work: Callable[[], object], times: int) -> list[float]:
    """Duration of each of several calls, milliseconds."""
    durations = []
    for _ in range(times):
        start_s = time.perf_counter()
        work()
        durations.append((time.perf_counter() - start_s) * 1e3)
    return durations


def row(what: str, durations_ms: list[float]) -> Row:
    """Figures of one operation."""
    p50, p99 = np.percentile(durations_ms, [50, 99])
    return {"operation": what, "p50 ms": float(p50), "p99 ms": float(p99), "calls": len(durations_ms)}


def memory_rows(name: str, spec: ObservationSpec, steps: list[Step]) -> tuple[list[Row], Replay]:
    """Appending, sampling and the latent states."""
    replay = Replay(spec, ACTION, 1_000_000, STATE, step_ns=STEP_NS)
    arriving = iter(steps)
    rows = [row(f"append, {name}", measure(lambda: replay.append(next(arriving)), len(steps)))]
    rng = np.random.default_rng(0)
    rows.append(row(f"sample {BATCH} x {LENGTH}, {name}", measure(lambda: replay.sample(rng, BATCH, LENGTH), SAMPLES)))
    rows_drawn = replay.sample(rng, BATCH, LENGTH)["row"]
    values = {key: np.zeros((BATCH, LENGTH, *tensor.shape), tensor.dtype) for key, tensor in STATE.items()}
    rows.append(row(f"write states, {name}", measure(lambda: replay.write_state(rows_drawn, values), SAMPLES)))
    rows.append(row(f"read states, {name}", measure(lambda: replay.state_before(rows_drawn[:, 0]), SAMPLES)))
    return rows, replay


def disk_rows(name: str, spec: ObservationSpec, steps: list[Step], replay: Replay) -> list[Row]:
    """Saving, loading, recording and reading back."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "replay.npz"
        first = measure(lambda: replay.save(path), 1)
        again = measure(lambda: replay.save(path), 5)
        load = measure(lambda: Replay(spec, ACTION, 1_000_000, STATE, step_ns=STEP_NS).restore(path), 3)
        bags = Path(folder) / "bags"
        with StepWriter(bags, ACTION, "/robot") as writer:
            arriving = iter(steps)
            write = measure(lambda: writer.write(next(arriving)), len(steps))
        fresh = Replay(spec, ACTION, 1_000_000, step_ns=STEP_NS)
        read = measure(lambda: fill_replay(fresh, bags), 1)
    size = f"{len(steps)} steps, {name}"
    return [
        row(f"save, {size}", first),
        row(f"save again, {size}", again),
        row(f"load, {size}", load),
        row(f"record a step, {name}", write),
        row(f"fill from MCAP, {size}", read),
    ]


def main() -> None:
    """Measure and report."""
    rows: list[Row] = []
    vectors = ObservationSpec(vectors=VECTORS)
    pictures = ObservationSpec(vectors=VECTORS, images={"camera": ImageSpec()})
    for name, spec, count in (("24 values", vectors, STEPS), ("24 values + 64x64 rgb8", pictures, IMAGE_STEPS)):
        steps = make_steps(count, spec)
        in_memory, replay = memory_rows(name, spec, steps)
        rows += in_memory + disk_rows(name, spec, steps, replay)
    report("replay", rows)


if __name__ == "__main__":
    main()
