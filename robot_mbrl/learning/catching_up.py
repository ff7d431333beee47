"""Learning from what the robot lived, and recorded, while no learner was there or its memory was lost."""

import functools
from collections.abc import Callable
from pathlib import Path

from robot_mbrl.experience.filling import fill_replay
from robot_mbrl.experience.repair import repair_folder
from robot_mbrl.learning.learner import Learner
from robot_mbrl.learning.verdicts import merge


def catch_up(learner: Learner, bags: Path, report: Callable[[str], object]) -> dict[str, str]:
    """Read what a folder of recordings has that the learner's replay lacks; no updates are owed for it.

    Args:
        learner: what learns from it.
        bags: the folder; files that were not finished are repaired in it.
        report: told what was found, in sentences.

    Returns:
        What is wrong with files, by path: those not read at all, and those that have lost something.
    """
    for repair in repair_folder(bags):
        report(f"{repair.path} was not finished: repaired, {repair.lost_bytes} bytes lost")
    only_reward = learner.config.task.reward == "feedback"
    filling = fill_replay(
        learner.replay,
        bags,
        functools.partial(learner.receive, owes=False),
        lambda late: merge([learner.replay], late, only_reward=only_reward),
    )
    for path, reason in filling.unread.items():
        report(f"{path}: {reason}")
    if filling.steps:
        report(f"caught up on {filling.steps} steps from {bags}")
    if filling.dropped:
        report(f"{filling.dropped} steps recorded in {bags} lack a part, and were left out")
    for reason, count in filling.malformed.items():
        report(f"{count} recorded messages or steps were left out: {reason}")
    return filling.unread
