"""Everything that is to be known of the learner on a GPU, in one call of a few minutes.

`python -m benchmarks.on_gpu` writes `on_gpu.json` to the folder given by --out or $OUT, anew after each part, so that
nothing is lost if time runs out. Without a GPU all sizes are small, and the file says what was skipped and why.
"""

import argparse
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu import parity, policies, updates
from benchmarks.gpu.cases import Case, smoke_cases, speed_cases
from benchmarks.report import RESULTS, machine, versions
from robot_mbrl.nets.precision import prefer_speed

UPDATES, SMALL_UPDATES = 20, 1
STEPS, SMALL_STEPS = 1000, 50


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and report; returns 1 if anything failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.on_gpu", description=__doc__)
    parser.add_argument("--small", action="store_true", help="all sizes small, also on a GPU")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("OUT", RESULTS)), metavar="DIR")
    args = parser.parse_args(arguments)
    if args.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: torch finds no CUDA device")
    device = torch.device("cuda" if args.device != "cpu" and torch.cuda.is_available() else "cpu")
    report = Report(args.out / "on_gpu.json", device)
    small = args.small or device.type == "cpu"
    count, steps = (SMALL_UPDATES, SMALL_STEPS) if small else (UPDATES, STEPS)

    torch.backends.cudnn.allow_tf32 = False
    report.part("parity", smoke_cases(), lambda case: parity.compare(case, device))
    prefer_speed(device)
    sizes = speed_cases(small=small)
    report.part("updates", sizes, lambda case: updates.measure(case, device, count))
    # Small ones differ in little, and tracing each takes seconds.
    report.part("policies", sizes[:1] if small else sizes, lambda case: policies.measure(case, device, steps))
    return int(report.failed)


class Report:
    """A file of all that was measured so far.

    Attributes:
        failed: whether anything was not measured, or not as it must be.
    """

    def __init__(self, path: Path, device: torch.device) -> None:
        """Say what it is measured on."""
        self.failed = False
        self._path = path
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else "no GPU"
        self._content: dict[str, Any] = {
            "name": "on_gpu",
            "machine": machine() | {"device": str(device), "gpu": name, "cuda": str(torch.version.cuda)},
            "versions": versions(),
        }

    def part(self, name: str, cases: Iterable[Case], measure: Callable[[Case], dict[str, Any]]) -> None:
        """Measure some cases, and write down how each went: one that fails keeps no other from a GPU that is lent."""
        rows: list[dict[str, Any]] = []
        self._content[name] = rows
        for case in cases:
            start_s = time.perf_counter()
            try:
                row = measure(case)
            # Whatever torch, CUDA or the machine raises in one case is its result, and shall cost the others nothing.
            except Exception as error:
                row = {"case": case.name, "error": repr(error), "traceback": traceback.format_exc()}
            rows.append(row | {"took s": time.perf_counter() - start_s})
            self.failed |= "error" in row or row.get("finite") is False or row.get("parity") is False
            print(f"{name}: {json.dumps(rows[-1], indent=2)}", flush=True)
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_text(json.dumps(self._content, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
