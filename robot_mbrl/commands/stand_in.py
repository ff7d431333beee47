"""`robot-mbrl stand-in`: plays a robot's driver, so that its YAML can be tried without the robot."""

import argparse
import os
from pathlib import Path

from rich.console import Console

from robot_mbrl.commands.graph import UPDATE_S
from robot_mbrl.commands.options import NAMESPACE_HELP, TASK_HELP, Subparsers, faults_in_force, namespace_name
from robot_mbrl.config import load_run
from robot_mbrl.runs.environment import joining_words, node_environment, ros_environment
from robot_mbrl.runs.launching import open_or_create
from robot_mbrl.runs.locking import locked
from robot_mbrl.runs.running import ROBOT_RUNS
from robot_mbrl.runs.scenario import Options, scenario
from robot_mbrl.runs.supervisor import StopRequest, Supervisor


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "stand-in",
        help="play a robot's driver, well or badly, to try its YAML without the robot",
        description="Publishes the sources of the task's robot and obeys its commands, by simple joints. Run "
        "`robot-mbrl robot TASK` beside it, as beside the real driver.",
    )
    parser.add_argument("task", metavar="TASK", help=TASK_HELP)
    parser.add_argument("--faults", type=Path, metavar="FILE", help="YAML of what goes wrong (docs/simulation.md)")
    parser.add_argument(
        "--run",
        dest="folder",
        default="",
        metavar="DIR",
        help=f"folder of its logs (default {ROBOT_RUNS}/TASK-stand-in)",
    )
    parser.add_argument("--namespace", type=namespace_name, metavar="NAME", help=NAMESPACE_HELP)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Play the driver until interrupted."""
    faults: Path | None = args.faults.absolute() if args.faults is not None else None
    wanted = load_run(Path(args.task).expanduser())
    lines = faults_in_force(faults, wanted.robot)
    own = "-".join(filter(None, (wanted.task.name, args.namespace, "stand-in")))
    config, folder = open_or_create(args.task, args.folder or str(ROBOT_RUNS / own), args.namespace or "")
    nodes = scenario("stand-in", config, folder.path, Options(faults=faults), simulated=False)
    environment = node_environment(ros_environment(os.environ))
    with locked(folder), StopRequest() as stop, Supervisor(nodes, folder, environment) as supervisor:
        said = [f"the driver of {config.robot.name} is played; its log: {folder.logs}"]
        said += [f"ROS: {joining_words(environment)}", *(f"fault in force: {line}" for line in lines)]
        Console().print("\n".join([*said, "Ctrl-C ends it"]), highlight=False, soft_wrap=True)
        while not stop.requested:
            supervisor.watch(UPDATE_S)
    return 0
