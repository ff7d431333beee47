"""`robot-mbrl train TASK --offline`: learning from recordings alone, with no robot there."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from robot_mbrl.commands.judging import EPISODES, judge_policy, unseen_seed
from robot_mbrl.commands.options import program
from robot_mbrl.config import RunConfig
from robot_mbrl.runs.folder import RunFolder, write_json
from robot_mbrl.runs.metrics import MetricsLog
from robot_mbrl.runs.progress import number
from robot_mbrl.runs.record import evaluation
from robot_mbrl.runs.supervisor import StopRequest

SUMMARY_PERIOD_S = 15.0
"""How often the summary is written while the run goes on."""


def learn_offline(
    config: RunConfig,
    folder: RunFolder,
    sources: Sequence[Path],
    updates: int,
    console: Console,
    stop: StopRequest,
    *,
    quiet: bool,
) -> None:
    """Learn from recordings, export the policy, judge it where it can be simulated, and write the results down.

    Args:
        config: the run.
        folder: its folder, new or to be continued.
        sources: folders of runs, bags or MCAP files.
        updates: how many the run shall have in all.
        console: where to show it.
        stop: ends it when requested.
        quiet: show the result only.
    """
    # Not at the top: the command line must start without torch, which is an extra.
    from robot_mbrl.learning.held_out import LOSS, as_text
    from robot_mbrl.learning.offline import OfflineTraining

    summary = _Summary(config, folder, sources)
    training = OfflineTraining(config, folder, sources, console.log if not quiet else lambda _: None)
    news = as_text(losses := training.judge())
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[news]}"))
    bar = Progress(*columns, TimeRemainingColumn(), console=console, disable=quiet)
    task = bar.add_task(f"{config.task.name}: updates", total=updates, completed=training.learner.updates, news=news)
    try:
        with bar, MetricsLog(folder.metrics, folder.tensorboard) as log:
            for metrics in training.run(updates):
                if metrics:
                    log.append("learner", metrics, training.learner.updates)
                if LOSS in metrics:
                    losses = {name: value for name, value in metrics.items() if name.startswith(LOSS)}
                    summary.held_out.append([training.learner.updates, losses[LOSS]])
                bar.update(task, completed=training.learner.updates, news=as_text(losses))
                summary.follow(training.learner.updates, len(training.learner.replay))
                if stop.requested:
                    break
    finally:
        training.close()
        summary.write(training.learner.updates, len(training.learner.replay))
    if config.task.world is not None and folder.policy.exists() and not stop.requested:
        judged = judge_policy(config, folder.policy, EPISODES, unseen_seed(config))
        summary.values["evaluation"] = evaluation(judged)
        summary.write(training.learner.updates, len(training.learner.replay))
    _tell(config, folder, sources, summary.values, as_text(losses), console)


class _Summary:
    """`summary.json` of a run that learns offline."""

    def __init__(self, config: RunConfig, folder: RunFolder, sources: Sequence[Path]) -> None:
        before = folder.read_summary()
        self._folder = folder
        self._before_s: float = before.get("wall_s", 0.0)
        self._started_s = self._written_s = time.monotonic()
        self.held_out: list[list[float]] = before.get("held_out", [])
        self.values: dict[str, Any] = before | {
            "task": config.task.name,
            "seed": config.seed,
            "offline": [str(source) for source in sources],
            "evaluation": evaluation([]),
        }

    def follow(self, updates: int, steps: int) -> None:
        """Write it, if it is time."""
        if time.monotonic() - self._written_s >= SUMMARY_PERIOD_S:
            self.write(updates, steps)

    def write(self, updates: int, steps: int) -> None:
        """Write it."""
        self._written_s = time.monotonic()
        wall_s = round(self._before_s + self._written_s - self._started_s, 1)
        self.values |= {"updates": updates, "replay_steps": steps, "held_out": self.held_out, "wall_s": wall_s}
        write_json(self._folder.summary, self.values)


def _tell(
    config: RunConfig, folder: RunFolder, sources: Sequence[Path], summary: dict[str, Any], loss: str, console: Console
) -> None:
    verdict = summary["evaluation"]
    lines = [
        f"{summary['updates']} updates on {summary['replay_steps']} recorded steps in "
        f"{summary['wall_s'] / 60:.1f} minutes; {loss}"
    ]
    if verdict["episodes"]:
        lines.append(
            f"in simulation, the frozen policy's mean return is {number(verdict['mean_return'])} over "
            f"{verdict['episodes']} episodes, {verdict['solved']} of them solved"
        )
    if folder.policy.exists():
        lines.append(f"policy bundle: {folder.policy}")
    lines.append(f"summary: {folder.summary}")
    given = " ".join(str(source) for source in sources)
    resume = f"{program()} train --run {folder.path} --resume"
    lines.append(f"go on from the recordings: {resume} --offline {given} --updates N")
    if config.task.world is not None:
        lines.append(f"or with the simulated robot: {resume}")
    console.print("\n".join(lines), highlight=False, soft_wrap=True)
