"""Which recordings are kept: by size and age, and never fewer than the replay still needs."""

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from robot_mbrl.errors import ConfigError, ExperienceError
from robot_mbrl.experience.driven import FileSpan
from robot_mbrl.experience.repair import lock
from robot_mbrl.experience.replay_files import read_spans

_BYTES = {"MB": 10**6, "GB": 10**9, "TB": 10**12}
_SECONDS = {"h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}
_INDEX = "checkpoint.json"
NO_CHECKPOINT = "there is no checkpoint: all that was learned can only be learned again from it"
NOT_LEARNED = "the newest checkpoint does not hold its steps yet"
REPLAYED = "its steps are replayed"
UNREAD = "it cannot be read, so that nobody knows what is in it"
WRITTEN = "it is the newest, or is being written"


@dataclass(frozen=True)
class Keep:
    """How much is kept: so many bytes at most, and nothing older."""

    most_bytes: int | None = None
    longest_s: float | None = None

    @classmethod
    def of(cls, texts: Sequence[str]) -> Self:
        """What a person says: sizes such as 20GB, ages such as 30d.

        Raises:
            ConfigError: naming what is neither.
        """
        size: int | None = None
        age: float | None = None
        for text in texts:
            found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(MB|GB|TB|h|d|w)", text)
            if found is None:
                raise ConfigError(
                    f"--keep {text}: neither a size such as 20GB (MB, GB, TB) nor an age such as 30d (h, d, w)"
                )
            number, unit = float(found[1]), found[2]
            size, age = (round(number * _BYTES[unit]), age) if unit in _BYTES else (size, number * _SECONDS[unit])
        return cls(size, age)


def needed(files: Sequence[FileSpan], checkpoints: Path) -> dict[Path, str]:
    """Which files must stay, and why.

    Args:
        files: what each holds, in the order they were written.
        checkpoints: the run's folder of checkpoints.

    Raises:
        ExperienceError: if there is a checkpoint that cannot be read.
    """
    held = _replayed(checkpoints)
    found: dict[Path, str] = {}
    for index, file in enumerate(files):
        if file.unread:
            found[file.path] = UNREAD
        elif index == len(files) - 1 or _is_locked(file.path):
            found[file.path] = WRITTEN
        elif held is None:
            found[file.path] = NO_CHECKPOINT
        elif reason := _why_needed(file.spans, held):
            found[file.path] = reason
    return found


def superfluous(
    files: Sequence[FileSpan], stay: Mapping[Path, str], keep: Keep, now_s: float | None = None
) -> list[Path]:
    """The files to remove, oldest first.

    Args:
        files: what each holds, in the order they were written.
        stay: those that must stay.
        keep: how much is kept.
        now_s: seconds since the epoch; the present if not given.
    """
    now_s = time.time() if now_s is None else now_s
    sizes = {file.path: file.path.stat().st_size for file in files}
    left = sum(sizes.values())
    found = []
    for file in files:
        old = keep.longest_s is not None and now_s - file.written_s > keep.longest_s
        big = keep.most_bytes is not None and left > keep.most_bytes
        if file.path not in stay and (old or big):
            found.append(file.path)
            left -= sizes[file.path]
    return found


def _why_needed(spans: Mapping[str, tuple[int, int]], held: Mapping[str, tuple[int, int]]) -> str:
    for session, (_, last_ns) in spans.items():
        if session not in held or last_ns > held[session][1]:
            return NOT_LEARNED
        if last_ns >= held[session][0]:
            return REPLAYED
    return ""


def _replayed(checkpoints: Path) -> dict[str, tuple[int, int]] | None:
    """Stamps of the oldest row and of the newest step known of each session; None without a checkpoint."""
    try:
        index = json.loads((checkpoints / _INDEX).read_text(encoding="utf-8"))
        path = checkpoints / index["replay"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ExperienceError(f"{checkpoints / _INDEX} cannot be read ({error}): nothing is removed") from error
    return read_spans(path)


def _is_locked(path: Path) -> bool:
    """Whether a recorder writes it."""
    with path.open("rb") as file:
        return not lock(file)
