"""Options that the commands which make or continue a run share."""

import argparse
import math
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from robot_mbrl.config import PUBLIC, RobotConfig, RunConfig, load_run, packaged
from robot_mbrl.errors import ConfigError
from robot_mbrl.runs import notifying
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.several import load_several, names_several
from robot_mbrl.specs import Name
from robot_mbrl.strict_yaml import parse
from robot_mbrl.variety import CHANGES, Variety, read_changes

Subparsers = Any
"""What `ArgumentParser.add_subparsers` returns, whose class argparse keeps to itself."""

DEFAULT_MINUTES = 20.0


TASK_HELP = f"one of {', '.join(packaged('tasks'))}, or the path of a YAML"
AGENT_HELP = (
    "what learns: a preset that `robot-mbrl agents` lists, or the path of a YAML (default: the task's). What the task "
    "overrides is for its own agent's family, and left out for others"
)
NAMESPACE_HELP = (
    "what its nodes and topics are named after, where two of a kind share a graph: give each its own (default: the "
    "robot's name)"
)


def program() -> str:
    """What a shell calls this program by: its name, or the path that was typed where no environment is activated."""
    name = "robot-mbrl"
    return sys.argv[0] if Path(sys.argv[0]).name == name and shutil.which(name) is None else name


def add_run_options(parser: argparse.ArgumentParser, *, speed: float | None, task: str | None = None) -> None:
    """Add the task and the options of `demo` and `train`.

    Args:
        parser: the command's.
        task: the task of a new run where the user names none; None if one must be named.
        speed: simulated seconds per second where the user names none; None for as many as the machine manages.
    """
    hint = f"default {task}; may be left out with --resume" if task else "may be left out with --resume and --run"
    parser.add_argument("task", metavar="TASK", nargs="?", help=f"{TASK_HELP} ({hint})")
    parser.set_defaults(default_task=task)
    parser.add_argument("--agent", metavar="PRESET", help=AGENT_HELP)
    parser.add_argument("--seed", type=seed_number, help="seed of the run (default 0)")
    parser.add_argument("--minutes", type=positive, help=f"how long to run (default {DEFAULT_MINUTES:g})")
    parser.add_argument(
        "--run", dest="folder", type=folder_path, metavar="DIR", help="the run's folder (default below runs/)"
    )
    parser.add_argument("--resume", action="store_true", help="go on with the run in --run, or with the task's newest")
    default_speed = "as fast as the machine" if speed is None else f"{speed:g}"
    parser.add_argument(
        "--speed", type=positive, default=speed, help=f"simulated seconds per second (default: {default_speed})"
    )
    add_variety_options(parser)
    parser.add_argument("--view", action="store_true", help="show the simulated robot in a window")
    parser.add_argument("--video", action="store_true", help="film the simulated robot into the run's folder")
    parser.add_argument("--quiet", action="store_true", help="print the result only")
    parser.add_argument("--notify", metavar="COMMAND", help=notifying.HELP)
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        type=override,
        metavar="KEY=VALUE",
        help="override one setting by its dotted path, such as agent.train_ratio=128; may be repeated",
    )


def add_run_folder(parser: argparse.ArgumentParser) -> None:
    """Add the run that a command is about, which `read_run` reads."""
    parser.add_argument("folder", type=folder_path, metavar="RUN", help="the run's folder")


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the choice of programs."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def add_variety_options(parser: argparse.ArgumentParser) -> None:
    """Add how the simulated world varies, which is chosen at each start."""
    parser.add_argument(
        "--randomise",
        action="store_true",
        help="let each episode's world differ: friction, masses, strength, latency, noise, camera, light and bumps",
    )
    parser.add_argument("--push", action="store_true", help="push the simulated robot every ten seconds or so")
    parser.add_argument(
        "--change",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=f"let the simulated world differ from now on: {', '.join(CHANGES)}; shares of what is built, and seconds "
        "(may be repeated)",
    )


def variety_of(args: argparse.Namespace) -> Variety:
    """How the simulated world varies, as the user chose it.

    Raises:
        ConfigError: if a change is none.
    """
    return Variety(args.randomise, args.push, read_changes(args.change))


def add_public_options(parser: argparse.ArgumentParser) -> None:
    """Add what `train` has besides, above all for public tasks."""
    parser.add_argument(
        "--steps",
        type=positive_count,
        help="control steps of the environment that the run shall have in all, in place of --minutes (default for "
        "gym:… 50000)",
    )
    parser.add_argument(
        "--action-repeat",
        type=positive_count,
        metavar="N",
        help="control steps that each action is held for, their rewards summed (default: the task's, of gym:… 1)",
    )
    parser.add_argument(
        "--pixels", action="store_true", help="of gym:…, observe rendered pictures in place of everything else"
    )


