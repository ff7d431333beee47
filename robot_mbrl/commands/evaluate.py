"""`robot-mbrl evaluate`: judge a run's exported policy, frozen, from starts it has never trained on."""

import argparse
import json
import os
from typing import Any

from rich.console import Console

from robot_mbrl.commands.graph import Screen
from robot_mbrl.commands.judging import EPISODES, judge_expert, judge_over_graph, judge_policy, unseen_seed
from robot_mbrl.commands.options import (
    Subparsers,
    add_json,
    add_run_folder,
    add_variety_options,
    positive,
    positive_count,
    read_run,
    seed_number,
    variety_of,
)
from robot_mbrl.config import RunConfig
from robot_mbrl.errors import ConfigError
from robot_mbrl.runs.environment import node_environment
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.runs.locking import locked
from robot_mbrl.runs.progress import number
from robot_mbrl.runs.record import evaluation
from robot_mbrl.runs.scenario import Options
from robot_mbrl.runs.supervisor import StopRequest


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser("evaluate", help="judge a run's policy and compare it with the scripted expert")
    add_run_folder(parser)
    parser.add_argument(
        "--episodes", type=positive_count, default=EPISODES, help="how many episodes (default %(default)s)"
    )
    parser.add_argument("--seed", type=seed_number, help="seed of the starts (default: one the run never trained on)")
    add_json(parser)
    parser.add_argument("--graph", action="store_true", help="over the ROS graph in real time, not in this process")
    parser.add_argument("--speed", type=positive, default=1.0, help="with --graph: simulated seconds per second")
    add_variety_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the verdict."""
    config, folder = read_run(args.folder)
    if config.members:
        own = ", ".join(str(folder.member(task.name).path) for task in config.tasks)
        raise ConfigError(f"{folder.path} has learned several tasks: evaluate one of them: {own}")
    if not folder.policy.is_file():
        raise ConfigError(f"{folder.path} has no policy.onnx yet: let the run go on until its learner exports one")
    seed = unseen_seed(config) if args.seed is None else args.seed
    verdict = evaluation(_judge(args, config, folder, seed))
    verdict["expert_return"] = judge_expert(config, args.episodes, seed, variety=variety_of(args))
    if args.json:
        print(json.dumps(verdict))
    else:
        _print_plainly(verdict)
    return 0


def _judge(args: argparse.Namespace, config: RunConfig, folder: RunFolder, seed: int) -> list[dict[str, Any]]:
    if not args.graph:
        return judge_policy(config, folder.policy, args.episodes, seed, variety=variety_of(args))
    with locked(folder), StopRequest() as stop:
        return judge_over_graph(
            config,
            folder,
            node_environment(os.environ),
            episodes=args.episodes,
            options=Options(speed=args.speed, seed=seed, variety=variety_of(args)),
            # What is printed is the verdict; with --json nothing else may be.
            screen=Screen(Console(stderr=True), quiet=args.json),
            stop=stop,
        )


def _print_plainly(verdict: dict[str, Any]) -> None:
    if not verdict["episodes"]:
        print("no episode was finished")
        return
    print(f"solved {verdict['solved']} of {verdict['episodes']} episodes")
    print(f"mean return {number(verdict['mean_return'])}, the scripted expert's {number(verdict['expert_return'])}")
