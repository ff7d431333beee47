"""How a quadruped learned to walk: what its reward was made of, minute by minute, and when it first did what.

Run it with `python -m benchmarks.walking RUN` on the folder of a run of `a1-walk` or `go2-walk`, also of one that goes
on. It reads the recordings: what the robot has lived, with exploration, and no judgement of a frozen policy.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.report import Row, report
from robot_mbrl.commands.options import read_run
from robot_mbrl.config import RunConfig
from robot_mbrl.errors import ConfigError, RobotMbrlError
from robot_mbrl.experience.reading import StepReader
from robot_mbrl.steps import Observation
from robot_mbrl.tasks.quadruped_walk import GATE, forward_term, posture_terms

TERMS = ("upright", "abduction", "thigh", "knee", "forward", "speed m/s", "reward")
LASTS_S = 5.0
"""How long a posture or a speed must last to count."""
WALKS_M_S = 0.2
MINUTES = 5.0
"""Of one line of the table."""


def terms(observation: Observation) -> tuple[float, ...]:
    """An observation's `TERMS`."""
    values = observation.values
    return (*posture_terms(values), forward_term(values), values["speed_forward"], observation.reward)


def first_minutes(held: np.ndarray, step_s: float) -> float | None:
    """Minutes after which something has been so for `LASTS_S` on end; None if it never was.

    Args:
        held: whether it was so, (T,).
        step_s: between two of them.
    """
    needed = round(LASTS_S / step_s)
    lasted = 0
    for step, is_so in enumerate(held, 1):
        lasted = lasted + 1 if is_so else 0
        if lasted == needed:
            return step * step_s / 60.0
    return None


def milestones(lived: np.ndarray, step_s: float) -> dict[str, float | None]:
    """Minutes until the robot had rolled over, stood, and walked.

    Args:
        lived: `TERMS` of each step, (T, 7).
        step_s: between two steps.
    """
    window = round(LASTS_S / step_s)
    mean_speed = np.convolve(lived[:, TERMS.index("speed m/s")], np.ones(window) / window, "valid")
    walked = np.flatnonzero(mean_speed >= WALKS_M_S)
    return {
        "rolled over": first_minutes(lived[:, TERMS.index("upright")] > GATE, step_s),
        "stood": first_minutes(lived[:, TERMS.index("knee")] > GATE, step_s),
        "walked": (int(walked[0]) + window) * step_s / 60.0 if len(walked) else None,
    }


def rows(lived: np.ndarray, step_s: float) -> list[Row]:
    """The table: means over stretches of `MINUTES`."""
    each = round(60.0 * MINUTES / step_s)
    return [
        {
            "until minute": round(min(start + each, len(lived)) * step_s / 60.0, 1),
            **{name: float(value) for name, value in zip(TERMS, lived[start : start + each].mean(0), strict=True)},
        }
        for start in range(0, len(lived), each)
    ]


def read(config: RunConfig, bags: Path) -> np.ndarray:
    """`TERMS` of all that was recorded, (T, 7).

    Raises:
        ConfigError: if the task is another one, or nothing was recorded.
    """
    if config.task.task != "quadruped_walk":
        raise ConfigError(f"{config.task.name} is not about walking: name a run of a1-walk or go2-walk")
    reader = StepReader(config.action_spec())
    lived = [terms(step.observation) for step in reader.read(sorted(bags.rglob("*.mcap")))]
    if not lived:
        raise ConfigError(f"{bags}: nothing was recorded yet")
    return np.array(lived)


def main(arguments: Sequence[str] | None = None) -> int:
    """Read and report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.walking", description=__doc__)
    parser.add_argument("run", type=Path, metavar="RUN", help="a run's folder")
    args = parser.parse_args(arguments)
    try:
        config, folder = read_run(args.run)
        lived = read(config, folder.bags)
    except RobotMbrlError as error:
        print(f"walking: {error}", file=sys.stderr)
        return 2
    for what, minutes in milestones(lived, config.step_s).items():
        print(f"{what}: " + ("not yet" if minutes is None else f"after {minutes:.1f} minutes"))
    report("walking", rows(lived, config.step_s))
    return 0


if __name__ == "__main__":
    sys.exit(main())
