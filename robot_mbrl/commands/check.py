"""`robot-mbrl check`: whether a driver and this computer are ready; a node looks, since this package knows no ROS."""

import argparse
import os
import sys
from pathlib import Path

from robot_mbrl.commands.options import (
    NAMESPACE_HELP,
    TASK_HELP,
    Subparsers,
    add_json,
    folder_path,
    namespace_name,
    positive,
)
from robot_mbrl.config import load_run
from robot_mbrl.errors import ConfigError
from robot_mbrl.runs.environment import node_environment, ros_environment

LISTEN_S = 3.0


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "check",
        help="look at a running driver before anything moves: green, amber, red, each with its remedy",
        description="Publishes nothing. Exit code 0 if all is green, 1 if something is amber, 2 if something is red.",
    )
    parser.add_argument("task", metavar="TASK", help=TASK_HELP)
    parser.add_argument("--seconds", type=positive, default=LISTEN_S, help="how long to listen (default %(default)g)")
    parser.add_argument(
        "--urdf", type=Path, metavar="FILE", help="compare limits with this URDF (default: the topic's)"
    )
    parser.add_argument(
        "--run",
        dest="folder",
        type=folder_path,
        default=Path(),
        metavar="DIR",
        help="where the run will lie (default: here)",
    )
    parser.add_argument("--namespace", type=namespace_name, metavar="NAME", help=NAMESPACE_HELP)
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Become the node that looks, in the ROS domain of this terminal, as the robot's nodes will be."""
    load_run(args.task)
    if args.urdf is not None and not args.urdf.is_file():
        raise ConfigError(f"--urdf {args.urdf}: there is no such file")
    folder = args.folder.absolute()
    while not folder.is_dir():
        folder = folder.parent
    command = [sys.executable, "-m", "ros_nodes.check", args.task, "--seconds", str(args.seconds)]
    command += ["--folder", str(folder)]
    if args.urdf is not None:
        command += ["--urdf", str(args.urdf)]
    if args.namespace:
        command += ["--namespace", args.namespace]
    if args.json:
        command.append("--json")
    return os.execve(sys.executable, command, node_environment(ros_environment(os.environ)))
