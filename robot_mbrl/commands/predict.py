"""`robot-mbrl predict`: pictures of what a run's world model expects, and how far it drifts, the farther it looks."""

import argparse
import json
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from robot_mbrl.commands.options import (
    Subparsers,
    add_run_folder,
    file_to_write,
    positive_count,
    read_run,
    seed_number,
)
from robot_mbrl.errors import ConfigError

if TYPE_CHECKING:
    from robot_mbrl.learning.drift import Drift

SHOWN = (1, 2, 3, 5, 10, 15, 20, 30, 50, 100)
"""Horizons that the table has, beside the last."""


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "predict",
        help="draw what a run's world model expects beside what the robot observed",
        description="Takes a sequence from the run's newest checkpoint. The model sees its first observations; the "
        "others it expects from the actions alone. Writes a picture and, of cameras, an animated GIF. With --horizon "
        "it does so from many places, and tells the error by how far it looks ahead.",
    )
    add_run_folder(parser)
    parser.add_argument("--seed", type=seed_number, default=0, help="which sequence (default %(default)s)")
    parser.add_argument(
        "--horizon", type=positive_count, metavar="N", help="measure the error up to so many steps ahead, and plot it"
    )
    parser.add_argument("--json", action="store_true", help="with --horizon: print the figures as JSON, and no more")
    parser.add_argument(
        "--out",
        type=file_to_write,
        metavar="FILE",
        help="the PNG to write (default prediction.png, or drift.png, in the run's folder)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the pictures."""
    if args.horizon is not None:
        return run_drift(args)
    if args.json:
        raise ConfigError("--json prints what --horizon measures: give both")
    # Not at the top: the command line must start without torch and Pillow, which are extras.
    from PIL import Image

    from robot_mbrl.learning.learner import Learner
    from robot_mbrl.learning.pictures import draw, film
    from robot_mbrl.learning.prediction import predict

    config, folder = read_run(args.folder)
    prediction = predict(Learner.resume(config, folder.path), args.seed)
    picture = args.out or folder.path / "prediction.png"
    Image.fromarray(draw(prediction)).save(picture, "PNG")
    print(f"picture: {picture}")
    if prediction.images:
        film(prediction, picture.with_suffix(".gif"))
        print(f"film: {picture.with_suffix('.gif')}")
    return 0


def run_drift(args: argparse.Namespace) -> int:
    """Measure the error by horizon, and plot it."""
    from robot_mbrl.learning.drift import drift, save_plot
    from robot_mbrl.learning.learner import Learner

    config, folder = read_run(args.folder)
    found = drift(Learner.resume(config, folder.path), args.horizon, args.seed)
    picture = args.out or folder.path / "drift.png"
    save_plot(found, picture, f"{config.task.name}, {config.agent.family}: error without seeing")
    if args.json:
        print(json.dumps(found.as_json() | {"picture": str(picture)}))
        return 0
    Console().print(_table(found))
    print(f"picture: {picture}")
    return 0


def _table(found: "Drift") -> Table:
    """Error and spread of some horizons."""
    last = len(found.error)
    title = f"{found.sequences} sequences, in deviations of what was observed"
    table = Table("steps ahead", "s", "error", "spread", title=title, title_justify="left")
    for steps in sorted({*(steps for steps in SHOWN if steps < last), last}):
        error, spread = (f"{values[steps - 1]:.3f}" for values in (found.error, found.spread))
        table.add_row(str(steps), f"{steps * found.step_s:.2f}", error, spread)
    return table
