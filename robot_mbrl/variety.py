"""How simulated worlds differ from what they are built as, as people choose it: `--randomise`, `--push`, `--change`."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from robot_mbrl.errors import ConfigError

CHANGES = {"friction": (0.0, 100.0), "mass": (0.05, 20.0), "strength": (0.0, 10.0), "latency_s": (0.0, 1.0)}
"""What can be changed, and within which bounds: shares of what is built, and how much later drives hear commands."""


@dataclass(frozen=True)
class Variety:
    """Whether worlds differ from episode to episode, whether robots are pushed, and what is changed in every episode.

    Attributes:
        randomise: whether each episode's world differs.
        push: whether somebody pushes the robot now and then.
        changes: names of `CHANGES` with their values, which hold whatever is drawn.
    """

    randomise: bool = False
    push: bool = False
    changes: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        """Refuse what does not exist, or twice, or is out of bounds."""
        for name, value in self.changes:
            if name not in CHANGES:
                raise ConfigError(f"change: {name!r} is none of {', '.join(CHANGES)}")
            low, high = CHANGES[name]
            if not (math.isfinite(value) and low <= value <= high):
                raise ConfigError(f"change: {name} {value:g} is not within {low:g} and {high:g}")
        if len(dict(self.changes)) < len(self.changes):
            raise ConfigError("change: a name is there twice")

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return self.randomise or self.push or bool(self.changes)

    def text(self) -> str:
        """The changes in a line, as `read_changes` reads it."""
        return " ".join(f"{name}={value:g}" for name, value in self.changes)


def read_changes(words: Iterable[str]) -> tuple[tuple[str, float], ...]:
    """Changes from words such as `mass=2`.

    Raises:
        ConfigError: if a word is not of that form.
    """
    changes = []
    for word in words:
        name, _, value = word.partition("=")
        try:
            changes.append((name, float(value)))
        except ValueError:
            raise ConfigError(f"change: {word!r} is not of the form NAME=VALUE, such as mass=2") from None
    return tuple(changes)


NONE = Variety()
"""The world as it is built, undisturbed."""
