"""Two tasks of one robot that want opposite actions: whoever does not know which it is earns nothing."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import yaml

from robot_mbrl.tasks import Judgement


class LeanLeft:
    """Rewards a rod that hangs to the left, as far as its motor can lift it."""

    reads: ClassVar[tuple[str, ...]] = ("angle_sin",)
    side: ClassVar[float] = 1.0

    def reset(self) -> None:
        """Nothing is remembered between steps."""

    def judge(self, values: Mapping[str, float]) -> Judgement:
        """Judge by where the rod is."""
        return Judgement(reward=self.side * values["angle_sin"])


class LeanRight(LeanLeft):
    """The same to the right."""

    side: ClassVar[float] = -1.0


def write_tasks(folder: Path, episode_steps: int) -> str:
    """Write the YAML of both; returns what a user names them by together."""
    paths = []
    for name, judge in (("left", LeanLeft), ("right", LeanRight)):
        task = {
            "name": name,
            "robot": "pendulum",
            "task": f"{__name__}:{judge.__name__}",
            "world": "pendulum",
            "observe": ["state"],
            "episode_steps": episode_steps,
        }
        paths.append(folder / f"{name}.yaml")
        paths[-1].write_text(yaml.safe_dump(task))
    return "+".join(map(str, paths))
