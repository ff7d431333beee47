"""How long learning takes: robot steps and seconds until a frozen policy solves the task, for several seeds.

Run it with `python -m benchmarks.to_the_mark [TASK] [--seeds 0 1 …]`. Each seed is a run in one process, as `robot-mbrl
train` makes it; every so many steps its newest exported policy is judged from ten starts that the run never trains
from. Runs that are finished are not run again, and unfinished ones are gone on with: interrupt it and call it again as
you like. The curves of all seeds are drawn beside the table.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.curves import Curve, draw
from benchmarks.report import RESULTS, Row, report
from robot_mbrl.commands.judging import EPISODES, judge_expert, judge_policy, unseen_seed
from robot_mbrl.config import load_run
from robot_mbrl.runs.folder import RunFolder, read_json, write_json
from robot_mbrl.runs.record import evaluation

SOLVED = 8
"""Of ten episodes: the mark."""
STEPS, JUDGE_EVERY = 10_000, 1_000
PROGRESS = "progress.json"
"""In a run's folder: the time it took so far and its verdicts, for a run that is gone on with."""
NOTED_EVERY = 100
"""Steps between two writings of it."""


def learn(task: str, seed: int, steps: int, judge_every: int, result: Path) -> None:
    """One run, begun or gone on with, judged on the way; writes what came of it."""
    # Not at the top: only the processes that learn need torch and PyBullet.
    from robot_mbrl.learning.synchronous import SynchronousTraining
    from sim.in_process import InProcessRobot

    path = result.with_suffix("")
    folder = RunFolder.open(path) if path.exists() else RunFolder.create(load_run(task, seed=seed), path)
    config = load_run(folder.path)
    progress = read_json(path / PROGRESS) or {"learning_s": 0.0, "verdicts": [], "starts": 0}
    # A run that was killed goes on from its last checkpoint: updates made since are lost, steps are not.
    progress["starts"] += 1
    robot = InProcessRobot(config, seed=seed)
    training = SynchronousTraining(config, folder, robot)
    before = training.learner.robot_steps
    robot.restart(seed + before)
    learning_s, started_s = progress["learning_s"], time.perf_counter()
    write_json(path / PROGRESS, progress)
    for lived, _ in enumerate(training.run(steps - before), before + 1):
        if lived % judge_every == 0 and folder.policy.exists():
            learning_s += time.perf_counter() - started_s
            verdict = evaluation(judge_policy(config, folder.policy, EPISODES, unseen_seed(config)))
            so_far = {"robot_steps": lived, "updates": training.learner.updates, "learning_s": round(learning_s, 1)}
            progress["verdicts"].append({**so_far, **verdict})
            print(f"{task}, seed {seed}: {json.dumps(progress['verdicts'][-1])}", flush=True)
            started_s = time.perf_counter()
        if lived % NOTED_EVERY == 0:
            write_json(path / PROGRESS, {**progress, "learning_s": learning_s + time.perf_counter() - started_s})
    training.close()
    robot.close()
    kept = {name: progress[name] for name in ("starts", "verdicts")}
    write_json(result, {"task": task, "seed": seed, "steps": steps, "step_s": config.step_s, **kept})


def row(result: dict[str, Any]) -> Row:
    """One seed's line of the table."""
    verdicts = result["verdicts"]
    reached = next((v for v in verdicts if v["solved"] >= SOLVED), None)
    last = verdicts[-1]
    return {
        "task": result["task"],
        "seed": str(result["seed"]),
        "steps to the mark": str(reached["robot_steps"]) if reached else "-",
        "learning s to the mark": f"{reached['learning_s']:.0f}" if reached else "-",
        "solved at the end": f"{last['solved']} of {last['episodes']}",
        "return at the end": last["mean_return"],
        "steps": last["robot_steps"],
        "updates": last["updates"],
        "starts": result["starts"],
        "learning s": last["learning_s"],
    }


def run_seeds(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Run the seeds that have no result yet, several at a time; returns all results."""
    paths = {seed: RESULTS / "to_the_mark" / f"{args.task}-{args.steps}-seed{seed}.json" for seed in args.seeds}
    missing = {seed: path for seed, path in paths.items() if not path.exists()}
    with ProcessPoolExecutor(args.parallel, mp_context=get_context("spawn")) as pool:
        futures = [
            pool.submit(learn, args.task, seed, args.steps, args.judge_every, path) for seed, path in missing.items()
        ]
        for future in as_completed(futures):
            future.result()
    return [json.loads(path.read_text()) for path in paths.values()]


def curves(results: Sequence[dict[str, Any]]) -> list[Curve]:
    """Mean return of each seed's verdicts over the minutes the robot has lived."""
    return [
        Curve(
            f"seed {result['seed']}",
            [v["robot_steps"] * result["step_s"] / 60.0 for v in result["verdicts"]],
            [v["mean_return"] for v in result["verdicts"]],
        )
        for result in results
    ]


def main() -> int:
    """Run, report and draw."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.to_the_mark", description=__doc__)
    parser.add_argument("task", nargs="?", default="cartpole", help="task (default %(default)s)")
    parser.add_argument("--seeds", type=int, nargs="+", default=range(8), help="seeds (default 0 to 7)")
    parser.add_argument("--steps", type=int, default=STEPS, help="robot steps of each run (default %(default)s)")
    parser.add_argument("--judge-every", type=int, default=JUDGE_EVERY, help="steps (default %(default)s)")
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--parallel", type=int, default=cores, help="runs at a time (default: cores)")
    args = parser.parse_args()
    if args.judge_every > args.steps:
        parser.error(f"--judge-every {args.judge_every} is more than --steps {args.steps}: nothing would be judged")
    results = run_seeds(args)
    rows = [row(result) for result in results]
    reached = [int(r["steps to the mark"]) for r in rows if r["steps to the mark"] != "-"]
    report(f"to_the_mark-{args.task}", rows)
    print(f"{len(reached)} of {len(rows)} seeds reached the mark", end="")
    print(f"; median {statistics.median(reached):.0f} steps" if reached else "")
    config = load_run(args.task)
    seeds = f"seed {results[0]['seed']}" if len(results) == 1 else f"{len(results)} seeds"
    title = f"{args.task}, {seeds} in one process: frozen policy, {EPISODES} unseen starts"
    picture = RESULTS / f"to_the_mark-{args.task}.png"
    draw(curves(results), picture, title, judge_expert(config, EPISODES, unseen_seed(config)))
    print(f"curves: {picture}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
