"""A run as its folder tells it: what was learned, what stopped the robot, what went wrong, and with which versions.

Whatever is missing or damaged is said in `troubles`; all the rest is told nevertheless.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.errors import ConfigError
from robot_mbrl.runs.folder import RunFolder, read_json
from robot_mbrl.runs.locking import is_locked
from robot_mbrl.runs.metrics import read_metrics
from robot_mbrl.runs.progress import number
from robot_mbrl.runs.record import RunRecord
from robot_mbrl.runs.running import living_nodes

INTERVENTION = "intervention."
"""How the keys of the guard's counts begin, a reason each."""
COUNTERS = frozenset(
    {
        *("environment_steps", "kind", "missed_steps", "owed_updates", "paused", "policy_version", "replay_steps"),
        *("resting_steps", "robot_steps", "stopped_steps", "time", "train_ratio", "updates", "updates_in_all"),
        "updates_per_s",
    }
)
"""Of a learner's lines, what counts how far it is; all other figures are what it learns by."""
LOST = ("half_steps", "repeated_steps", "not_finite_steps", "bounded_rewards")
"""Figures of a learner that should be 0."""
LONGEST_REPORT_S = 10.0
"""The guard reports at least every five seconds: beyond this, nobody knows what the robot did."""
SAID = re.compile(r"\[(?P<level>WARN|ERROR|FATAL)\s*\] \[[^\]]*\] \[[^\]]*\]: (?P<text>.+)")
SHOWN_WARNINGS = 30
SHOWN_STATES = 100


@dataclass(frozen=True)
class Said:
    """What a node warned of."""

    node: str
    level: str
    text: str
    """As it was said last; figures in it may have been others before."""
    count: int


@dataclass(frozen=True)
class StateChange:
    """A state of the guard, as it came."""

    at_s: float
    """Since the run's first line of metrics."""
    state: str
    detail: str


