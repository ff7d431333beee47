"""Learning curves of several runs in one picture: each run faint, their median strong.

Run it with `python -m benchmarks.curves PICTURE RUN [RUN …]` on the folders of finished runs of `demo` or `train`; it
draws the episodes that were lived in evaluate mode.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from robot_mbrl.config import load_run
from robot_mbrl.runs.curve import new_picture, save
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.runs.metrics import read_metrics
from robot_mbrl.runs.record import RunRecord

FAINT, STRONG = "#c9b5a8", "#c8501e"


class Curve(NamedTuple):
    """Returns of one run over the minutes its robot has lived."""

    name: str
    minutes: Sequence[float]
    returns: Sequence[float]


def draw(curves: Sequence[Curve], picture: Path, title: str, expert_return: float | None) -> None:
    """Write the picture, a PNG."""
    figure, axes = new_picture(title, expert_return)
    for curve in curves:
        axes.plot(curve.minutes, curve.returns, color=FAINT, linewidth=1)
    until = min(curve.minutes[-1] for curve in curves)
    since = max(curve.minutes[0] for curve in curves)
    grid = np.linspace(since, until, 100)
    median = np.median([np.interp(grid, curve.minutes, curve.returns) for curve in curves], 0)
    axes.plot(grid, median, color=STRONG, linewidth=2, label=f"median of {len(curves)}")
    axes.set_ylim(bottom=0)
    save(figure, picture)


def read_run(path: Path) -> Curve:
    """A run's evaluate episodes."""
    folder = RunFolder.open(path)
    config, record = load_run(folder.path), RunRecord()
    record.take(read_metrics(folder.metrics))
    episodes = [episode for episode in record.episodes if episode["mode"] == "evaluate"]
    minutes = [episode["robot_steps"] * config.step_s / 60.0 for episode in episodes]
    return Curve(path.name, minutes, [episode["return"] for episode in episodes])


def main() -> int:
    """Draw."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.curves", description=__doc__)
    parser.add_argument("picture", type=Path, help="the PNG to write")
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="a run's folder")
    args = parser.parse_args()
    first = load_run(args.runs[0])
    expert_return = RunFolder.open(args.runs[0]).read_summary().get("expert_return")
    title = f"{first.task.name}, {len(args.runs)} runs: episodes in evaluate mode"
    draw([read_run(path) for path in args.runs], args.picture, title, expert_return)
    return 0


if __name__ == "__main__":
    sys.exit(main())
