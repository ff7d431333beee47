"""`robot-mbrl train`: the same learning in one process, synchronous and reproducible, as fast as the machine."""

import argparse
import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from robot_mbrl.commands.judging import EPISODES, judge_expert, judge_policy, unseen_seed
from robot_mbrl.commands.options import Subparsers, add_run_options, open_run
from robot_mbrl.config import RunConfig
from robot_mbrl.errors import ConfigError
from robot_mbrl.runs.curve import save_curve
from robot_mbrl.runs.folder import RunFolder, write_json
from robot_mbrl.runs.metrics import MetricsLog, read_metrics
from robot_mbrl.runs.record import RunRecord, evaluation
from robot_mbrl.runs.supervisor import StopRequest

SECONDS_PER_MINUTE = 60.0


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "train",
        help="learn in one process, without ROS: reproducible, as fast as the machine",
        description="The same classes as the demo's nodes, called in turn: the robot waits for the learner. "
        "Minutes are the robot's own.",
    )
    add_run_options(parser)
    parser.set_defaults(run=run, speed=None)


def run(args: argparse.Namespace) -> int:
    """Learn for a while, judge the exported policy, and write the results down."""
    config, folder = open_run(args)
    if config.task.world is None:
        raise ConfigError(f"{config.task.name} exists in hardware only: there is nothing to simulate")
    steps = round(args.minutes * SECONDS_PER_MINUTE / config.step_s)
    console = Console()
    if not args.quiet:
        console.print(f"run folder: {folder.path}", highlight=False, soft_wrap=True)
    with StopRequest() as stop:
        summary = _learn(config, folder, steps, args, console, stop)
        summary["evaluation"] = evaluation([])
        if folder.policy.exists() and not stop.requested:
            summary["evaluation"] = evaluation(judge_policy(config, folder.policy, EPISODES, unseen_seed(config)))
    summary["expert_return"] = judge_expert(config, EPISODES, unseen_seed(config))
    write_json(folder.summary, summary)
    record = RunRecord()
    record.take(read_metrics(folder.metrics))
    title = f"{config.task.name}, seed {config.seed}, in one process"
    save_curve(record.episodes, folder.curve, title, config.step_s, summary["expert_return"])
    _tell(config, folder, summary, console)
    return 0


def _learn(
    config: RunConfig, folder: RunFolder, steps: int, args: argparse.Namespace, console: Console, stop: StopRequest
) -> dict[str, Any]:
    """Live and learn; returns the summary so far."""
    # Not at the top: the command line must start without torch and PyBullet, which a robot does not have.
    from robot_mbrl.learning.synchronous import SynchronousTraining
    from sim.in_process import InProcessRobot

    before = folder.read_summary()
    started_s = time.monotonic()
    # A resumed life goes on from other starts than those it has seen.
    robot = InProcessRobot(config, seed=config.seed + int(before.get("robot_steps", 0)))
    training = SynchronousTraining(config, folder, robot)
    record = RunRecord()
    record.take(read_metrics(folder.metrics))
    try:
        with MetricsLog(folder.metrics, folder.tensorboard) as log, _Bar(config, steps, console, args.quiet) as bar:
            for lived, reports in enumerate(training.run(steps), 1):
                for kind, values in reports:
                    log.append(kind, values, training.learner.robot_steps)
                    record.take([{"kind": kind, **values}])
                bar.update(lived, record)
                if args.speed is not None:
                    time.sleep(max(0.0, lived * config.step_s / args.speed - (time.monotonic() - started_s)))
                if stop.requested:
                    break
    finally:
        training.close()
        robot.close()
    wall_s = before.get("wall_s", 0.0) + time.monotonic() - started_s
    return {"task": config.task.name, "seed": config.seed, **record.summary(), "wall_s": round(wall_s, 1)}


def _tell(config: RunConfig, folder: RunFolder, summary: dict[str, Any], console: Console) -> None:
    verdict = summary["evaluation"]
    lines = [
        f"lived {summary['robot_steps']} steps in {summary['wall_s'] / SECONDS_PER_MINUTE:.1f} minutes of this run"
    ]
    if verdict["episodes"]:
        lines.append(
            f"the frozen policy solved {verdict['solved']} of {verdict['episodes']} episodes from starts it never "
            f"trained on; mean return {verdict['mean_return']:.1f}, "
            f"the scripted expert's {summary['expert_return']:.1f}"
        )
    lines.append(f"summary: {folder.summary}\nlearning curve: {folder.curve}")
    lines.append(f"go on: robot-mbrl train {config.task.name} --run {folder.path} --resume")
    console.print("\n".join(lines), highlight=False, soft_wrap=True)


class _Bar:
    """A progress bar with the newest figures; a context manager."""

    EVERY = 20
    """Steps between two refreshes."""

    def __init__(self, config: RunConfig, steps: int, console: Console, quiet: bool) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[news]}"))
        self._progress = Progress(*columns, TimeRemainingColumn(), console=console, disable=quiet)
        self._task: TaskID = self._progress.add_task(f"{config.task.name}: learning", total=steps, news="")

    def __enter__(self) -> "_Bar":
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def update(self, lived: int, record: RunRecord) -> None:
        """Show the newest figures, if it is time."""
        if lived % self.EVERY == 0:
            returns = record.returns()
            newest = f"return {returns[-1]:.1f}" if returns else "no episode yet"
            news = f"step {record.robot_steps}, {len(returns)} episodes, {newest}"
            self._progress.update(self._task, completed=lived, news=news)
