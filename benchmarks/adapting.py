"""How long until a robot does well again once its dynamics are others: returns before, at once after, and in time.

Run it with `python -m benchmarks.adapting [TASK] [--agents PRESET …] [--change mass=2]`. Each agent learns as
`robot-mbrl train` does; after `--before` control steps its frozen policy is judged in the changed world as well, and it
goes on learning there. It is at the mark again once 8 of 10 unseen starts are solved; what return can be had there, the
task's expert tells. Interrupt it and call it again as you like.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.report import RESULTS, Row, report
from robot_mbrl.runs.comparison import SOLVED
from robot_mbrl.runs.curve import STEPS, new_picture, save
from robot_mbrl.runs.folder import RunFolder

BEFORE, AFTER, JUDGE_EVERY = 6_000, 4_000, 500
AT_ONCE = "changed.json"
COLOURS = ("#c8501e", "#3b6ea5", "#4c8c4a", "#8a5fa8")

Verdict = dict[str, Any]


class Life:
    """One agent's run: until the change, and on from it."""

    def __init__(self, folder: Path, task: str, agent: str, seed: int) -> None:
        """Take up a run, or begin it."""
        self.agent = Path(agent).stem
        self._path, self._begin = folder, ["train", task, "--agent", agent, "--seed", str(seed)]

    def live(self, before: int, after: int, judge_every: int, change: Sequence[str]) -> None:
        """Live what it has not lived yet.

        Raises:
            subprocess.CalledProcessError: if a command fails, which has said why.
        """
        changed = [word for text in change for word in ("--change", text)]
        common = ["--judge-every", str(judge_every), "--quiet"]
        if self._lived() < before:
            begin = ["train", "--resume"] if (self._path / "config.yaml").exists() else self._begin
            _cli(*begin, "--run", str(self._path), "--steps", str(before), *common)
        if not (self._path / AT_ONCE).exists():
            verdict = _cli("evaluate", str(self._path), "--json", *changed)
            (self._path / AT_ONCE).write_text(verdict)
        if self._lived() < before + after:
            steps = str(before + after)
            _cli("train", "--resume", "--run", str(self._path), "--steps", steps, *common, *changed)

    def verdicts(self) -> list[Verdict]:
        """Every judgement while it learned."""
        return list(RunFolder.open(self._path).read_summary()["verdicts"])

    def at_once(self) -> Verdict:
        """The judgement of the policy that has not lived in the changed world yet."""
        verdict: Verdict = json.loads((self._path / AT_ONCE).read_text())
        return verdict

    def _lived(self) -> int:
        if not (self._path / "config.yaml").exists():
            return 0
        return int(RunFolder.open(self._path).read_summary().get("environment_steps", 0))


def row(agent: str, verdicts: Sequence[Verdict], at_once: Verdict, before: int) -> Row:
    """An agent's line: what it was worth before, at once after and at last, and when it was at the mark again."""
    settled = [v for v in verdicts if v["environment_steps"] <= before]
    later = [v for v in verdicts if v["environment_steps"] > before]
    again = next((v["environment_steps"] - before for v in later if v["solved"] >= SOLVED), None)
    return {
        "agent": agent,
        "before": _worth(settled[-1] if settled else None),
        "at once": _worth(at_once),
        "at last": _worth(later[-1] if later else None),
        "at the mark again after steps": "never left" if at_once["solved"] >= SOLVED else str(again or "-"),
        "the expert there": _number(at_once["expert_return"]),
    }


def _worth(verdict: Verdict | None) -> str:
    if verdict is None:
        return "-"
    return f"{_number(verdict['mean_return'])}, {verdict['solved']} of {verdict['episodes']}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _cli(*words: str) -> str:
    """Run a command; returns what it printed."""
    command = [sys.executable, "-m", "robot_mbrl.cli", *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    print("$ robot-mbrl", *words, file=sys.stderr, flush=True)
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout


def _draw(lives: Sequence[Life], picture: Path, title: str, before: int) -> None:
    figure, axes = new_picture(title, None, STEPS)
    for life, colour in zip(lives, COLOURS * len(lives), strict=False):
        verdicts = life.verdicts()
        steps = [v["environment_steps"] for v in verdicts]
        axes.plot(steps, [v["mean_return"] for v in verdicts], color=colour, linewidth=2, label=life.agent)
        axes.plot([before], [life.at_once()["mean_return"]], "v", color=colour)
    axes.axvline(before, color="#888888", linestyle=":", label="the change")
    save(figure, picture)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, report and draw."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.adapting", description=__doc__)
    parser.add_argument("task", nargs="?", default="pendulum", help="task (default %(default)s)")
    parser.add_argument("--agents", nargs="+", default=["mpc-cpu"], metavar="PRESET", help="(default mpc-cpu)")
    parser.add_argument("--change", nargs="+", default=["mass=2"], metavar="NAME=VALUE", help="as of train")
    parser.add_argument("--before", type=int, default=BEFORE, help="control steps until then (default %(default)s)")
    parser.add_argument("--after", type=int, default=AFTER, help="and from then on (default %(default)s)")
    parser.add_argument("--judge-every", type=int, default=JUDGE_EVERY, help="steps (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(arguments)
    name = f"adapting-{args.task}-{'-'.join(args.change).replace('=', '')}"
    lives = []
    for agent in args.agents:
        life = Life(RESULTS / name / f"{Path(agent).stem}-{args.seed}", args.task, agent, args.seed)
        life.live(args.before, args.after, args.judge_every, args.change)
        lives.append(life)
    report(name, [row(life.agent, life.verdicts(), life.at_once(), args.before) for life in lives])
    picture = RESULTS / f"{name}.png"
    _draw(lives, picture, f"{args.task}, {' '.join(args.change)} from step {args.before} on", args.before)
    print(f"curves: {picture}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
