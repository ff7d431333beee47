"""`robot-mbrl classify RUN`: learn from people's labels what success is, for a task that it then judges."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robot_mbrl.commands.options import (
    Subparsers,
    add_json,
    add_run_folder,
    file_to_write,
    finite,
    read_run,
    seed_number,
)
from robot_mbrl.config import RunConfig
from robot_mbrl.errors import ConfigError
from robot_mbrl.runs.folder import RunFolder

if TYPE_CHECKING:
    from robot_mbrl.learning.success import LabelledSteps

FILE = "success.npz"
CLEAR_S = 1.0
FEWEST = 5
"""Successes, and others, without which nothing is learned."""


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "classify",
        help="learn from a person's labels what success is, and say how surely",
        description="Reads the run's recordings, with what was said of them on `feedback` and by `robot-mbrl label`, "
        "and writes a classifier that a task can be judged by. How good it is, is told for episodes that it did not "
        "learn from.",
    )
    add_run_folder(parser)
    parser.add_argument(
        "--values", nargs="+", metavar="NAME", help="judge by these (default: all that the agent observes)"
    )
    parser.add_argument(
        "--threshold", type=finite, default=0.5, help="probability that is a success, between 0 and 1 (default 0.5)"
    )
    parser.add_argument(
        "--clear",
        type=finite,
        default=CLEAR_S,
        metavar="SECONDS",
        help="a step without a label is no success so long before and after one (default %(default)g)",
    )
    parser.add_argument("--seed", type=seed_number, default=0, help="of the first weights (default %(default)s)")
    parser.add_argument("--out", type=file_to_write, metavar="FILE", help=f"default {FILE} in the run's folder")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Learn, and tell how good it is."""
    # Not at the top: the command line must start without torch, which is an extra.
    from robot_mbrl.learning.success import cross_validate, fit

    if not 0.0 < args.threshold < 1.0:
        raise ConfigError(f"--threshold {args.threshold:g} is not between 0 and 1")
    if args.clear < 0.0:
        raise ConfigError(f"--clear {args.clear:g} is below zero")
    config, folder = read_run(args.folder)
    data = _read(config, folder, _names(args, config), args.clear)
    scores = cross_validate(data, threshold=args.threshold, seed=args.seed)
    path: Path = args.out or folder.path / FILE
    fit(data, threshold=args.threshold, seed=args.seed).save(path)
    told = {
        "file": str(path),
        "values": list(data.names),
        "successes": int(data.success.sum()),
        "others": int((~data.success).sum()),
        "episodes": len(set(data.episodes.tolist())),
        "precision": scores.precision,
        "recall": scores.recall,
    }
    print(json.dumps(told, indent=2) if args.json else _plainly(told))
    return 0


def _names(args: argparse.Namespace, config: RunConfig) -> list[str]:
    """The values to judge by."""
    measured = [value.name for _, _, value in config.robot.values()]
    if unknown := sorted(set(args.values or ()) - set(measured)):
        raise ConfigError(f"--values: the robot measures no {', '.join(unknown)}; it measures {', '.join(measured)}")
    names = args.values or [name for name in config.observation_spec().element_names if name in measured]
    if not names:
        raise ConfigError("the agent observes pictures alone: name the values to judge by with --values")
    return list(names)


def _read(config: RunConfig, folder: RunFolder, names: list[str], clear_s: float) -> "LabelledSteps":
    """Labelled steps of the run's recordings.

    Raises:
        ConfigError: if there are too few of one kind.
    """
    from robot_mbrl.experience.folder import find_sessions
    from robot_mbrl.experience.reading import StepReader
    from robot_mbrl.learning.success import labelled_steps
    from robot_mbrl.messages import NANOSECONDS

    reader = StepReader(config.action_spec())
    steps = list(reader.read(find_sessions(folder.bags).paths))
    data = labelled_steps(steps, reader.late, names, round(clear_s * NANOSECONDS))
    successes, others = int(data.success.sum()), int((~data.success).sum())
    if min(successes, others) < FEWEST or len(set(data.episodes.tolist())) < 2:
        raise ConfigError(
            f"{folder.path}: {successes} steps are labelled as successes and {others} are known to be none, in "
            f"{len(set(data.episodes.tolist()))} of {sum(step.observation.is_first for step in steps)} episodes; "
            f"{FEWEST} of each in two episodes are the least: say more on the topic feedback, or with robot-mbrl label"
        )
    return data


def _plainly(told: dict[str, Any]) -> str:
    def share(value: float | None) -> str:
        return "–" if value is None else f"{value:.1%}"

    return (
        f"learned from {told['successes']} successes and {told['others']} other steps of {told['episodes']} episodes\n"
        f"on episodes it did not learn from: precision {share(told['precision'])}, recall {share(told['recall'])}\n"
        f"classifier: {told['file']}"
    )
