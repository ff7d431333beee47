"""`robot-mbrl train`: the same learning in one process, synchronous and reproducible, as fast as the machine."""

import argparse
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from robot_mbrl.commands.judging import EPISODES, LATCHED, judge_policy, unseen_seed
from robot_mbrl.commands.offline import learn_offline
from robot_mbrl.commands.options import (
    DEFAULT_MINUTES,
    Subparsers,
    add_public_options,
    add_run_options,
    open_run,
    positive_count,
    variety_of,
)
from robot_mbrl.commands.results import Results
from robot_mbrl.commands.several import judge_each, verdicts
from robot_mbrl.config import RunConfig
from robot_mbrl.errors import ConfigError, LatchedError
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.runs.journal import DONE, INTERRUPTED, noted
from robot_mbrl.runs.locking import locked
from robot_mbrl.runs.metrics import MetricsLog
from robot_mbrl.runs.record import RunRecord, evaluation
from robot_mbrl.runs.supervisor import StopRequest
from robot_mbrl.variety import Variety

if TYPE_CHECKING:
    from sim.viewer import Viewer

SECONDS_PER_MINUTE = 60.0
PUBLIC_STEPS = 50_000
"""Control steps that a public task is learned for where the user names none."""


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "train",
        help="learn in one process, without ROS: reproducible, as fast as the machine",
        description="The same classes as the demo's nodes, called in turn: the robot waits for the learner. "
        "Minutes are the robot's own. A TASK may also be gym:ENV_ID, any environment of Gymnasium; or several robots' "
        "tasks, TASK+TASK…, which one model learns, an episode of each in turn (planet-multitask-cpu).",
    )
    add_run_options(parser, speed=None)
    add_public_options(parser)
    parser.add_argument(
        "--judge-every",
        type=positive_count,
        metavar="N",
        help=f"judge the frozen policy from {EPISODES} unseen starts every so many control steps (default: at the end)",
    )
    parser.add_argument(
        "--offline",
        type=Path,
        nargs="+",
        metavar="RUN|BAG",
        help="learn from recordings alone: folders of runs, bags, or MCAP files",
    )
    parser.add_argument("--updates", type=positive_count, help="with --offline: updates that the run shall have in all")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Learn for a while, judge the exported policy, and write the results down."""
    if (args.offline is None) != (args.updates is None):
        raise ConfigError("--offline and --updates go together: what to learn from, and for how long")
    config, folder = open_run(args, check=lambda config: _check(args, config))
    if args.offline is not None:
        with locked(folder), noted(folder, "train --offline", args) as act, StopRequest() as stop:
            learn_offline(config, folder, args.offline, args.updates, Console(), stop, quiet=args.quiet)
            act.ended = INTERRUPTED if stop.requested else DONE
        return 0
    if args.resume and args.offline is None:
        _check(args, config)
    console = Console()
    if not args.quiet:
        console.print(f"run folder: {folder.path}", highlight=False, soft_wrap=True)
    with locked(folder), noted(folder, "train", args) as act, StopRequest() as stop:
        results = Results(config, folder, "train")
        act.follow(results.read_record(), ())
        judged: list[dict[str, Any]] = []
        try:
            _Training(config, folder, args, console, results).run(stop)
            if folder.policy.exists() and not stop.requested:
                judged = _judge(config, folder, variety_of(args))
        finally:
            results.conclude(judged)
        act.follow(results.read_record(), ())
        act.ended = INTERRUPTED if stop.requested else DONE
    results.tell(console, interrupted=stop.requested)
    return 0


def _judge(config: RunConfig, folder: RunFolder, variety: Variety) -> list[dict[str, Any]]:
    """Episodes of the newest exported policy, frozen, from unseen starts; of several tasks, of each one's."""
    if config.members:
        return judge_each(config, folder, variety)
    return judge_policy(config, folder.policy, EPISODES, unseen_seed(config), variety=variety)


