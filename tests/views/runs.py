"""Folders of runs as they are left behind, written by the classes that write real ones."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from robot_mbrl.config import load_run
from robot_mbrl.runs.folder import RunFolder, write_json
from robot_mbrl.runs.metrics import MetricsLog

EPISODE = {"mode": "explore", "solved": False, "began_stopped": False, "steps": 251, "policy_version": 3}
GUARD = {"latency_p50_ms": 2.0, "latency_p99_ms": 6.0, "latency_max_ms": 9.0, "state": "moving", "detail": ""}


def make_run(
    path: Path,
    lines: list[tuple[Any, dict[str, Any]]],
    *,
    seed: int = 0,
    summary: Mapping[str, Any] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> RunFolder:
    """A run's folder with these lines of metrics."""
    folder = RunFolder.create(load_run("cartpole", overrides, seed), path)
    if lines:
        with MetricsLog(folder.metrics) as log:
            for kind, values in lines:
                log.append(kind, values, int(values.get("robot_steps", 0)))
    if summary is not None:
        write_json(folder.summary, summary)
    return folder


def episode(robot_steps: int, value: float, **others: Any) -> tuple[str, dict[str, Any]]:
    """A line of an episode."""
    return "episode", EPISODE | {"robot_steps": robot_steps, "return": value} | others


def guard(
    robot_steps: int, state: str = "moving", detail: str = "", **interventions: int
) -> tuple[str, dict[str, Any]]:
    """A line of the guard's report."""
    counts = {f"intervention.{reason}": float(count) for reason, count in interventions.items()}
    return "guard", GUARD | {"robot_steps": robot_steps, "state": state, "detail": detail} | counts


def learner(robot_steps: int, updates: int, **figures: float) -> tuple[str, dict[str, Any]]:
    """A line of the learner's report."""
    return "learner", {"robot_steps": robot_steps, "updates": float(updates), "train_ratio": 250.0} | figures
