"""How long learning takes: control steps and seconds until a frozen policy solves the task, for several seeds.

Run it with `python -m benchmarks.to_the_mark [TASK] [--seeds 0 1 …]`. It is a comparison (`robot-mbrl compare`) of one
agent: each seed is a run in one process, whose newest exported policy is judged every so many steps from ten starts
that the run never trains from. Interrupt it and call it again as you like. The curves of all seeds are drawn beside the
table.
"""

import argparse
import os
import statistics
import sys
from collections.abc import Sequence

from rich.console import Console

from benchmarks.curves import Curve, draw
from benchmarks.report import RESULTS, Row, report
from robot_mbrl.commands.compare import carry_out, outcomes
from robot_mbrl.commands.judging import EPISODES, judge_expert, unseen_seed
from robot_mbrl.config import load_run
from robot_mbrl.runs.comparison import SOLVED, Outcome, Plan
from robot_mbrl.runs.fleet import Processes
from robot_mbrl.runs.supervisor import StopRequest

STEPS, JUDGE_EVERY = 10_000, 1_000


def row(outcome: Outcome) -> Row:
    """One seed's line of the table; dashes where nothing was judged, since there was no policy yet."""
    verdicts = outcome.summary["verdicts"]
    reached = next((v for v in verdicts if v["solved"] >= SOLVED), None)
    last = verdicts[-1] if verdicts else None
    return {
        "task": outcome.cell.task,
        "seed": str(outcome.cell.seed),
        "steps to the mark": str(reached["environment_steps"]) if reached else "-",
        "learning s to the mark": f"{reached['learning_s']:.0f}" if reached else "-",
        "solved at the end": f"{last['solved']} of {last['episodes']}" if last else "-",
        "return at the end": last["mean_return"] if last else "-",
        "steps": outcome.steps,
        "updates": outcome.summary["updates"],
        "learning s": last["learning_s"] if last else "-",
    }


def curves(found: Sequence[Outcome], period_s: float) -> list[Curve]:
    """Mean return of each seed's verdicts over the minutes the robot has lived."""
    return [
        Curve(
            f"seed {outcome.cell.seed}",
            [steps * period_s / 60.0 for steps, _ in outcome.points],
            [value for _, value in outcome.points],
        )
        for outcome in found
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, report and draw."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.to_the_mark", description=__doc__)
    parser.add_argument("task", nargs="?", default="cartpole", help="task (default %(default)s)")
    parser.add_argument("--agent", help="preset (default: the task's)")
    parser.add_argument("--seeds", type=int, nargs="+", default=range(8), help="seeds (default 0 to 7)")
    parser.add_argument("--steps", type=int, default=STEPS, help="control steps of each run (default %(default)s)")
    parser.add_argument("--judge-every", type=int, default=JUDGE_EVERY, help="steps (default %(default)s)")
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--parallel", type=int, default=cores, help="runs at a time (default: cores)")
    args = parser.parse_args(arguments)
    if args.judge_every > args.steps:
        parser.error(f"--judge-every {args.judge_every} is more than --steps {args.steps}: nothing would be judged")
    config = load_run(args.task)
    agent = args.agent or config.task.agent
    plan = Plan((args.task,), (agent,), tuple(args.seeds), args.steps, RESULTS / "to_the_mark")
    with StopRequest() as stop:
        failures = carry_out(
            plan, {}, Processes(args.parallel), Console(stderr=True), stop, judge_every=args.judge_every
        )
    found = outcomes(plan)[args.task, agent]
    if failures or not found:
        print("; ".join(failures) or "no run is finished: call it again to go on", file=sys.stderr)
        return 1
    rows = [row(outcome) for outcome in found]
    reached = [int(r["steps to the mark"]) for r in rows if r["steps to the mark"] != "-"]
    name = config.task.name
    report(f"to_the_mark-{name}", rows)
    print(f"{len(reached)} of {len(rows)} seeds reached the mark", end="")
    print(f"; median {statistics.median(reached):.0f} steps" if reached else "")
    judged = [outcome for outcome in found if outcome.summary["verdicts"]]
    if not judged:
        print("no policy was there to be judged: give it more --steps than agent.prefill_steps")
        return 0
    seeds = f"seed {args.seeds[0]}" if len(judged) == 1 else f"{len(judged)} seeds"
    title = f"{name}, {seeds} in one process: frozen policy, {EPISODES} unseen starts"
    picture = RESULTS / f"to_the_mark-{name}.png"
    draw(curves(judged, config.robot.period_s), picture, title, judge_expert(config, EPISODES, unseen_seed(config)))
    print(f"curves: {picture}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