def finite(text: str) -> float:
    """A number that is one: neither infinite nor `nan`."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text} is not finite")
    return value


def namespace_name(text: str) -> str:
    """A name that a ROS namespace can be made from."""
    try:
        return TypeAdapter(Name).validate_python(text)
    except ValidationError as error:
        raise argparse.ArgumentTypeError(error.errors()[0]["msg"].removeprefix("Value error, ")) from error


def positive(text: str) -> float:
    """A number above zero."""
    value = finite(text)
    if value <= 0.0:
        raise argparse.ArgumentTypeError(f"{text} is not above zero")
    return value


def whole(text: str) -> int:
    """A whole number."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None


def positive_count(text: str) -> int:
    """A whole number above zero."""
    value = whole(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not above zero")
    return value


def seed_number(text: str) -> int:
    """A whole number that generators can be seeded with."""
    value = whole(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is below zero")
    return value


def file_to_write(text: str) -> Path:
    """The path of a file that can be there, which need not be: said before there is work that would be lost."""
    path = Path(text)
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is a folder: name a file")
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{path.parent} is not a folder: make it first, or name a file elsewhere")
    return path


def folder_path(text: str) -> Path:
    """The path of a folder; of an empty text, as of a variable that is not set, the present folder would be taken."""
    if not text:
        raise argparse.ArgumentTypeError("an empty text names no folder")
    return Path(text)


def folder_to_fill(text: str) -> Path:
    """The path of a folder, which need not be there."""
    path = folder_path(text)
    if path.exists() and not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is a file: name a folder")
    return path


def override(text: str) -> tuple[str, Any]:
    """A dotted path and its value, read as YAML."""
    path, separator, value = text.partition("=")
    if not separator or not path:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form KEY=VALUE")
    try:
        return path, parse(value, path)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(" ".join(str(error).split())) from error


def faults_in_force(path: Path | None, robot: RobotConfig) -> list[str]:
    """What a description of faults does to a robot, a line each; nothing where there is none.

    Raises:
        ConfigError: if it is missing or wrong.
    """
    # Simulators are loaded only where one is needed.
    from sim.faults.description import load_faults

    return [fault.says for fault in load_faults(path, robot).faults] if path is not None else []


def read_run(path: Path) -> tuple[RunConfig, RunFolder]:
    """An existing run by its folder.

    Raises:
        ConfigError: if there is none in it, or what it is defined by cannot be read.
    """
    folder = RunFolder.open(path)
    return load_run(folder.path), folder


def open_run(
    args: argparse.Namespace, check: Callable[[RunConfig], object] = lambda config: None
) -> tuple[RunConfig, RunFolder]:
    """The run that the options ask for: a new one, or with `--resume` an existing one.

    Args:
        args: the command's.
        check: called with a new run before there is a folder for it; raises if it is not to begin.

    Raises:
        ConfigError: if the folder already holds a run, or there is none to resume, or options contradict it.
    """
    if not args.resume:
        config = load_task(_task(args), _overrides(args), args.seed or 0, pixels=getattr(args, "pixels", False))
        check(config)
        return config, RunFolder.create(config, args.folder)
    if _overrides(args) or args.seed is not None or getattr(args, "pixels", False):
        raise ConfigError(
            "--agent, --seed and --set define a new run, as do --action-repeat, --pixels and --namespace; one that is "
            "resumed keeps what its config.yaml says"
        )
    if args.folder is None:
        folder = RunFolder.newest(load_task(_task(args)).task.name)
        return load_run(folder.path), folder
    config, folder = read_run(args.folder)
    if args.task is not None and config.task.name != (asked_for := load_task(args.task).task.name):
        raise ConfigError(f"{folder.path} is a run of {config.task.name!r}, not of {asked_for!r}")
    return config, folder


def load_task(
    task: str, overrides: Mapping[str, Any] | None = None, seed: int = 0, *, pixels: bool = False
) -> RunConfig:
    """The run of a task, or of a public one.

    Args:
        task: name of a packaged task, path of a YAML, several of these with `+` between them, or `gym:` and the id of
            an environment.
        overrides: values by dotted path.
        seed: of the run.
        pixels: whether rendered pictures of a public task are observed.

    Raises:
        RobotMbrlError: if there is no such task or something of it is wrong.
    """
    if not task.startswith(PUBLIC):
        if pixels:
            raise ConfigError(f"--pixels is for {PUBLIC}… only; what a robot observes is said by its task's `observe`")
        return load_several(task, overrides, seed) if names_several(task) else load_run(task, overrides, seed)
    try:
        from sim.public.description import load_public_run
    except ModuleNotFoundError as error:
        raise ConfigError(f"{task}: {error}; pip install robot-mbrl[gym] brings it") from error
    return load_public_run(task, overrides, seed, pixels=pixels)


def _overrides(args: argparse.Namespace) -> dict[str, Any]:
    """What the options set, by dotted path; `--set` has the last word."""
    chosen = {
        "task.agent": args.agent,
        "task.action_repeat": getattr(args, "action_repeat", None),
        "namespace": getattr(args, "namespace", None),
    }
    return {path: value for path, value in chosen.items() if value is not None} | dict(args.overrides)


def _task(args: argparse.Namespace) -> str:
    task: str | None = args.task or args.default_task
    if task is None:
        raise ConfigError(f"name a TASK: {TASK_HELP}")
    return task
