"""`robot-mbrl compare`: agents on tasks, several seeds each, with curves, a table, and what others have published."""

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from robot_mbrl.commands.options import AGENT_HELP, Subparsers, folder_to_fill, load_task, override, positive_count
from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.errors import ConfigError
from robot_mbrl.runs.comparison import Cell, Outcome, Plan, band, row
from robot_mbrl.runs.comparison_picture import save_picture
from robot_mbrl.runs.fleet import Fleet, Job, Processes, RayCluster
from robot_mbrl.runs.folder import write_json
from robot_mbrl.runs.peers import Peer, read_peers
from robot_mbrl.runs.progress import clock, number
from robot_mbrl.runs.supervisor import StopRequest

SEEDS, STEPS = 3, 20_000
JUDGEMENTS = 10
"""How often the frozen policies of a robot's task are judged in all, where the user does not say."""
SHARES = (0.2, 0.4, 0.6, 0.8)
"""Of the steps, where the table has returns beside the end's."""
FILE_WIDTH = 160
"""Of the table, where it is no terminal that shows it."""
PROGRESS_PERIOD_S = 2.0
"""How often the runs' summaries are looked at."""
STOPPED = 130
"""Exit code when it was stopped before all runs had ended."""


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "compare",
        help="compare agents on tasks: several seeds each, in processes at low priority",
        description="Each run is one of `robot-mbrl train`. Interrupt it as you like: called again with the same --out "
        "it goes on, and with more --steps or --seeds it adds to what is there. Returns are those of all episodes, or, "
        "of robots' tasks, of the frozen policy from unseen starts.",
    )
    parser.add_argument("--tasks", nargs="+", required=True, metavar="TASK", help="tasks, as for train")
    parser.add_argument("--agents", nargs="+", required=True, metavar="PRESET", help=AGENT_HELP)
    parser.add_argument("--seeds", type=positive_count, default=SEEDS, help="how many seeds (default %(default)s)")
    parser.add_argument(
        "--steps", type=positive_count, default=STEPS, help="control steps of each run (default %(default)s)"
    )
    parser.add_argument(
        "--out", type=folder_to_fill, required=True, metavar="DIR", help="the folder of all runs and results"
    )
    parser.add_argument("--action-repeat", type=positive_count, metavar="N", help="control steps that actions are held")
    parser.add_argument("--judge-every", type=positive_count, metavar="N", help="control steps between judgements")
    parser.add_argument("--set", dest="overrides", action="append", default=[], type=override, metavar="KEY=VALUE")
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--parallel", type=positive_count, default=cores, help="runs at a time (default: cores)")
    parser.add_argument("--cluster", choices=["ray"], help="carry the runs out on a cluster that shares the folder")
    parser.add_argument(
        "--peer", type=Path, action="append", default=[], metavar="FILE", help="published curves to draw beside"
    )
    parser.add_argument("--json", action="store_true", help="print JSON rows only")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Carry out the runs that are missing, and print what all of them add up to."""
    plan = Plan(tuple(args.tasks), tuple(args.agents), tuple(range(args.seeds)), args.steps, args.out)
    peers = [peer for path in args.peer for peer in read_peers(path, plan.tasks)]
    settings = dict(args.overrides) | ({"task.action_repeat": args.action_repeat} if args.action_repeat else {})
    fleet: Fleet = RayCluster() if args.cluster == "ray" else Processes(args.parallel)
    console = Console(stderr=True, quiet=args.json)
    with StopRequest() as stop:
        failures = carry_out(plan, settings, fleet, console, stop, judge_every=args.judge_every)
    found = outcomes(plan)
    rows = [row(plan, task, agent, runs) for (task, agent), runs in found.items() if runs]
    write_json(plan.out / "comparison.json", {"rows": rows})
    save_picture(plan, found, peers, plan.out / "curves.png")
    if args.json:
        print(json.dumps(rows, indent=2))
    else:
        _print_table(plan, rows, found, peers)
    if failures:
        raise ConfigError(f"{len(failures)} runs failed, the others are there. {'; '.join(failures)}")
    return STOPPED if stop.requested else 0


def carry_out(
    plan: Plan,
    settings: Mapping[str, Any],
    fleet: Fleet,
    console: Console,
    stop: StopRequest,
    *,
    judge_every: int | None = None,
) -> list[str]:
    """Begin the runs of a comparison that are missing, and go on with those that are not finished.

    Args:
        plan: what is compared.
        settings: overrides of every run by dotted path.
        fleet: where they are carried out.
        console: where progress is shown.
        stop: ends it when requested; called again, it goes on.
        judge_every: control steps between judgements of the frozen policies; None for a tenth of a robot's steps, and
            for none of public tasks.

    Returns:
        What the runs that failed said last.

    Raises:
        RobotMbrlError: if a task or an agent does not exist or a setting is wrong; nothing is begun then.
    """
    cells = {cell: _job(cell, plan, settings, judge_every) for cell in plan.cells()}
    missing = [job for cell, job in cells.items() if Outcome.read(cell, plan.out).steps < plan.steps]
    plan.out.mkdir(parents=True, exist_ok=True)
    with _Watch(plan, list(cells), len(cells) - len(missing), console, stop) as watch:
        fleet.run(missing, watch.finished, watch.tick)
    return watch.failures


class _Watch:
    """Shows how the runs go, and notes which fail; a context manager."""

    def __init__(self, plan: Plan, cells: Sequence[Cell], done: int, console: Console, stop: StopRequest) -> None:
        self.failures: list[str] = []
        self._plan = plan
        self._cells = cells
        self._done = done
        self._stop = stop
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[news]}"))
        self._bar = Progress(*columns, TimeRemainingColumn(), console=console)
        self._task = self._bar.add_task("control steps", total=len(cells) * plan.steps, news="")
        self._shown_s = float("-inf")

    def __enter__(self) -> "_Watch":
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._show()
        self._bar.stop()

    def finished(self, job: Job, code: int) -> None:
        """Note that a run has ended."""
        if code == 0:
            self._done += 1
        elif not self._stop.requested:
            self.failures.append(job.complaint())

    def tick(self) -> bool:
        """Show how far all runs are, if it is time; returns whether to stop."""
        if time.monotonic() - self._shown_s >= PROGRESS_PERIOD_S:
            self._shown_s = time.monotonic()
            self._show()
        return self._stop.requested

    def _show(self) -> None:
        lived = sum(min(Outcome.read(cell, self._plan.out).steps, self._plan.steps) for cell in self._cells)
        self._bar.update(self._task, completed=lived, news=f"{self._done} of {len(self._cells)} runs")


def outcomes(plan: Plan) -> dict[tuple[str, str], list[Outcome]]:
    """The finished runs of a comparison, by task and agent."""
    found: dict[tuple[str, str], list[Outcome]] = {(task, agent): [] for task in plan.tasks for agent in plan.agents}
    for cell in plan.cells():
        if (outcome := Outcome.read(cell, plan.out)).steps >= plan.steps:
            found[cell.task, cell.agent].append(outcome)
    return found


def _job(cell: Cell, plan: Plan, settings: Mapping[str, Any], judge_every: int | None) -> Job:
    folder = cell.folder(plan.out)
    # What is wrong is said before anything is begun.
    config = load_task(cell.task, {"task.agent": cell.agent, **settings}, cell.seed)
    if folder.config.is_file():
        _check_settings(folder.config, config)
        which = ["--resume"]
    else:
        chosen = [f"--set={name}={json.dumps(value)}" for name, value in settings.items()]
        which = [cell.task, f"--agent={cell.agent}", f"--seed={cell.seed}", *chosen]
    if judge_every is None and not config.task.is_public:
        judge_every = max(1, plan.steps // JUDGEMENTS)
    judging = [f"--judge-every={judge_every}"] if judge_every is not None else []
    words = [sys.executable, "-m", "robot_mbrl.cli", "train", *which, f"--run={folder.path}", f"--steps={plan.steps}"]
    name = f"{cell.task}, {cell.agent}, seed {cell.seed}"
    return Job(name, (*words, *judging, "--quiet"), folder.path.with_suffix(".log"))


def _check_settings(saved: Path, asked: RunConfig) -> None:
    """Refuse to go on with a run that learns otherwise than the others of the comparison would.

    Raises:
        ConfigError: if it does; it names the settings.
    """
    then, now = (_settings(config.model_dump(mode="json")) for config in (load_run(saved), asked))
    if then == now:
        return
    names = [name for name in sorted({*then, *now}) if then.get(name) != now.get(name)]
    changed = [f"{name} was {then.get(name)!r}, now it is {now.get(name)!r}" for name in names]
    raise ConfigError(
        f"{saved}: this run began with other settings: {'; '.join(changed)}. Choose another --out, or the settings it "
        f"began with"
    )


def _settings(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Every setting by its dotted path."""
    found: dict[str, Any] = {}
    for name, value in tree.items():
        found |= _settings(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return found


def _print_table(
    plan: Plan,
    rows: Sequence[Mapping[str, Any]],
    found: Mapping[tuple[str, str], Sequence[Outcome]],
    peers: Sequence[Peer],
) -> None:
    grid = np.array([*(share * plan.steps for share in SHARES), plan.steps])
    table = Table(box=None, pad_edge=False)
    for name in ("task", "agent", "seeds"):
        table.add_column(name, no_wrap=True)  # cut short, two agents would look alike
    for steps in grid:
        table.add_column(f"{steps:,.0f}", justify="right")
    for name in ("95% interval", "steps to solved", "wall time"):
        table.add_column(name, justify="right")
    for line in rows:
        # As the curve has it, but for the end, whose figure is the one that is printed as JSON.
        on_the_way = band(found[line["task"], line["agent"]], grid)[:-1, 0]
        table.add_row(
            *(str(line[name]) for name in ("task", "agent", "seeds")),
            *("–" if np.isnan(value) else number(float(value)) for value in on_the_way),
            number(line["return_iqm"]),
            f"{number(line['low'])} to {number(line['high'])}",
            str(line["steps_to_solved"] or "–"),
            clock(line["wall_s"]),
        )
    for peer in peers:
        values = np.interp(grid, peer.steps, peer.returns, left=np.nan, right=np.nan)
        shown = ("–" if np.isnan(value) else number(float(value)) for value in values)
        table.add_row(peer.task, f"{peer.method} (published)", "", *shown, "", "", "")
    terminal = Console()
    console = terminal if terminal.is_terminal else Console(width=FILE_WIDTH)
    console.print("return after so many control steps: interquartile mean over seeds")
    console.print(table)
    console.print(f"curves: {plan.out / 'curves.png'}", highlight=False, soft_wrap=True)
