"""`robot-mbrl jog`: one joint a little, through the guard; a node does it, since this package knows no ROS."""

import argparse
import os
import sys

from robot_mbrl.commands.options import NAMESPACE_HELP, TASK_HELP, Subparsers, finite, namespace_name
from robot_mbrl.config import load_run
from robot_mbrl.errors import ConfigError
from robot_mbrl.runs.environment import node_environment, ros_environment


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "jog",
        help="move one joint a little, through the guard, to see its sign and its unit",
        description="At a tenth of its speed, while the policy does not drive: by the guard that runs, or one that is "
        "started for it alone. Ctrl-C stops it. Afterwards the policy needs to be enabled anew.",
    )
    parser.add_argument("task", metavar="TASK", help=TASK_HELP)
    parser.add_argument("joint", metavar="JOINT", help="a commanded joint or twist axis")
    parser.add_argument("delta", metavar="DELTA", type=finite, help="how far, rad or m: 0.05, or -0.05 back")
    parser.add_argument("--namespace", type=namespace_name, metavar="NAME", help=NAMESPACE_HELP)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Become the node that does it, in the ROS domain of this terminal.

    Raises:
        ConfigError: if there is no such joint.
    """
    names = load_run(args.task).robot.joint_names
    if args.joint not in names:
        raise ConfigError(f"there is no joint {args.joint!r} to jog; there are {', '.join(names)}")
    command = [sys.executable, "-m", "ros_nodes.jog"]
    if args.namespace:
        command += ["--namespace", args.namespace]
    # After `--`, a way back is no option.
    command += ["--", args.task, args.joint, str(args.delta)]
    return os.execve(sys.executable, command, node_environment(ros_environment(os.environ)))