class RunStory:
    """Reads a run's folder, once.

    Attributes:
        folder: the run's.
        lines: of its metrics, in order.
        record: what they add up to.
        summary: the figures of `summary.json`; empty where there are none.
        config: what the run is defined by; None where that cannot be read.
        settings: the text of `config.yaml`.
        troubles: what is missing or damaged, in sentences.
    """

    def __init__(self, folder: RunFolder) -> None:
        """Read it.

        Args:
            folder: of a run that may be running, finished, cut off or damaged.
        """
        self.folder = folder
        self.troubles: list[str] = []
        self.lines = read_metrics(folder.metrics)
        self.record = RunRecord()
        self.record.take(self.lines)
        self.summary = folder.read_summary()
        self.settings = _read_text(folder.config)
        self.config: RunConfig | None = None
        try:
            self.config = load_run(folder.config)
        except ConfigError as error:
            self.troubles.append(f"config.yaml cannot be read as a run: {' '.join(str(error).split())}")
        if not self.lines:
            self.troubles.append("there is no line of metrics: the run ended before anything was measured")
        elif not self.summary:
            self.troubles.append("there is no summary.json, or it is damaged: the figures below are from metrics.jsonl")
        if self.lines and folder.metrics.read_bytes()[-1:] != b"\n":
            self.troubles.append("the last line of metrics.jsonl is cut off")

    @property
    def task(self) -> str:
        """Name of the task."""
        return self.config.task.name if self.config is not None else str(self.summary.get("task") or "unknown task")

    @property
    def agent(self) -> str:
        """Preset of the agent."""
        return Path(self.config.task.agent).stem if self.config is not None else "unknown agent"

    @property
    def seed(self) -> int:
        """Seed of the run."""
        return int(self.summary.get("seed") or (self.config.seed if self.config is not None else 0))

    @property
    def step_s(self) -> float | None:
        """Duration of a step; None of a public task, where time means nothing, and where it is not known."""
        return None if self.config is None or self.config.task.is_public else self.config.step_s

    @property
    def control_period_s(self) -> float | None:
        """Time between two control steps, of which a step of experience may take several; None likewise."""
        return None if self.step_s is None or self.config is None else self.config.robot.period_s

    @property
    def running(self) -> bool:
        """Whether somebody goes on with it now."""
        return is_locked(self.folder) or bool(living_nodes(self.folder))

    @property
    def began(self) -> str:
        """When its first line was written, by this computer's calendar; a dash where there is none."""
        return f"{datetime.fromtimestamp(self.lines[0]['time']):%Y-%m-%d %H:%M}" if self.lines else "–"

    @property
    def state(self) -> str:
        """Whether the run goes on, and if not, how it ended, in a sentence."""
        if self.running:
            return "still running: this is how it stood when the report was written"
        if not self.lines:
            return "broken off: nothing was measured"
        if self._judged:
            return "finished, and its frozen policy was judged"
        if self.summary:
            return "ended without a verdict on a frozen policy: stopped by hand, or none had been exported"
        return "broken off: no frozen policy was judged"

    @property
    def verdict(self) -> str:
        """What was learned, in a sentence."""
        record, judged = self.record, self._judged
        expert = self.summary.get("expert_return")
        beside = f"; the scripted expert's is {number(expert)}" if expert is not None else ""
        if judged and self.config is not None and self.config.task.is_public:
            value = number(judged["mean_return"])
            return f"The frozen policy's mean return over {judged['episodes']} episodes is {value}."
        if judged:
            return (
                f"The frozen policy solved {judged['solved']} of {judged['episodes']} episodes from starts it never "
                f"trained on, with a mean return of {number(judged['mean_return'])}{beside}."
            )
        updates = int(record.learner.get("updates") or 0)
        if not updates:
            return f"Nothing was learned: no update was made in {record.robot_steps} steps."
        if not record.episodes:
            return f"No episode was finished in {record.robot_steps} steps and {updates} updates."
        newest = number(record.summary()["mean_return_last5"])
        return (
            f"After {record.robot_steps} steps and {updates} updates the newest episodes return {newest} on average"
            f"{beside}; no frozen policy was judged."
        )

    @property
    def _judged(self) -> dict[str, Any]:
        """The verdict on the frozen policy; empty where there is none."""
        found = self.summary.get("evaluation")
        return found if isinstance(found, dict) and found.get("episodes") else {}

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        """The lines of one kind."""
        return [line for line in self.lines if line["kind"] == kind]

    @cached_property
    def interventions(self) -> dict[str, int]:
        """How often the guard had to act, by reason, most often first, also where it was started anew."""
        reports = self.of_kind("guard")
        names = {name for report in reports for name in report if name.startswith(INTERVENTION)}
        counts = {name.removeprefix(INTERVENTION): total(r.get(name, 0) for r in reports) for name in names}
        return dict(sorted(((n, c) for n, c in counts.items() if c), key=lambda pair: (-pair[1], pair[0])))

    @cached_property
    def states(self) -> list[StateChange]:
        """The newest changes of the guard's state, each with its reason."""
        changes: list[StateChange] = []
        for report in self.of_kind("guard"):
            state = str(report.get("state") or "")
            if state and (not changes or changes[-1].state != state):
                changes.append(StateChange(report["time"] - self.lines[0]["time"], state, report.get("detail") or ""))
        return changes[-SHOWN_STATES:]

    @cached_property
    def seconds_by_state(self) -> dict[str, float]:
        """How long the robot was in each state, the longest first; silence of the guard is `unknown`."""
        seconds: Counter[str] = Counter()
        for before, after in pairwise(self.of_kind("guard")):
            passed_s = after["time"] - before["time"]
            seconds[str(before.get("state") or "unknown") if passed_s <= LONGEST_REPORT_S else "unknown"] += passed_s
        return dict(seconds.most_common())

    @cached_property
    def faults(self) -> list[str]:
        """What went wrong, or was made to, in sentences."""
        found = [f"in force from the start: {fault}" for fault in self.summary.get("faults") or ()]
        restarts = self.summary.get("restarts") or {}
        found += [f"the {node} node was started anew {times} times" for node, times in restarts.items() if times]
        learner = self.record.learner
        found += [f"{name.replace('_', ' ')}: {learner[name]:.0f}" for name in LOST if learner.get(name)]
        found += [
            f"{count} steps left out for their {field}" for field, count in self.record.not_finite.items() if count
        ]
        left_out = sum(bool(line.get("left_out")) for line in self.of_kind("learner"))
        if left_out:
            found.append(f"updates were left out because they were not finite, in {left_out} reports of the learner")
        if self.record.missed_steps:
            found.append(f"{self.record.missed_steps} steps whose action came too late")
        if self.record.stopped_steps:
            found.append(f"{self.record.stopped_steps} steps in a safe stop")
        return found

    @cached_property
    def warnings(self) -> list[Said]:
        """What the nodes warned of in their logs, most often first; what differs by figures only counts as the same."""
        counts: Counter[tuple[str, str, str]] = Counter()
        newest: dict[tuple[str, str, str], str] = {}
        for path in sorted(self.folder.logs.glob("*.log")):
            for said in map(SAID.match, _read_text(path).splitlines()):
                if said is not None:
                    key = (path.stem, said["level"], re.sub(r"\d+", "#", said["text"]))
                    counts[key] += 1
                    newest[key] = said["text"]
        return [
            Said(node, level, newest[node, level, text], count)
            for (node, level, text), count in counts.most_common(SHOWN_WARNINGS)
        ]

    @cached_property
    def versions(self) -> dict[str, str]:
        """What the run was made with, as it was noted when it began; empty of runs from before that was."""
        return {name: str(version) for name, version in read_json(self.folder.versions).items()}

    def learned_by(self) -> list[str]:
        """Names of the learner's figures that are no counters, in the order in which they came."""
        names: dict[str, None] = {}
        for line in self.of_kind("learner"):
            names.update(dict.fromkeys(name for name in line if name not in COUNTERS and not name.startswith(LOST)))
        return list(names)


def total(counts: Iterable[float]) -> int:
    """What a counter has counted in all that begins anew, at 0, with each process that keeps it."""
    values: Sequence[float] = [0.0, *counts]
    return round(sum(after - before if after >= before else after for before, after in pairwise(values)))


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
