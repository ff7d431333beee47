"""`robot-mbrl enable`, `stop`, `release` and `start-episode`: a person's acts, which a node of ROS carries out."""

import argparse
import os
import sys
from pathlib import Path

from robot_mbrl.commands.options import Subparsers
from robot_mbrl.config import load_run
from robot_mbrl.runs.environment import joining, node_environment, ros_environment
from robot_mbrl.runs.folder import RunFolder, read_json
from robot_mbrl.runs.scenario import namespace

ACTS = {
    "enable": "let a real robot move, or with --off stop it; where it has a dead-man timeout, until Ctrl-C",
    "stop": "press a robot's emergency stop, which latches: for robots whose own button is out of reach",
    "release": "let go of the emergency stop and release what has latched; the robot is then to be enabled anew",
    "start-episode": "tell a robot whose task resets by a person that the scene is ready",
}


def register(subparsers: Subparsers) -> None:
    """Add the commands."""
    for act, text in ACTS.items():
        parser = subparsers.add_parser(act, help=text, description=text)
        parser.add_argument("--run", dest="folder", type=Path, required=True, metavar="DIR", help="its run's folder")
        if act == "enable":
            parser.add_argument("--off", action="store_true", help="stop it, until it is enabled again")
        parser.set_defaults(run=run, act=act)


def run(args: argparse.Namespace) -> int:
    """Become the node that does it, in the ROS domain of the run."""
    folder = RunFolder.open(args.folder)
    config = load_run(folder.path)
    environment = ros_environment({**os.environ, **joining(read_json(folder.environment))})
    words = [args.act]
    if args.act == "enable" and args.off:
        words = ["disable"]
    elif args.act == "enable" and config.robot.guard.enable_timeout_s is not None:
        words += ["--hold-s", str(config.robot.guard.enable_timeout_s)]
    command = [sys.executable, "-m", "ros_nodes.operate", *words, "--ros-args", "-r", f"__ns:={namespace(config)}"]
    os.execve(sys.executable, command, node_environment(environment))
