"""How well success is told from a few hundred labels: a simulated robot, a scripted person, and steps nobody labelled.

Run it with `python -m benchmarks.success_classifier [TASK]`. The robot is driven by its expert half of the time and by
random actions else. The person names a success now and then while it lasts, and is wrong in some of the labels. What
the classifier says of episodes that it never saw is compared with what the task itself measures.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.report import Row, report
from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.learning.success import LabelledSteps, fit, labelled_steps, score
from robot_mbrl.messages import NANOSECONDS
from robot_mbrl.specs import Source
from robot_mbrl.steps import Action, Step
from sim.experts import EXPERTS
from sim.in_process import InProcessRobot

LABELS = (50, 100, 300)
"""How many steps a person labels."""
WRONG = (0.0, 0.05)
"""Share of the labels that are wrong."""
EPISODES, UNSEEN = 60, 100
CLEAR_S = 1.0
SPOKEN = 0.1
"""Share of the steps of which the person says something."""


def episodes(config: RunConfig, count: int, seed: int) -> Iterator[list[Step]]:
    """Episodes in which the expert and chance take turns."""
    robot, rng = InProcessRobot(config, seed=seed), np.random.default_rng(seed)
    expert = EXPERTS[config.task.task or ""](config.robot)
    for _ in range(count):
        steps: list[Step] = []
        random = rng.uniform(-1.0, 1.0, config.action_spec().size).astype(np.float32)
        by_chance = False
        while not steps or not steps[-1].observation.is_last:
            observation = robot.observe()
            if rng.random() < 0.05:
                by_chance = rng.random() < 0.5
                random = rng.uniform(-1.0, 1.0, random.shape).astype(np.float32)
            values = random if by_chance else expert.act(observation.values)
            action = None if observation.is_last else Action(observation.key, values, Source.RANDOM)
            steps.append(Step(observation, robot.apply(action)))
        yield steps
    robot.close()


def labelled(
    lived: Sequence[Sequence[Step]], count: int, wrong: float, names: Sequence[str], seed: int
) -> LabelledSteps:
    """What is known of the first episodes once a person has said of `count` steps whether they are successes."""
    rng = np.random.default_rng(seed)
    said = []
    for step in (step for episode in lived for step in episode):
        # Not of every step: a person looks now and then.
        speaks, success = rng.random() < SPOKEN, step.observation.success ^ (rng.random() < wrong)
        observation = replace(step.observation, success=speaks and success, is_terminal=False)
        said.append(replace(step, observation=observation))
    data = labelled_steps(said, [], names, round(CLEAR_S * NANOSECONDS))
    rows = np.concatenate([_some(rng, np.flatnonzero(data.success == kind), count // 2) for kind in (True, False)])
    chosen = np.zeros(len(data.success), bool)
    chosen[rows] = True
    return data.of(chosen)


def _some(rng: np.random.Generator, rows: np.ndarray, count: int) -> np.ndarray:
    return rng.permutation(rows)[:count]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.success_classifier", description=__doc__)
    parser.add_argument("task", nargs="?", default="reacher", help="task that has an expert (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the classifier of the most labels, none wrong")
    args = parser.parse_args(arguments)
    config = load_run(args.task)
    names = config.observation_spec().element_names
    lived = list(episodes(config, EPISODES, args.seed))
    unseen = [step for episode in episodes(config, UNSEEN, args.seed + 1_000_000) for step in episode]
    truth = LabelledSteps(
        tuple(names),
        np.array([[step.observation.values[name] for name in names] for step in unseen]),
        np.array([step.observation.success for step in unseen]),
        np.zeros(len(unseen), np.int64),
    )
    rows: list[Row] = []
    for count in LABELS:
        for wrong in WRONG:
            data = labelled(lived, count, wrong, names, args.seed)
            classifier = fit(data, threshold=0.5, seed=args.seed)
            if args.out is not None and (count, wrong) == (LABELS[-1], WRONG[0]):
                classifier.save(args.out)
            found = score(classifier, truth)
            rows.append(
                {
                    "labels": len(data.success),
                    "wrong": f"{wrong:.0%}",
                    "precision": found.precision or 0.0,
                    "recall": found.recall or 0.0,
                }
            )
    report(f"success_classifier-{config.task.name}", rows)
    print(f"of {len(unseen)} steps that nobody labelled, {int(truth.success.sum())} are successes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
