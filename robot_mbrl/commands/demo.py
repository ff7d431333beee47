"""`robot-mbrl demo`: a simulated robot learns live over ROS 2, and is judged at the end."""

import argparse
import os
from dataclasses import replace
from typing import Any

from rich.console import Console

from robot_mbrl.commands.graph import Screen, follow
from robot_mbrl.commands.judging import EPISODES, START_UP_S, judge_expert, judge_over_graph, unseen_seed
from robot_mbrl.commands.options import Subparsers, add_run_options, open_run
from robot_mbrl.config import RunConfig
from robot_mbrl.errors import ConfigError
from robot_mbrl.runs.curve import save_curve
from robot_mbrl.runs.environment import JOINING, node_environment
from robot_mbrl.runs.folder import RunFolder, write_json
from robot_mbrl.runs.metrics import read_metrics
from robot_mbrl.runs.progress import number
from robot_mbrl.runs.record import RunRecord, evaluation
from robot_mbrl.runs.scenario import Options, scenario
from robot_mbrl.runs.supervisor import StopRequest

SUMMARY_PERIOD_S = 15.0
"""How often the summary is written while the run goes on, so that a crash costs little of it."""


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser("demo", help="let a simulated robot learn a task live over ROS 2")
    add_run_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Learn for a while, judge the exported policy, and write the results down."""
    config, folder = open_run(args)
    if config.task.world is None:
        raise ConfigError(f"{config.task.name} exists in hardware only: start its nodes with the launch files")
    # A resumed life goes on from other starts than those it has seen.
    seed = config.seed + int(folder.read_summary().get("robot_steps", 0))
    options = Options(speed=args.speed, view=args.view, video=args.video, seed=seed)
    demo = Demo(config, folder, options, Screen(Console(), args.quiet))
    with StopRequest() as stop:
        try:
            demo.learn(60.0 * args.minutes, stop)
            demo.judge(stop)
        finally:
            demo.conclude()
    demo.tell(interrupted=stop.requested)
    return 0


class Demo:
    """One start of the demo in a run's folder."""

    def __init__(self, config: RunConfig, folder: RunFolder, options: Options, screen: Screen) -> None:
        """Prepare, and say how to join.

        Args:
            config: the run.
            folder: its folder, new or to be continued.
            options: what was chosen at this start.
            screen: where to show it.
        """
        self._config = config
        self._folder = folder
        self._options = options
        self._screen = screen
        self._environment = node_environment(os.environ)
        before, record = folder.read_summary(), RunRecord()
        record.take(read_metrics(folder.metrics))
        self._lived_s: float = before.get("wall_s", 0.0)
        self._summary: dict[str, Any] = {
            "task": config.task.name,
            "seed": config.seed,
            "speed": options.speed,
            "evaluation": {"episodes": 0, "solved": 0, "mean_return": None},
            "expert_return": before.get("expert_return"),
            "wall_s": self._lived_s,
            **record.summary(),
        }
        joining = " ".join(f"{name}={self._environment[name]}" for name in JOINING)
        screen.say(f"run folder: {folder.path}\njoin from another terminal: robot-mbrl status, or export {joining}")

    def learn(self, duration_s: float, stop: StopRequest) -> None:
        """Let robot and learner live together."""
        written_s = lived_s = 0.0
        before = self._summary["robot_steps"]

        def on_update(record: RunRecord, elapsed_s: float) -> bool:
            nonlocal written_s, lived_s
            lived_s = elapsed_s
            if elapsed_s - written_s >= SUMMARY_PERIOD_S:
                written_s = elapsed_s
                self._write(record, elapsed_s)
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
            screen=self._screen,
            stop=stop,
            on_update=on_update,
        )
        self._summary["restarts"] = restarts
        self._write(record, lived_s)

    def judge(self, stop: StopRequest) -> None:
        """Let the exported policy drive, frozen, from starts it has never seen."""
        if stop.requested or not self._folder.policy.exists():
            return
        episodes = judge_over_graph(
            self._config,
            self._folder,
            self._environment,
            episodes=EPISODES,
            options=replace(self._options, seed=unseen_seed(self._config), video=False),
            screen=self._screen,
            stop=stop,
        )
        self._summary["evaluation"] = evaluation(episodes)

    def conclude(self) -> None:
        """Compare with the expert, write the summary and draw the curve, also after a failure."""
        if self._summary["expert_return"] is None:
            self._summary["expert_return"] = judge_expert(self._config, EPISODES, unseen_seed(self._config))
        write_json(self._folder.summary, self._summary)
        record = RunRecord()
        record.take(read_metrics(self._folder.metrics))
        title = f"{self._config.task.name}, seed {self._config.seed}"
        save_curve(record.episodes, self._folder.curve, title, self._config.step_s, self._summary["expert_return"])

    def tell(self, *, interrupted: bool) -> None:
        """Print the verdict."""
        verdict, summary = self._summary["evaluation"], self._summary
        lines = [f"lived {summary['robot_steps']} steps in {summary['wall_s'] / 60:.1f} minutes"]
        if verdict["episodes"]:
            lines.append(
                f"the frozen policy solved {verdict['solved']} of {verdict['episodes']} episodes from starts it never "
                f"trained on; mean return {number(verdict['mean_return'])}, the scripted expert's "
                f"{number(summary['expert_return'])}"
            )
        elif not interrupted:
            lines.append("no policy was exported yet: run it for longer")
        lines.append(f"summary: {self._folder.summary}\nlearning curve: {self._folder.curve}")
        lines.append(f"go on: robot-mbrl demo {self._config.task.name} --run {self._folder.path} --resume")
        self._screen.console.print("\n".join(lines), highlight=False, soft_wrap=True)

    def _write(self, record: RunRecord, elapsed_s: float) -> None:
        self._summary |= record.summary()
        self._summary["wall_s"] = round(self._lived_s + elapsed_s, 1)
        write_json(self._folder.summary, self._summary)
