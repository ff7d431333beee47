"""`robot-mbrl enable`: let a real robot move, or stop it; a node does it, since this package knows no ROS."""

import argparse
import os
import sys
from pathlib import Path

from robot_mbrl.commands.options import Subparsers
from robot_mbrl.config import load_run
from robot_mbrl.runs.environment import JOINING, node_environment
from robot_mbrl.runs.folder import RunFolder, read_json
from robot_mbrl.runs.scenario import namespace


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser("enable", help="let a real robot move, or with --off stop it")
    parser.add_argument("--run", dest="folder", type=Path, required=True, metavar="DIR", help="its run's folder")
    parser.add_argument("--off", action="store_true", help="stop it, until it is enabled again")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Become the node that enables, in the ROS domain of the run."""
    folder = RunFolder.open(args.folder)
    joining = {name: value for name, value in read_json(folder.environment).items() if name in JOINING}
    command = [sys.executable, "-m", "ros_nodes.enable", *(["--off"] if args.off else [])]
    command += ["--ros-args", "-r", f"__ns:={namespace(load_run(folder.path))}"]
    os.execve(sys.executable, command, node_environment({**os.environ, **joining}))
