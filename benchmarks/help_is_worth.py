"""What a person's help is worth: robot steps until a frozen policy solves the task, without it and with it.

Run it with `python -m benchmarks.help_is_worth [TASK] [--seeds 0 1 …]`. Each seed learns in one process, as with
`robot-mbrl train`, in four ways:

- `alone`: nobody helps;
- `shown`: the task's scripted expert, as a person would, shows so many episodes before learning begins; they lie in the
  run's recordings as imported ones do, owe no updates, and count as steps of the robot;
- `helped`: in as many first episodes they take over at a random moment of the first half, and drive to the end; these
  steps are experience like any other;
- `imitating`: as `helped`, and the actor imitates the person as well (`agent.cloning_scale`).

The newest policy is judged every so many steps from ten starts that the run never trains from; the mark is 8 of 10
solved. Runs lie in benchmarks/results: interrupt it and call it again as you like. Call it in two terminals with other
seeds, and once more with all of them for the table.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import RESULTS, Row, report
from robot_mbrl.commands.judging import EPISODES, judge_expert, judge_policy, unseen_seed
from robot_mbrl.commands.options import positive_count
from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.errors import ConfigError, RobotMbrlError
from robot_mbrl.experience.session import StepWriter
from robot_mbrl.learning.learner import Learner
from robot_mbrl.learning.synchronous import SynchronousTraining
from robot_mbrl.runs.comparison import SOLVED
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.runs.locking import locked
from robot_mbrl.runs.metrics import MetricsLog, read_metrics
from robot_mbrl.runs.record import RunRecord, evaluation
from robot_mbrl.runs.supervisor import StopRequest
from robot_mbrl.specs import Source
from robot_mbrl.steps import Action, Observation, Step
from sim.experts import EXPERTS, Expert
from sim.in_process import InProcessRobot

WAYS = ("alone", "shown", "helped", "imitating")
INTERRUPTED = 130
"""Exit code of a program that was interrupted."""
SHOWN_SEED = 2_000_000
"""Added to a run's seed for the starts of what is shown, which it meets nowhere else."""


class PersonBeside:
    """A robot with a person beside it, who takes over once in each of its first episodes, until it ends.

    They do it as anyone would, with a dead-man switch and a stick, and act upon what was observed a step ago.
    """

    def __init__(self, robot: InProcessRobot, expert: Expert, helped_steps: int, latest: int, seed: int) -> None:
        """Begin before the robot's first episode.

        Args:
            robot: what lives.
            expert: how the person drives.
            helped_steps: they help in episodes that begin within so many steps of the robot's life.
            latest: they take over before this step of an episode, at a random one.
            seed: of the moments.
        """
        self._robot, self._expert = robot, expert
        self._names = robot.config.action_spec().names
        self._helped_steps, self._latest, self._seed = helped_steps, latest, seed
        self.go_on(0)

    def go_on(self, lived: int) -> None:
        """Begin an episode of a robot that has lived so many steps."""
        # A guard that was just made heeds no switch before it has seen it let go.
        self._robot.take_over(None)
        self._lived, self._rng = lived, np.random.default_rng((self._seed, lived))
        self._step = 0
        self._since: int | None = None
        """Step of this episode from which they drive; None if they don't."""

    def observe(self) -> Observation:
        """See `Robot`."""
        return self._robot.observe()

    def apply(self, action: Action | None) -> Action:
        """See `Robot`; while the person drives, their action counts and not the one that is requested."""
        observation = self.observe()
        if observation.is_first:
            self._step = 0
            self._since = int(self._rng.integers(self._latest)) if self._lived < self._helped_steps else None
        if self._since is not None and self._step >= self._since:
            self._robot.take_over(None if observation.is_last else self._steered(observation))
        self._step += 1
        self._lived += 1
        return self._robot.apply(action)

    def _steered(self, observation: Observation) -> dict[str, float]:
        return dict(zip(self._names, self._expert.act(observation.values).tolist(), strict=True))


