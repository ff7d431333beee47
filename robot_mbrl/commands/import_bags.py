"""`robot-mbrl import BAG… --run DIR`: recordings of others, and of other runs, as experience of a run."""

import argparse
import json
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from robot_mbrl.commands.options import TASK_HELP, Subparsers, add_json, folder_path, read_run
from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.runs.journal import noted


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "import",
        help="take recordings, of demonstrations or of other runs, into a run",
        description="Reads our own runs, or any rosbag2 (MCAP or SQLite, packed or split) with the robot's own topics: "
        "sensed at the control rate, judged by the run's task, actions found from the commands. What learns in the run "
        "takes it up at its next start. Nothing is ever written to the bags.",
    )
    parser.add_argument("bags", type=Path, nargs="+", metavar="BAG", help="folders of runs or bags, or files of bags")
    parser.add_argument("--run", dest="folder", type=folder_path, required=True, metavar="DIR", help="the run's folder")
    parser.add_argument("--task", metavar="TASK", help=f"makes the run if there is none in DIR: {TASK_HELP}")
    parser.add_argument(
        "--topic",
        dest="told",
        action="append",
        default=[],
        type=_named_topic,
        metavar="NAME=/TOPIC",
        help="the bag's topic for a source or a command topic of the robot's YAML, where names do not tell",
    )
    parser.add_argument("--dry-run", action="store_true", help="tell what would be imported, and write nothing")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Import, and tell what came of it; returns 1 where a bag was refused."""
    # Not at the top: the command line must start without the readers of bags, which are an extra.
    from robot_mbrl.imports.importing import bags_for, import_bags

    config, folder = _open(args, check=lambda config: bags_for(args.bags, config))
    # A dry run does nothing to the run, whose folder may not even be there.
    with nullcontext() if args.dry_run else noted(folder, "import", args) as act:
        report = import_bags(
            args.bags,
            config,
            folder,
            told=dict(args.told),
            dry_run=args.dry_run,
            say=lambda text: None if args.json else print(text, file=sys.stderr),
        )
        refused = sum(bool(bag.refused) for bag in report.bags)
        if act is not None and refused:
            act.ended = f"{refused} of {len(report.bags)} bags refused"
    if args.json:
        print(json.dumps(report.as_json(), indent=2))
    else:
        print("\n".join(line for bag in report.bags for line in bag.as_text()))
        would = "would be " if args.dry_run else ""
        print(f"{report.steps} steps in {report.episodes} episodes {would}imported into {folder.path}")
    return 1 if refused else 0


def _open(args: argparse.Namespace, check: Callable[[RunConfig], object]) -> tuple[RunConfig, RunFolder]:
    """The run; a new one where the options ask for it, whose folder a dry run does not make.

    Args:
        args: the command's.
        check: called with a new run before there is a folder for it; raises if it is not to begin.
    """
    if args.task is None or (args.folder / "config.yaml").is_file():
        return read_run(args.folder)
    config = load_run(args.task)
    check(config)
    if args.dry_run:
        return config, RunFolder(args.folder.absolute())
    return config, RunFolder.create(config, args.folder)


def _named_topic(text: str) -> tuple[str, str]:
    name, separator, topic = text.partition("=")
    if not separator or not name or not topic:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=/TOPIC")
    return name, topic
