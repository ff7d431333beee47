"""`robot-mbrl goal`: tell a robot what to bring about, while it moves; a node tells it, and waits until it is heard."""

import argparse
import json
import os
import sys
from pathlib import Path

from robot_mbrl.commands.options import TASK_HELP, Subparsers, folder_path
from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.errors import ConfigError, MessageError
from robot_mbrl.runs.environment import joining, node_environment, ros_environment
from robot_mbrl.runs.folder import RunFolder, read_json
from robot_mbrl.runs.running import running_runs
from robot_mbrl.strict_yaml import parse, read_mapping


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "goal",
        help="tell a robot what to bring about, while it moves",
        description="Tell a robot its goal. What is not named stays as it is. With --path it is led from goal to goal, "
        "each told once the task says that the one before is reached; Ctrl-C leaves it where it is.",
    )
    parser.add_argument(
        "words",
        nargs="*",
        metavar="TASK NAME=VALUE",
        help=f"the robot's task, {TASK_HELP}, unless --run is given; goals",
    )
    parser.add_argument("--run", dest="folder", type=folder_path, metavar="DIR", help="its run's folder")
    parser.add_argument("--path", type=Path, metavar="FILE", help="YAML whose `goals` are a list of {NAME: VALUE, ...}")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Become the node that tells it, in the ROS domain of the run."""
    tasks = [word for word in args.words if "=" not in word]
    goals = _goals([word for word in args.words if "=" in word], args.path)
    folder = RunFolder.open(args.folder) if args.folder is not None else None
    if (folder is None) != (len(tasks) == 1) or len(tasks) > 1:
        raise ConfigError("goal: name the robot's task, or its run's folder with --run, and then NAME=VALUE")
    if folder is None:
        folder = next((found for found in running_runs() if _task_of(found) == _name(tasks[0])), None)
    config = load_run(folder.config if folder is not None else tasks[0])
    _check(config, goals)
    # Outside of a run's folder it is where ROS's own tools are.
    joined = joining(read_json(folder.environment)) if folder is not None else {}
    environment = node_environment(ros_environment({**os.environ, **joined}))
    words = ["--goals", json.dumps(goals), *(["--await-last"] if args.path is not None else [])]
    command = [sys.executable, "-m", "ros_nodes.goal_node", *words, "--ros-args", "-r", f"__ns:={config.space}"]
    return os.execve(sys.executable, command, environment)


def _goals(pairs: list[str], path: Path | None) -> list[dict[str, float]]:
    """The goals in their order: that of the words, then those of the file."""
    told = dict(_pair(text) for text in pairs)
    if len(told) < len(pairs):
        raise ConfigError("goal: a name is there twice: leave one of them out")
    goals = [told] if told else []
    if path is not None:
        listed = read_mapping(path).get("goals")
        if not isinstance(listed, list) or not listed or not all(isinstance(entry, dict) for entry in listed):
            raise ConfigError(f"{path}: goals: must be a list, one a line, such as - {{NAME: VALUE, NAME: VALUE}}")
        goals += [{str(name): _number(f"{path}: {name}", value) for name, value in entry.items()} for entry in listed]
    if not goals:
        raise ConfigError("goal: nothing to tell; give NAME=VALUE, or a list of goals with --path")
    return goals


def _pair(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    return name, _number(name, parse(value, text))


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{name}: {value!r} is no number")
    return float(value)


def _check(config: RunConfig, goals: list[dict[str, float]]) -> None:
    """Refuse what the robot would refuse, where a person sees it."""
    # Not at the top: what prints help needs no pictures.
    from robot_mbrl.control.goal import Goal

    for goal in goals:
        try:
            Goal(config.task.goal.values()).set(goal)
        except MessageError as error:
            raise ConfigError(f"task {config.task.name}: {error}") from error


def _name(task: str) -> str:
    return load_run(task).task.name


def _task_of(folder: RunFolder) -> str:
    return load_run(folder.config).task.name
