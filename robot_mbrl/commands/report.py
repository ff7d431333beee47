"""`robot-mbrl report`: one self-contained HTML file of a run, or of several beside each other."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from robot_mbrl.commands.options import Subparsers, file_to_write, folder_path
from robot_mbrl.errors import ConfigError
from robot_mbrl.runs.folder import RunFolder

FILE = "report.html"


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "report",
        help="write one HTML file of what a run has learned and what went wrong",
        description="The file holds all it shows and asks no other host for anything. A run may still be going on, or "
        "have been broken off. Of several runs, or of the folder of a comparison, the curves have intervals.",
    )
    parser.add_argument(
        "runs", type=folder_path, nargs="+", metavar="RUN", help="a run's folder, or one with runs below it"
    )
    parser.add_argument(
        "--out", type=file_to_write, metavar="FILE", help=f"the file to write (default {FILE} in RUN; of several, here)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the report."""
    folders = runs_in(args.runs)
    # Not at the top: the command line must start without matplotlib and Jinja, which are extras.
    from robot_mbrl.views.report import render
    from robot_mbrl.views.story import RunStory

    out: Path = args.out or (args.runs[0] / FILE if len(args.runs) == 1 else Path(FILE))
    out.write_text(render([RunStory(folder) for folder in folders]), encoding="utf-8")
    print(f"report: {out}")
    return 0


def runs_in(paths: Sequence[Path]) -> list[RunFolder]:
    """The runs that some folders are or have below them, in the order of their names.

    Raises:
        ConfigError: if there is no run in one of them.
    """
    found: dict[Path, RunFolder] = {}
    for path in paths:
        if (path / "config.yaml").is_file():
            below = [path]
        else:
            below = sorted(config.parent for config in path.rglob("config.yaml"))
        if not below:
            wrong = "there is no run in it or below it: none has a config.yaml"
            raise ConfigError(f"{path}: {wrong if path.is_dir() else 'no such folder: name that of a run'}")
        found.update((folder.absolute(), RunFolder.open(folder)) for folder in below)
    return list(found.values())