def _check(args: argparse.Namespace, config: RunConfig) -> None:
    """Refuse what cannot be learned from here, a robot or recordings."""
    # Not at the top: the command line must start without simulators and the readers of recordings, which are extras.
    if args.offline is not None:
        if config.members:
            raise ConfigError(
                "--offline learns a single task: name one; several are learned from what is lived in turn"
            )
        from robot_mbrl.learning.recordings import check_recordings

        check_recordings(args.offline, config)
    else:
        from sim.robots import check_robot

        check_robot(config, variety=variety_of(args), view=args.view)


class _Training:
    """A run in one process, from its start or its resume to its end."""

    def __init__(
        self, config: RunConfig, folder: RunFolder, args: argparse.Namespace, console: Console, results: Results
    ) -> None:
        self._config = config
        self._folder = folder
        self._args = args
        self._console = console
        self._results = results
        self._record = results.read_record()
        self._export_tasks: Callable[[], None] = lambda: None
        self._judging_s = 0.0
        self._started_s = time.monotonic()

    def run(self, stop: StopRequest) -> None:
        """Live and learn."""
        # Not at the top: the command line must start without torch and PyBullet, which a robot does not have.
        from robot_mbrl.learning.synchronous import SynchronousTraining
        from robot_mbrl.learning.task_bundles import TaskBundles
        from sim.robots import make_robot

        config, folder, args = self._config, self._folder, self._args
        with ExitStack() as closing:
            robot = make_robot(config, seed=config.seed, variety=variety_of(args))
            closing.callback(robot.close)
            report = self._console.log if not args.quiet else lambda _: None

            def between_updates() -> bool:
                bar.show_updates(training.learner.updates, training.learner.owed)
                return stop.requested

            training = SynchronousTraining(config, folder, robot, report, between_updates)
            closing.callback(training.close)
            if config.members:
                self._export_tasks = TaskBundles(training.learner, folder).export
            # A resumed life goes on from other starts than those it has seen, also if it was killed.
            robot.restart(config.seed + training.learner.robot_steps)
            before = self._steps_before(training.learner.robot_steps)
            show = self._shower(robot, closing)
            log = closing.enter_context(MetricsLog(folder.metrics, folder.tensorboard))
            rows, until = self._budget(before)
            bar = closing.enter_context(_Bar(config, until - before, self._console, args.quiet))
            verdict_due = self._next_verdict(before)
            for lived, reports in enumerate(training.run(rows), 1):
                steps = before + robot.control_steps
                for kind, values in reports:
                    line = {**values, "environment_steps": steps}
                    log.append(kind, line, training.learner.robot_steps)
                    self._record.take([{"kind": kind, **line}])
                if verdict_due is not None and steps >= verdict_due and folder.policy.exists():
                    verdict_due = self._next_verdict(steps)
                    self._judge(log, steps, training.learner.updates)
                show()
                bar.update(robot.control_steps, self._record)
                self._results.follow(self._record, self._learning_s)
                if args.speed is not None:
                    time.sleep(max(0.0, lived * config.step_s / args.speed - self._learning_s))
                # The end of an episode is a step of experience, but no control step: it is lived, too.
                if stop.requested or robot.latched or (steps >= until and not robot.observe().is_last):
                    break
            self._record.environment_steps = before + robot.control_steps
            self._record.robot_steps = training.learner.robot_steps
            if folder.policy.exists() and training.learner.agent.ready:
                self._export_tasks()
            latched = robot.latched
        self._results.write(self._record, self._learning_s)
        if latched:
            raise LatchedError(f"{LATCHED}: {latched}")

    def _shower(self, robot: Any, closing: ExitStack) -> Callable[[], None]:
        """What shows each step to whoever wants to see the robot, in a window or a film."""
        from sim.film import Film

        config, shows = self._config, list[Callable[[], None]]()
        if self._args.view:
            viewer = _open_viewer(config.task.world)
            closing.callback(viewer.close)
            shows.append(lambda: viewer.show(robot.pose(), robot.poses()))
        if self._args.video:
            film = Film(self._folder.video, 1.0 / config.step_s, robot.photograph())
            closing.callback(film.close)
            shows.append(lambda: film.add(robot.photograph()))

        def show() -> None:
            for each in shows:
                each()

        return show

    @property
    def _learning_s(self) -> float:
        """Seconds since this start, those left out in which frozen policies were judged."""
        return time.monotonic() - self._started_s - self._judging_s

    def _steps_before(self, robot_steps: int) -> int:
        """Control steps lived before this start; of what came after the last line of metrics, rows are known."""
        unreported = max(0, robot_steps - self._record.robot_steps)
        return self._record.environment_steps + unreported * self._config.task.action_repeat

    def _budget(self, before: int) -> tuple[int, int]:
        """How many steps of experience to live at most, and until how many control steps in all."""
        if self._args.steps is None and self._args.minutes is None and self._config.task.is_public:
            return sys.maxsize, PUBLIC_STEPS
        if self._args.steps is not None:
            return (sys.maxsize if self._args.steps > before else 0), self._args.steps
        minutes = self._args.minutes or DEFAULT_MINUTES
        rows = round(minutes * SECONDS_PER_MINUTE / self._config.step_s)
        return rows, before + (rows + 1) * self._config.task.action_repeat

    def _next_verdict(self, steps: int) -> int | None:
        every = self._args.judge_every
        return None if every is None else (steps // every + 1) * every

    def _judge(self, log: MetricsLog, steps: int, updates: int) -> None:
        """Judge the newest exported policy, frozen, and note what it is worth."""
        learning_s, judging_since_s = self._learning_s, time.monotonic()
        self._export_tasks()
        judged = _judge(self._config, self._folder, variety_of(self._args))
        verdict: dict[str, Any] = evaluation(judged)
        if self._config.members:
            verdict["tasks"] = verdicts(self._config, judged)
        self._judging_s += time.monotonic() - judging_since_s
        lived = {"environment_steps": steps, "updates": updates, "learning_s": self._results.lived_s(learning_s)}
        log.append("verdict", {**lived, **verdict}, steps)
        self._record.take([{"kind": "verdict", **lived, **verdict}])


def _open_viewer(world: str | None) -> "Viewer":
    # An extra that public tasks do without.
    from sim.viewer import Viewer

    return Viewer(world)


class _Bar:
    """A progress bar with the newest figures; a context manager."""

    EVERY = 20
    """Control steps between two refreshes."""
    PERIOD_S = 1.0
    """Time between two refreshes while updates are made at one step, and before the first."""

    def __init__(self, config: RunConfig, steps: int, console: Console, quiet: bool) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[news]}"))
        self._progress = Progress(*columns, TimeRemainingColumn(), console=console, disable=quiet)
        self._task: TaskID = self._progress.add_task(f"{config.task.name}: learning", total=steps, news="")
        self._shown, self._shown_s = 0, time.monotonic()

    def __enter__(self) -> "_Bar":
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def update(self, lived: int, record: RunRecord) -> None:
        """Show the newest figures, if it is time."""
        if lived - self._shown >= self.EVERY:
            self._shown, self._shown_s = lived, time.monotonic()
            returns = record.returns()
            newest = f"return {returns[-1]:.1f}" if returns else "no episode yet"
            news = f"step {record.environment_steps}, {len(returns)} episodes, {newest}"
            self._progress.update(self._task, completed=lived, news=news)

    def show_updates(self, made: int, due: int) -> None:
        """Show how far learning has come at this step, if it takes long."""
        if time.monotonic() - self._shown_s >= self.PERIOD_S:
            self._shown_s = time.monotonic()
            self._progress.update(self._task, news=f"{made} updates, {due} more are due here")
