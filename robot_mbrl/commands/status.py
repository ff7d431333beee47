"""`robot-mbrl status`: the live graph; the work is done by a node, since this package knows no ROS."""

import argparse
import os
import sys

from robot_mbrl.commands.options import Subparsers, add_json, folder_path, positive
from robot_mbrl.runs.environment import joining, node_environment, ros_environment
from robot_mbrl.runs.folder import RunFolder, read_json
from robot_mbrl.runs.running import running_runs

LISTEN_S = 3.0


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser("status", help="show the live graph: topics, rates, ages, policy and guard")
    parser.add_argument(
        "--run",
        dest="folder",
        type=folder_path,
        metavar="DIR",
        help="the run to look at (default: the newest running one)",
    )
    parser.add_argument("--seconds", type=positive, default=LISTEN_S, help="how long to listen (default %(default)g)")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Become the status node, in the ROS domain of the run."""
    environment = dict(os.environ)
    folder = RunFolder.open(args.folder) if args.folder is not None else next(iter(running_runs()), None)
    if folder is not None and (args.folder is not None or "ROS_DOMAIN_ID" not in environment):
        environment |= joining(read_json(folder.environment))
    command = [sys.executable, "-m", "ros_nodes.status", "--seconds", str(args.seconds)]
    if args.json:
        command.append("--json")
    os.execve(sys.executable, command, node_environment(ros_environment(environment)))
