"""Curves that others have published, to be drawn beside ours.

The file is JSON (or gzipped, `.json.gz`), as the Dreamers' authors publish theirs: a list of objects with `task`,
`method`, `xs` (control steps), `ys` (returns) and, where there are several, `seed`.
"""

import gzip
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from robot_mbrl.errors import ConfigError

_PREFIXES = ("gym:", "dm_control/", "dmc_", "proprio_", "vision_")


@dataclass(frozen=True)
class Peer:
    """The mean over seeds of one method on one task."""

    task: str
    """As `task_key` gives it."""
    method: str
    steps: np.ndarray
    returns: np.ndarray


def task_key(task: str) -> str:
    """What names of the same task have in common: `gym:dm_control/walker-walk-v0` and `dmc_walker_walk`."""
    key = task.lower()
    for prefix in _PREFIXES:
        key = key.removeprefix(prefix)
    head, version, number = key.rpartition("-v")
    key = head if version and number.isdecimal() else key
    return key.replace("-", "_").replace("/", "_")


def read_peers(path: Path, tasks: Iterable[str]) -> list[Peer]:
    """Curves of these tasks.

    Args:
        path: the file.
        tasks: ours.

    Raises:
        ConfigError: if it cannot be read, or has none of them.
    """
    wanted = {task_key(task) for task in tasks}
    runs: dict[tuple[str, str], list[tuple[np.ndarray, np.ndarray]]] = {}
    there: set[str] = set()
    try:
        for run in _read(path):
            key = task_key(run["task"])
            there.add(run["task"])
            if key in wanted:
                curve = np.asarray(run["xs"], float), np.asarray(run["ys"], float)
                runs.setdefault((key, str(run["method"])), []).append(curve)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{path}: cannot be read as published curves ({error}): a JSON list of objects with task, method, xs and ys"
        ) from error
    if not runs:
        raise ConfigError(f"{path}: has curves of {', '.join(sorted(there)) or 'nothing'}, and of none of these tasks")
    return [_mean(task, method, curves) for (task, method), curves in runs.items()]


def _read(path: Path) -> list[dict[str, Any]]:
    content = path.read_bytes()
    runs = json.loads(gzip.decompress(content) if path.suffix == ".gz" else content)
    if not isinstance(runs, list):
        raise ValueError("no list")
    return runs


def _mean(task: str, method: str, curves: list[tuple[np.ndarray, np.ndarray]]) -> Peer:
    steps = np.unique(np.concatenate([xs for xs, _ in curves]))
    # Beyond the ends of a run nothing is known of it.
    known = [np.interp(steps, xs, ys, left=np.nan, right=np.nan) for xs, ys in curves]
    return Peer(task, method, steps, np.nanmean(known, 0))
