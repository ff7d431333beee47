"""A comparison of agents on tasks: which runs it consists of, and what they add up to."""

import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.runs.statistics import Interval, interquartile_mean

SOLVED = 8
"""Of ten episodes from unseen starts, so many solved ones are the mark."""
FINAL_SHARE = 0.1
"""Share of a run's steps whose episodes its final return is the mean of."""
POINTS = 40
"""Points of a curve; each is the mean over the episodes that ended since the one before."""


@dataclass(frozen=True)
class Cell:
    """One run of a comparison."""

    task: str
    agent: str
    seed: int

    def folder(self, out: Path) -> RunFolder:
        """Where it lies."""
        return RunFolder((out / _slug(self.task) / _slug(self.agent) / f"seed{self.seed}").absolute())


@dataclass(frozen=True)
class Plan:
    """What is compared."""

    tasks: tuple[str, ...]
    agents: tuple[str, ...]
    seeds: tuple[int, ...]
    steps: int
    """Control steps of each run."""
    out: Path

    def cells(self) -> list[Cell]:
        """Every run, the seeds last, so that all agents are known early."""
        return [Cell(task, agent, seed) for seed in self.seeds for task in self.tasks for agent in self.agents]


@dataclass(frozen=True)
class Outcome:
    """What came of a run so far."""

    cell: Cell
    summary: dict[str, Any]

    @classmethod
    def read(cls, cell: Cell, out: Path) -> "Outcome":
        """From the run's folder; nothing yet where there is none."""
        return cls(cell, cell.folder(out).read_summary())

    @property
    def steps(self) -> int:
        """Control steps lived."""
        return int(self.summary.get("environment_steps", 0))

    @property
    def wall_s(self) -> float:
        """Seconds of living and learning."""
        return float(self.summary.get("wall_s", 0.0))

    @property
    def points(self) -> list[tuple[float, float]]:
        """Control steps and returns: of frozen policies where they were judged on the way, else of all episodes."""
        if verdicts := self.summary.get("verdicts"):
            return [(v["environment_steps"], v["mean_return"]) for v in verdicts if v["mean_return"] is not None]
        return [(steps, value) for steps, value in self.summary.get("returns", [])]

    def final(self, steps: int) -> float | None:
        """The return at the end of so many steps; None where no episode ended in them."""
        points = [(at, value) for at, value in self.points if at <= steps]
        last = [value for at, value in points if at > steps * (1.0 - FINAL_SHARE)] or [v for _, v in points[-1:]]
        return sum(last) / len(last) if last else None

    def curve(self, grid: np.ndarray) -> np.ndarray:
        """Mean return of the episodes that ended up to each point since the one before, (G,).

        Where none did, the return before holds; NaN before the first.
        """
        places = np.searchsorted(grid, [at for at, _ in self.points])
        values = np.array([value for _, value in self.points])
        result = np.full(len(grid), np.nan)
        for index in range(len(grid)):
            here = values[places == index]
            result[index] = here.mean() if here.size else (result[index - 1] if index else np.nan)
        return result

    @property
    def steps_to_solved(self) -> int | None:
        """Control steps after which a frozen policy first reached the mark; None if none did, or none was judged."""
        reached = (v["environment_steps"] for v in self.summary.get("verdicts", []) if v["solved"] >= SOLVED)
        return next(reached, None)


def row(plan: Plan, task: str, agent: str, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """One agent on one task: its line of the table.

    Args:
        plan: what is compared.
        task: the task.
        agent: the agent.
        outcomes: its finished runs.
    """
    finals = [final for outcome in outcomes if (final := outcome.final(plan.steps)) is not None]
    spread: Interval | tuple[None, None, None] = interquartile_mean(finals) if finals else (None, None, None)
    reached = [steps for outcome in outcomes if (steps := outcome.steps_to_solved) is not None]
    # Of those that did not reach it nobody knows: the median is known if most did.
    solved = statistics.median_high([*reached, *[plan.steps + 1] * (len(outcomes) - len(reached))] or [plan.steps + 1])
    return {
        "task": task,
        "agent": agent,
        "seeds": len(outcomes),
        "steps": plan.steps,
        "return_iqm": spread[0],
        "low": spread[1],
        "high": spread[2],
        "steps_to_solved": solved if solved <= plan.steps else None,
        "wall_s": round(sum(outcome.wall_s for outcome in outcomes) / len(outcomes), 1) if outcomes else None,
    }


def grid_of(steps: int) -> np.ndarray:
    """The control steps at which curves have points, (G,)."""
    return np.linspace(steps / POINTS, steps, POINTS)


def band(outcomes: Sequence[Outcome], grid: np.ndarray) -> np.ndarray:
    """Interquartile mean, low and high over runs at each point, (G, 3); NaN where no run has a return yet."""
    curves = np.array([outcome.curve(grid) for outcome in outcomes]).reshape(len(outcomes), len(grid))
    result = np.full((len(grid), 3), np.nan)
    for index, column in enumerate(curves.T):
        known = column[~np.isnan(column)]
        if known.size:
            result[index] = interquartile_mean(known.tolist())
    return result


def _slug(name: str) -> str:
    """A name as a folder; of a file, without its ending and its folders."""
    stem = Path(name).stem if name.endswith(".yaml") else name
    return re.sub(r"[^A-Za-z0-9_-]+", "-", stem)
