"""What `demo` and `train` leave behind and tell: the run's summary, its learning curve, and the verdict in words."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console

from robot_mbrl.commands.judging import EPISODES, judge_expert, unseen_seed
from robot_mbrl.commands.options import program
from robot_mbrl.commands.several import conclude_each, tell_each
from robot_mbrl.config import RunConfig
from robot_mbrl.runs.curve import save_curve
from robot_mbrl.runs.folder import RunFolder, write_json
from robot_mbrl.runs.metrics import read_metrics
from robot_mbrl.runs.progress import number
from robot_mbrl.runs.record import RunRecord, evaluation

SUMMARY_PERIOD_S = 15.0
"""How often the summary is written while the run goes on, so that a crash costs little of it."""


class Results:
    """The summary of a run: begun with what an earlier start left, kept up to date, and concluded.

    Attributes:
        summary: the figures of `summary.json`.
    """

    def __init__(self, config: RunConfig, folder: RunFolder, command: str, **chosen: object) -> None:
        """Begin with what is known of the run.

        Args:
            config: the run.
            folder: its folder, new or to be continued.
            command: the command that goes on with it.
            chosen: what the summary says of this start besides.
        """
        self._config = config
        self._folder = folder
        self._command = command
        before = folder.read_summary()
        self._lived_s: float = before.get("wall_s", 0.0)
        self._written_s = 0.0
        self.summary: dict[str, Any] = {
            "task": config.task.name,
            "seed": config.seed,
            **chosen,
            "evaluation": evaluation([]),
            "expert_return": before.get("expert_return"),
            "wall_s": self._lived_s,
            **self.read_record().summary(),
        }

    @property
    def robot_steps(self) -> int:
        """Steps lived in the run, by its metrics."""
        return int(self.summary["robot_steps"])

    def read_record(self) -> RunRecord:
        """What the run's metrics add up to by now."""
        record = RunRecord()
        record.take(read_metrics(self._folder.metrics))
        return record

    def follow(self, record: RunRecord, elapsed_s: float) -> None:
        """Bring the summary up to date, if it is time; see `write`."""
        if elapsed_s - self._written_s >= SUMMARY_PERIOD_S:
            self.write(record, elapsed_s)

    def lived_s(self, elapsed_s: float) -> float:
        """Seconds that the run has taken in all, by now."""
        return round(self._lived_s + elapsed_s, 1)

    def write(self, record: RunRecord, elapsed_s: float) -> None:
        """Bring the summary up to date.

        Args:
            record: what the metrics add up to.
            elapsed_s: seconds since this start.
        """
        self._written_s = elapsed_s
        self.summary |= record.summary()
        self.summary["wall_s"] = self.lived_s(elapsed_s)
        write_json(self._folder.summary, self.summary)

    def conclude(self, judged: Sequence[dict[str, Any]]) -> None:
        """Compare with the expert, write the summary and draw the curve.

        Args:
            judged: episodes that the exported policy was judged by; none if it was not.
        """
        self.summary["evaluation"] = evaluation(judged)
        if self._config.members:
            before = self._folder.read_summary().get("tasks", {})
            episodes = self.read_record().episodes
            self.summary["tasks"] = conclude_each(self._config, self._folder, judged, episodes, before)
            write_json(self._folder.summary, self.summary)
            return
        if self.summary["expert_return"] is None:
            self.summary["expert_return"] = judge_expert(self._config, EPISODES, unseen_seed(self._config))
        write_json(self._folder.summary, self.summary)
        title = f"{self._config.task.name}, seed {self._config.seed}"
        expert_return = self.summary["expert_return"]
        step_s = None if self._config.task.is_public else self._config.step_s
        save_curve(self.read_record().episodes, self._folder.curve, title, step_s, expert_return)

    def tell(self, console: Console, *, interrupted: bool) -> None:
        """Print the verdict."""
        verdict, summary = self.summary["evaluation"], self.summary
        lines = [f"lived {summary['robot_steps']} steps in {summary['wall_s'] / 60:.1f} minutes"]
        if verdict["episodes"] and self._config.members:
            lines += tell_each(self._folder, summary["tasks"])
        elif verdict["episodes"] and self._config.task.is_public:
            lines.append(
                f"the frozen policy's mean return is {number(verdict['mean_return'])}, over {verdict['episodes']} "
                f"episodes from starts it never trained on"
            )
        elif verdict["episodes"]:
            lines.append(
                f"the frozen policy solved {verdict['solved']} of {verdict['episodes']} episodes from starts it never "
                f"trained on; mean return {number(verdict['mean_return'])}, the scripted expert's "
                f"{number(summary['expert_return'])}"
            )
        elif not interrupted:
            lines.append(f"no policy was exported yet: {_remedy(self.read_record())}")
        lines.append(f"summary: {self._folder.summary}")
        if not self._config.members:
            lines.append(f"learning curve: {self._folder.curve}")
        resume = f"{program()} {self._command} --run {self._folder.path} --resume"
        lines.append(f"go on: {resume}")
        console.print("\n".join(lines), highlight=False, soft_wrap=True)


def _remedy(record: RunRecord) -> str:
    """What to do about a run that has learned nothing."""
    if left_out := record.not_finite:
        named = ", ".join(f"{count} for their {field}" for field, count in left_out.items())
        return f"steps were left out because they were not finite ({named}); mend what gives it, or run it for longer"
    return "run it for longer"
