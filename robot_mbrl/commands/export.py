"""`robot-mbrl export RUN --to lerobot --out DIR`: what a robot lived through, for others to use."""

import argparse
import itertools
import json

from robot_mbrl.commands.options import Subparsers, add_json, add_run_folder, folder_path, read_run
from robot_mbrl.errors import ExperienceError
from robot_mbrl.runs.journal import noted


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "export",
        help="write what a run's robot lived through as a dataset of another project",
        description="Reads the run's recordings, what was imported into it included. A LeRobot dataset (version 3) is "
        "read by `lerobot` 0.4 and newer. Install robot-mbrl[lerobot] for it.",
    )
    add_run_folder(parser)
    parser.add_argument("--to", choices=("lerobot",), default="lerobot", help="the format (default %(default)s)")
    parser.add_argument("--out", type=folder_path, required=True, metavar="DIR", help="the dataset's folder, a new one")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the dataset."""
    # Not at the top: the command line must start without what writes datasets, which is an extra.
    from robot_mbrl.exports.episodes import episodes_of
    from robot_mbrl.exports.lerobot import export_lerobot

    config, folder = read_run(args.folder)
    episodes = episodes_of(config, folder)
    first = next(episodes, None)
    if first is None:
        raise ExperienceError(f"{folder.bags}: nothing was recorded there that could be exported")
    with noted(folder, "export", args):
        done = export_lerobot(itertools.chain([first], episodes), config, args.out)
    if args.json:
        told = {"episodes": done.episodes, "frames": done.frames, "left_out": done.left_out, "out": str(args.out)}
        print(json.dumps(told, indent=2))
        return 0
    print(f"{done.frames} frames in {done.episodes} episodes: {args.out}")
    for name, reason in done.left_out.items():
        print(f"left out: {name}: {reason}")
    return 0