@dataclass(frozen=True)
class Plan:
    """What is tried, alike for all ways and seeds."""

    task: str
    agent: str | None
    steps: int
    judge_every: int
    episodes: int
    """That a person helps in, the first."""
    scale: float
    """Of the imitation."""

    def config(self, way: str, seed: int) -> RunConfig:
        """A run's settings."""
        overrides: dict[str, Any] = {"agent.cloning_scale": self.scale if way == "imitating" else 0.0}
        if self.agent is not None:
            overrides["task.agent"] = self.agent
        return load_run(self.task, overrides, seed)

    def next_verdict(self, record: RunRecord) -> int:
        """Step of a run's life at which its policy is to be judged next."""
        return (record.verdicts[-1]["robot_steps"] // self.judge_every + 1 if record.verdicts else 1) * self.judge_every

    def folder(self, way: str, seed: int) -> Path:
        """Where a run lies."""
        config = self.config(way, seed)
        told = {"alone": "", "imitating": f"-{self.episodes}-{self.scale:g}"}.get(way, f"-{self.episodes}")
        name = f"{config.task.name}-{Path(config.task.agent).stem}"
        return RESULTS / "help_is_worth" / name / f"{way}{told}" / f"seed{seed}"


def show(config: RunConfig, bags: Path, episodes: int, seed: int) -> None:
    """Record what a person shows before learning begins."""
    with ExitStack() as closing:
        robot = InProcessRobot(config, seed=seed + SHOWN_SEED)
        closing.callback(robot.close)
        rows = episodes * (config.task.episode_steps + 1)
        person = PersonBeside(robot, expert_of(config), helped_steps=rows, latest=1, seed=seed)
        recorder = StepWriter(bags, config.action_spec(), config.robot.name)
        closing.callback(recorder.close)
        for _ in range(rows):
            observation = person.observe()
            recorder.write(Step(observation, person.apply(None)))


def live(plan: Plan, way: str, seed: int, stop: StopRequest) -> RunRecord:
    """Carry out a run, or what is left of it, until that is done or a stop requested; returns what it comes to."""
    config, path = plan.config(way, seed), plan.folder(way, seed)
    folder = RunFolder.open(path) if path.exists() else RunFolder.create(config, path)
    record = RunRecord()
    record.take(read_metrics(folder.metrics))
    if plan.next_verdict(record) > plan.steps:
        return record
    began_s = time.monotonic()
    with ExitStack() as closing:
        closing.enter_context(locked(folder))
        robot = InProcessRobot(config, seed=seed)
        closing.callback(robot.close)
        helped_steps = plan.episodes * (config.task.episode_steps + 1) if way in ("helped", "imitating") else 0
        person = PersonBeside(robot, expert_of(config), helped_steps, config.task.episode_steps // 2, seed)
        if way == "shown" and not any(folder.bags.rglob("*.mcap")):
            show(config, folder.bags, plan.episodes, seed)
        training = SynchronousTraining(config, folder, person, print, between_updates=lambda: stop.requested)
        closing.callback(training.close)
        log = closing.enter_context(MetricsLog(folder.metrics))
        # As with `robot-mbrl train`, a resumed life goes on from other starts than those it has seen.
        robot.restart(seed + training.learner.robot_steps)
        person.go_on(training.learner.robot_steps)
        while plan.next_verdict(record) <= plan.steps and not stop.requested:
            for kind, values in next(training.run(1)):
                log.append(kind, values, training.learner.robot_steps)
            if training.learner.robot_steps < plan.next_verdict(record) or not folder.policy.exists():
                continue
            verdict = judge(config, folder, training.learner)
            log.append("verdict", verdict, training.learner.robot_steps)
            record.take([{"kind": "verdict", **verdict}])
            print(f"{way}, seed {seed}: {told(verdict)} ({time.monotonic() - began_s:.0f} s)", flush=True)
    return record


def expert_of(config: RunConfig) -> Expert:
    """How the person drives.

    Raises:
        ConfigError: if nobody knows how to drive in this task.
    """
    make_expert = EXPERTS.get(config.task.task or "")
    if make_expert is None:
        raise ConfigError(f"{config.task.name} has no scripted expert that could stand in for a person")
    return make_expert(config.robot)


def judge(config: RunConfig, folder: RunFolder, learner: Learner) -> dict[str, Any]:
    """What the newest policy is worth, and what it took."""
    replay = learner.replay
    sources = replay.read(np.arange(replay.oldest, replay.total))["source"]
    lived = {"robot_steps": learner.robot_steps, "updates": learner.updates}
    found = evaluation(judge_policy(config, folder.policy, EPISODES, unseen_seed(config)))
    return {**lived, "driven": int((sources == Source.TELEOP).sum()), **found}


def told(verdict: dict[str, Any]) -> str:
    """A verdict as a line of progress."""
    return (
        f"{verdict['robot_steps']} steps, {verdict['updates']} updates, return {verdict['mean_return']:.1f}, "
        f"{verdict['solved']} of {verdict['episodes']} solved"
    )


def row(way: str, seed: int, record: RunRecord) -> Row:
    """One run's line of the table."""
    reached = next((v["robot_steps"] for v in record.verdicts if v["solved"] >= SOLVED), "-")
    last = record.verdicts[-1]
    return {
        "way": way,
        "seed": str(seed),
        "steps to the mark": str(reached),
        "returns": " ".join(f"{v['mean_return']:.0f}" for v in record.verdicts),
        "solved": " ".join(str(v["solved"]) for v in record.verdicts),
        "steps": last["robot_steps"],
        "driven by the person": last["driven"],
        "updates": last["updates"],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, and report."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.help_is_worth",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("task", nargs="?", default="pendulum", help="task with an expert (default %(default)s)")
    parser.add_argument("--agent", help="preset of a Dreamer (default: the task's)")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS, help="which ways (default: all)")
    parser.add_argument("--seeds", type=int, nargs="+", default=range(3), help="seeds (default 0 to 2)")
    parser.add_argument("--steps", type=positive_count, default=4000, help="steps of each run (default %(default)s)")
    parser.add_argument("--judge-every", type=positive_count, default=500, help="steps (default %(default)s)")
    parser.add_argument(
        "--episodes", type=positive_count, default=10, help="episodes shown, or helped in (default %(default)s)"
    )
    parser.add_argument("--scale", type=float, default=0.3, help="agent.cloning_scale (default %(default)s)")
    args = parser.parse_args(arguments)
    plan = Plan(args.task, args.agent, args.steps, args.judge_every, args.episodes, args.scale)
    try:
        config = plan.config("alone", args.seeds[0])
        if args.steps < config.agent.prefill_steps:
            parser.error(
                f"--steps: there is no policy to judge before agent.prefill_steps, {config.agent.prefill_steps}"
            )
        with StopRequest() as stop:
            runs = [(way, seed, live(plan, way, seed, stop)) for seed in args.seeds for way in args.ways]
    except RobotMbrlError as error:
        print(error, file=sys.stderr)
        return 1
    if stop.requested:
        print("stopped: call it again to go on", file=sys.stderr)
        return INTERRUPTED
    rows = [row(way, seed, record) for way, seed, record in runs]
    report(f"help_is_worth-{config.task.name}", rows)
    print(f"the expert returns {judge_expert(config, EPISODES, unseen_seed(config)):.0f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
