"""What every benchmark ends with: a table on the terminal and the same figures as JSON, with machine and versions."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("numpy", "torch", "onnxruntime", "ros-rclpy", "mcap", "pybullet", "ruckig")

WIDE = 200
"""Characters of a table that nobody's terminal shows."""

Row = Mapping[str, str | float | int]


def report(name: str, rows: Sequence[Row]) -> None:
    """Print a table and write `results/<name>.json`.

    Args:
        name: the benchmark's name.
        rows: figures by column; all rows have the columns of the first.
    """
    table = Table(title=name)
    for column in rows[0]:
        table.add_column(column, justify="left" if isinstance(rows[0][column], str) else "right")
    for row in rows:
        table.add_row(*(f"{value:.4g}" if isinstance(value, float) else str(value) for value in row.values()))
    console = Console()
    if not console.is_terminal:
        console.width = WIDE
    console.print(table)
    RESULTS.mkdir(exist_ok=True)
    content = {"name": name, "machine": machine(), "versions": versions(), "rows": [dict(row) for row in rows]}
    (RESULTS / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n")


def machine() -> dict[str, str | int]:
    """Processor, cores and system this runs on."""
    models = [line.partition(":")[2].strip() for line in _cpu_lines() if line.startswith("model name")]
    return {
        "processor": models[0] if models else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "system": platform.platform(),
    }


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that matter."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _cpu_lines() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []
