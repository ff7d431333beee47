"""`robot-mbrl train`: the same learning in one process, synchronous and reproducible, as fast as the machine."""

import argparse
import time
from contextlib import ExitStack
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from robot_mbrl.commands.judging import EPISODES, judge_policy, unseen_seed
from robot_mbrl.commands.options import Subparsers, add_run_options, open_run
from robot_mbrl.commands.results import Results
from robot_mbrl.config import RunConfig
from robot_mbrl.errors import ConfigError
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.runs.locking import locked
from robot_mbrl.runs.metrics import MetricsLog
from robot_mbrl.runs.record import RunRecord
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
    add_run_options(parser, speed=None)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Learn for a while, judge the exported policy, and write the results down."""
    config, folder = open_run(args)
    if config.task.world is None:
        raise ConfigError(f"{config.task.name} exists in hardware only: there is nothing to simulate")
    console = Console()
    if not args.quiet:
        console.print(f"run folder: {folder.path}", highlight=False, soft_wrap=True)
    with locked(folder), StopRequest() as stop:
        results = Results(config, folder, "train")
        judged: list[dict[str, Any]] = []
        try:
            _learn(config, folder, args, console, stop, results)
            if folder.policy.exists() and not stop.requested:
                judged = judge_policy(config, folder.policy, EPISODES, unseen_seed(config))
        finally:
            results.conclude(judged)
    results.tell(console, interrupted=stop.requested)
    return 0


def _learn(
    config: RunConfig,
    folder: RunFolder,
    args: argparse.Namespace,
    console: Console,
    stop: StopRequest,
    results: Results,
) -> None:
    """Live and learn."""
    # Not at the top: the command line must start without torch and PyBullet, which a robot does not have.
    from robot_mbrl.learning.synchronous import SynchronousTraining
    from sim.film import Film
    from sim.in_process import InProcessRobot
    from sim.viewer import Viewer

    steps = round(args.minutes * SECONDS_PER_MINUTE / config.step_s)
    started_s = time.monotonic()
    record = results.read_record()
    with ExitStack() as closing:
        robot = InProcessRobot(config, seed=config.seed)
        closing.callback(robot.close)
        viewer = Viewer(config.task.world) if args.view else None
        if viewer is not None:
            closing.callback(viewer.close)
        training = SynchronousTraining(config, folder, robot, console.log if not args.quiet else lambda _: None)
        closing.callback(training.close)
        # A resumed life goes on from other starts than those it has seen, also if it was killed.
        robot.restart(config.seed + training.learner.robot_steps)
        film = Film(folder.video, 1.0 / config.step_s, robot.world.photograph()) if args.video else None
        if film is not None:
            closing.callback(film.close)
        log = closing.enter_context(MetricsLog(folder.metrics, folder.tensorboard))
        bar = closing.enter_context(_Bar(config, steps, console, args.quiet))
        for lived, reports in enumerate(training.run(steps), 1):
            for kind, values in reports:
                log.append(kind, values, training.learner.robot_steps)
                record.take([{"kind": kind, **values}])
            if film is not None:
                film.add(robot.world.photograph())
            if viewer is not None:
                viewer.show(robot.pose())
            bar.update(lived, record)
            results.follow(record, time.monotonic() - started_s)
            if args.speed is not None:
                time.sleep(max(0.0, lived * config.step_s / args.speed - (time.monotonic() - started_s)))
            if stop.requested:
                break
    results.write(record, time.monotonic() - started_s)


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
