"""`robot-mbrl robot` and `robot-mbrl workstation`: what runs beside a real robot, without ROS's launch files."""

import argparse
import os
from pathlib import Path

from rich.console import Console

from robot_mbrl import topics
from robot_mbrl.commands.graph import UPDATE_S, Screen
from robot_mbrl.commands.options import NAMESPACE_HELP, Subparsers, finite, namespace_name, program
from robot_mbrl.config import RunConfig, packaged
from robot_mbrl.robot_config import SLOWEST_SCALE
from robot_mbrl.runs import notifying
from robot_mbrl.runs.console import STOP, Keyboard
from robot_mbrl.runs.environment import joining_words, node_environment, ros_environment
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.runs.journal import INTERRUPTED, noted
from robot_mbrl.runs.launching import open_or_create
from robot_mbrl.runs.locking import locked
from robot_mbrl.runs.metrics import MetricsTail
from robot_mbrl.runs.record import RunRecord
from robot_mbrl.runs.running import ROBOT_RUNS
from robot_mbrl.runs.scenario import PROVIDERS, Options, console_process, scenario
from robot_mbrl.runs.supervisor import StopRequest, Supervisor


def register(subparsers: Subparsers) -> None:
    """Add the commands."""
    robot = subparsers.add_parser(
        "robot",
        help="run what belongs on a real robot: sensing, guard, policy, recorder",
        description="The robot does not move before `robot-mbrl enable`.",
    )
    _add_policy_arguments(robot)
    robot.add_argument(
        "--shadow", action="store_true", help="send nothing to the driver, while all else runs, learns and records"
    )
    robot.add_argument(
        "--speed-scale",
        type=speed_scale,
        default=1.0,
        metavar="SHARE",
        help=f"share of every joint's speed, {SLOWEST_SCALE:g} to 1, that the guard allows; what actions mean stays "
        "the same (default %(default)g)",
    )
    _add_run_arguments(robot)
    robot.add_argument("--namespace", type=namespace_name, metavar="NAME", help=NAMESPACE_HELP)
    robot.set_defaults(run=run_robot)

    workstation = subparsers.add_parser("workstation", help="run what belongs on the workstation: learner and monitor")
    _add_run_arguments(workstation)
    workstation.add_argument(
        "--namespace",
        dest="namespaces",
        type=namespace_name,
        action="append",
        default=[],
        metavar="NAME",
        help="namespace of the robot to learn from (default: the robot's name); given again, of one more of the same "
        "kind, for whose steps and policies this learner is there, too",
    )
    workstation.set_defaults(run=run_workstation)


def _add_policy_arguments(parser: argparse.ArgumentParser) -> None:
    """What drives the robot, and by what it is computed."""
    parser.add_argument(
        "--start-policy",
        choices=("cached", "hold", "random"),
        help="what drives before a bundle has arrived; random drives over the full range of every command "
        "(default: the cached bundle if there is one, else hold)",
    )
    parser.add_argument("--policy-file", type=Path, metavar="FILE", help="the bundle that drives first")
    parser.add_argument(
        "--provider",
        choices=PROVIDERS,
        default="auto",
        help="what computes the policy; auto measures at loading and keeps the fastest (default %(default)s)",
    )
    parser.add_argument(
        "--accept-new-run",
        action="store_true",
        help="let bundles of another learning run replace those that the robot has, once",
    )


def _add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Which run either side has."""
    parser.add_argument(
        "task",
        nargs="?",
        default="",
        metavar="TASK",
        help=f"one of {', '.join(packaged('tasks'))}, or the path of a YAML; may be left out where --run has a run",
    )
    parser.add_argument(
        "--run", dest="folder", default="", metavar="DIR", help=f"the run's folder here (default {ROBOT_RUNS}/TASK)"
    )
    parser.add_argument("--notify", metavar="COMMAND", help=notifying.HELP)


def speed_scale(text: str) -> float:
    """A share of the joints' speed."""
    value = finite(text)
    if not SLOWEST_SCALE <= value <= 1.0:
        raise argparse.ArgumentTypeError(f"{text} is not within {SLOWEST_SCALE:g} and 1")
    return value


def run_robot(args: argparse.Namespace) -> int:
    """Run the robot's nodes until interrupted."""
    file: Path | None = args.policy_file.absolute() if args.policy_file is not None else None
    options = Options(
        start_policy=args.start_policy,
        policy_file=file,
        provider=args.provider,
        accept_new_run=args.accept_new_run,
        shadow=args.shadow,
        speed_scale=args.speed_scale,
    )
    return _run("robot", args, options, args.namespace or "")


def run_workstation(args: argparse.Namespace) -> int:
    """Run the workstation's nodes until interrupted."""
    first, *others = args.namespaces or [""]
    return _run("workstation", args, Options(robots=tuple(topics.namespace(name) for name in others)), first)


def _run(side: str, args: argparse.Namespace, options: Options, namespace: str) -> int:
    environment = node_environment(ros_environment(os.environ))
    config, folder = open_or_create(args.task, args.folder, namespace)
    nodes = scenario(side, config, folder.path, options, simulated=False)
    if side == "robot":
        nodes = (*nodes, console_process(nodes[0].namespace))
    screen, keyboard = Screen(Console()), Keyboard()
    record, tail = RunRecord(), MetricsTail(folder.metrics)
    with (
        locked(folder),
        noted(folder, side, args) as act,
        StopRequest() as stop,
        Supervisor(nodes, folder, environment) as supervisor,
    ):
        screen.say("\n".join(_introduction(side, config, folder, environment)))
        while not stop.requested:
            # A line that is typed ends the wait.
            if supervisor.watch(UPDATE_S, keyboard.readable()) and keyboard.take() and supervisor.tell(STOP):
                screen.say("the emergency stop is pressed")
            for line in supervisor.news():
                screen.say(line)
                act.hear(line)
            record.take(tail.new())
            act.follow(record, supervisor.failing)
        act.ended = INTERRUPTED
    return 0


def _introduction(side: str, config: RunConfig, folder: RunFolder, environment: dict[str, str]) -> list[str]:
    lines = [f"run folder: {folder.path}", f"what the nodes print: {folder.logs}", f"ROS: {joining_words(environment)}"]
    if side == "robot":
        switch = f"{program()} enable --run {folder.path}"
        lines += [
            f"look at it: {program()} status --run {folder.path}",
            f"the robot moves only once you let it: {switch}",
            f"stop it: {switch} --off",
            f"press its emergency stop: Enter in this terminal, or {program()} stop --run {folder.path}",
        ]
        if config.task.reset == "human":
            lines.append(f"you start its episodes: {program()} start-episode --run {folder.path}")
    lines.append("Ctrl-C ends everything here" + (", and stops the robot first" if side == "robot" else ""))
    return lines
