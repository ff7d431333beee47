"""`robot-mbrl demo`: a simulated robot learns live over ROS 2, and is judged at the end."""

import argparse
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from robot_mbrl.commands.graph import Screen, follow
from robot_mbrl.commands.judging import EPISODES, START_UP_S, judge_over_graph, unseen_seed
from robot_mbrl.commands.options import (
    DEFAULT_MINUTES,
    NAMESPACE_HELP,
    Subparsers,
    add_run_options,
    faults_in_force,
    namespace_name,
    open_run,
    program,
    variety_of,
)
from robot_mbrl.commands.results import Results
from robot_mbrl.config import RunConfig
from robot_mbrl.errors import ConfigError
from robot_mbrl.runs.environment import joining_words, node_environment
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.runs.journal import DONE, INTERRUPTED, Act, noted
from robot_mbrl.runs.locking import locked
from robot_mbrl.runs.record import RunRecord
from robot_mbrl.runs.scenario import Options, scenario
from robot_mbrl.runs.supervisor import StopRequest
from robot_mbrl.tasks import make_task


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser("demo", help="let a simulated robot learn a task live over ROS 2")
    add_run_options(parser, speed=1.0, task="cartpole")
    parser.add_argument(
        "--lockstep", action="store_true", help="let the simulator wait for every step, as fast as the machine"
    )
    parser.add_argument("--namespace", type=namespace_name, metavar="NAME", help=NAMESPACE_HELP)
    parser.add_argument(
        "--faults",
        type=Path,
        metavar="FILE",
        help="YAML of what goes wrong with the simulated robot (docs/simulation.md)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Learn for a while, judge the exported policy, and write the results down."""
    faults: Path | None = args.faults.absolute() if args.faults is not None else None
    chosen = Options(
        speed=args.speed,
        lockstep=args.lockstep,
        view=args.view,
        video=args.video,
        faults=faults,
        variety=variety_of(args),
    )
    environment = node_environment(os.environ)
    config, folder = open_run(args, check=lambda config: _check(config, chosen))
    if args.resume:
        _check(config, chosen)
    with locked(folder), noted(folder, "demo", args) as act, StopRequest() as stop:
        in_force = faults_in_force(faults, config.robot)
        results = Results(config, folder, "demo", speed=args.speed, **({"faults": in_force} if in_force else {}))
        # A resumed life goes on from other starts than those it has seen.
        options = replace(chosen, seed=config.seed + results.robot_steps)
        demo = Demo(config, folder, options, environment, Screen(Console(), args.quiet), results, act)
        judged: list[dict[str, Any]] = []
        try:
            demo.learn(60.0 * (args.minutes or DEFAULT_MINUTES), stop)
            judged = demo.judge(stop)
        finally:
            results.conclude(judged)
        act.ended = INTERRUPTED if stop.requested else DONE
    results.tell(demo.screen.console, interrupted=stop.requested)
    return 0


def _check(config: RunConfig, chosen: Options) -> None:
    """Refuse what has no graph, cannot be simulated or shown here, or faults that the robot cannot have.

    Raises:
        RobotMbrlError: naming what is wrong.
    """
    # Not at the top: simulators are put together with the library by commands only.
    from sim.robots import check_robot

    make_task(config.task.task)
    if config.task.world is None:
        raise ConfigError(
            f"{config.task.name} exists in hardware only: use robot-mbrl robot and robot-mbrl workstation"
        )
    check_robot(config, view=chosen.view)
    faults_in_force(chosen.faults, config.robot)


class Demo:
    """One start of the demo in a run's folder.

    Attributes:
        screen: where it is shown.
    """

    def __init__(
        self,
        config: RunConfig,
        folder: RunFolder,
        options: Options,
        environment: dict[str, str],
        screen: Screen,
        results: Results,
        act: Act | None = None,
    ) -> None:
        """Prepare, and say how to join.

        Args:
            config: the run.
            folder: its folder, new or to be continued.
            options: what was chosen at this start.
            environment: the nodes' variables.
            screen: where to show it.
            results: what comes of it.
            act: is told what becomes of the run.
        """
        self.screen = screen
        self._config = config
        self._folder = folder
        self._options = options
        self._results = results
        self._act = act
        self._environment = environment
        words = joining_words(self._environment)
        status = f"{program()} status --run {folder.path}"
        screen.say(f"run folder: {folder.path}\njoin from another terminal: {status}, or export {words}")
        if lines := faults_in_force(options.faults, config.robot):
            screen.say("\n".join(["faults in force:", *(f"  {line}" for line in lines)]))

    def learn(self, duration_s: float, stop: StopRequest) -> None:
        """Let robot and learner live together."""
        lived_s = 0.0
        before = self._results.robot_steps

        def on_update(record: RunRecord, elapsed_s: float) -> bool:
            nonlocal lived_s
            lived_s = elapsed_s
            self._results.follow(record, elapsed_s)
            # A short life begins all the same, however long a busy machine takes to start the nodes.
            lives = record.robot_steps > before or elapsed_s > duration_s + START_UP_S
            return elapsed_s >= duration_s and lives

        record, restarts = follow(
            scenario("demo", self._config, self._folder.path, self._options),
            self._folder,
            self._environment,
            self._folder.metrics,
            title=f"{self._config.task.name}: learning live",
            duration_s=duration_s,
            screen=self.screen,
            stop=stop,
            on_update=on_update,
            act=self._act,
        )
        self._results.summary["restarts"] = restarts
        self._results.write(record, lived_s)

    def judge(self, stop: StopRequest) -> list[dict[str, Any]]:
        """Let the exported policy, if there is one, drive, frozen, from starts it has never seen.

        Returns:
            A line of metrics per episode.
        """
        if stop.requested or not self._folder.policy.exists():
            return []
        self.screen.say(
            f"now the frozen policy is judged in {EPISODES} episodes from unseen starts; Ctrl-C leaves that out"
        )
        return judge_over_graph(
            self._config,
            self._folder,
            self._environment,
            episodes=EPISODES,
            options=replace(self._options, seed=unseen_seed(self._config), video=False),
            screen=self.screen,
            stop=stop,
        )
