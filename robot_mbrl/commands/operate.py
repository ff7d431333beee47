"""A person's acts: `robot-mbrl enable`, `stop`, `release`, `bring-back`, `start-episode`; a node carries them out."""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from robot_mbrl import topics
from robot_mbrl.errors import ConfigError
from robot_mbrl.runs import console
from robot_mbrl.runs.environment import joining, node_environment, ros_environment
from robot_mbrl.runs.folder import RunFolder, read_json
from robot_mbrl.runs.running import running_runs
from robot_mbrl.strict_yaml import read_mapping

CONSOLE = "console"
ACTS = {
    "enable": "let a real robot move, or with --off stop it; where it has a dead-man timeout, until Ctrl-C",
    "stop": "press a robot's emergency stop, which latches: for robots whose own button is out of reach",
    "release": "let go of the emergency stop and release what has latched; the robot is then to be enabled anew",
    "bring-back": "move a joint that was found out of its range slowly back inside, for as long as this command runs",
    "start-episode": "tell a robot whose task resets by a person that the scene is ready",
    CONSOLE: "one terminal that shows the robot at a glance and acts by single keys: space stops it",
}


def register(subparsers: Any) -> None:
    """Add the commands."""
    for act, text in ACTS.items():
        parser = subparsers.add_parser(act, help=text, description=text)
        parser.add_argument(
            "--run", dest="folder", type=Path, metavar="DIR", help="its run's folder (default: the one that is running)"
        )
        if act == "enable":
            parser.add_argument("--off", action="store_true", help="stop it, until it is enabled again")
        parser.set_defaults(run=run, act=act)


def run(args: argparse.Namespace) -> int:
    """Become the node that does it, in the ROS domain of the run."""
    folder = RunFolder.open(args.folder) if args.folder is not None else _only_run(args.act)
    # A person who stops a robot waits for this. So the run is not checked again as a whole, which would take longer.
    name, hold_s, reset = _robot(folder.config)
    environment = ros_environment({**os.environ, **joining(read_json(folder.environment))})
    act = "disable" if args.act == "enable" and args.off else args.act
    words = [act, "--reset", reset]
    if act == "enable" and hold_s is not None:
        words += ["--hold-s", str(hold_s)]
    space = topics.namespace(name)
    if act in (console.STOP, console.DISABLE):
        state = console.tell(console.address(environment["ROS_DOMAIN_ID"], space), act)
        if state is not None:
            print(console.outcome(act, state))
            return 0
    if act == CONSOLE:
        command = [sys.executable, "-m", "ros_nodes.operator_console", "--space", space]
        command += ["--config", str(folder.config)]
        return os.execve(sys.executable, command, node_environment(environment))
    command = [sys.executable, "-m", "ros_nodes.operate", *words, "--ros-args", "-r", f"__ns:={space}"]
    return os.execve(sys.executable, command, node_environment(environment))


def _only_run(act: str) -> RunFolder:
    found = running_runs()
    if len(found) == 1:
        return found[0]
    if not found:
        raise ConfigError("no robot is running on this computer: name its run's folder with --run")
    several = ", ".join(str(folder.path) for folder in found)
    raise ConfigError(f"{len(found)} runs are running ({several}): say which one to {act} with --run")


def _robot(config: Path) -> tuple[str, float | None, str]:
    """What a run's namespace is named after, its dead-man timeout, None if it has none, and how its task resets."""
    raw = read_mapping(config)
    try:
        timeout_s = raw["robot"]["guard"].get("enable_timeout_s")
        name = raw.get("namespace") or raw["robot"]["name"]
        return str(name), None if timeout_s is None else float(timeout_s), str(raw["task"]["reset"])
    except (KeyError, TypeError, AttributeError, ValueError):
        raise ConfigError(
            f"{config}: robot.name, robot.guard or task.reset is missing or wrong: begin the run anew"
        ) from None
