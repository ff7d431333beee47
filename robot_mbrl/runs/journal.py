"""A run's journal: which command was used on it, when, with which settings, and how that ended.

One JSON object per line, two per command. A command that was killed leaves the first only.
"""

import argparse
import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.runs.notifying import BROKE, LEARNED, STOPPED, Notifier
from robot_mbrl.runs.record import RunRecord

_STANDS = re.compile(r"robot: (latched: .+|disabled: .+)")
"""A line of the console by which the robot stands until a person does something. One disabled at its start tells no
reason."""
_SHOWN = ("quiet", "json")
"""Options that only say how a command tells of what it does."""
INTERRUPTED, DONE = "interrupted", "done"
UNKNOWN = "unknown: it was killed, or goes on"


class Act:
    """What is done to a run now; whoever follows it says how it goes.

    Attributes:
        ended: how it ended, as the journal says.
    """

    def __init__(self, name: str, notifier: Notifier) -> None:
        """Begin.

        Args:
            name: the command.
            notifier: told when it ends, when the robot has learned, and when something breaks.
        """
        self.ended = DONE
        self._name, self._notifier = name, notifier
        self._learned = False
        # Episodes that were solved before this began, which is no news.
        self._solved: int | None = None
        self._failing: frozenset[str] = frozenset()

    def follow(self, record: RunRecord | None, failing: Sequence[str]) -> None:
        """Tell what is new: the first episode that a policy solved while it was judged, and nodes that keep dying.

        Call it once before anything has happened, too.

        Args:
            record: what the metrics add up to; None where there are none.
            failing: names of the nodes that die again and again.
        """
        if record is not None and not self._learned:
            solved = sum(bool(e.get("solved")) for e in record.episodes if e.get("mode") == "evaluate")
            self._solved = solved if self._solved is None else self._solved
            if solved > self._solved:
                self._learned = True
                self._notifier.tell(LEARNED, f"solved an evaluated episode after {record.robot_steps} steps")
        for node in frozenset(failing) - self._failing:
            self._notifier.tell(BROKE, f"the {node} node dies again and again")
        self._failing = frozenset(failing)

    def hear(self, line: str) -> None:
        """Tell of a robot that a person must help: what its console says when it is latched or was disabled."""
        if found := _STANDS.search(line):
            self._notifier.tell(STOPPED, found[1])

    def end(self, error: BaseException | None) -> None:
        """Tell how it ended."""
        if error is None or isinstance(error, KeyboardInterrupt):
            self.ended = self.ended if error is None else INTERRUPTED
            self._notifier.tell(STOPPED, f"{self._name} ended: {self.ended}")
            return
        self.ended = f"failed: {' '.join(str(error).split()) or type(error).__name__}"
        self._notifier.tell(BROKE, f"{self._name} {self.ended}")


@contextmanager
def noted(folder: RunFolder, name: str, args: argparse.Namespace) -> Iterator[Act]:
    """Keep a journal of a command while the block lasts, and notify whoever asked for it.

    Args:
        folder: the run's.
        name: the command.
        args: its options; `notify` is the command to run when the run stops, learns or breaks.
    """
    key = secrets.token_hex(4)
    act = Act(name, Notifier(getattr(args, "notify", None), folder))
    _append(folder.journal, {"id": key, "what": name, "began": _now(), "settings": settings_of(args)})
    try:
        yield act
    except BaseException as error:  # Ctrl-C is an end, too; whatever it is goes on from here.
        act.end(error)
        raise
    else:
        act.end(None)
    finally:
        _append(folder.journal, {"id": key, "ended": _now(), "how": act.ended})


def settings_of(args: argparse.Namespace) -> dict[str, Any]:
    """The options that were given, as JSON has them."""
    own = {name: value for name, value in vars(args).items() if not callable(value)}
    chosen = {name: value for name, value in own.items() if value not in (None, False, "", []) and name not in _SHOWN}
    return {name: json.loads(json.dumps(value, default=str)) for name, value in chosen.items()}


@dataclass(frozen=True)
class Entry:
    """A command that was used on a run."""

    what: str
    began: str
    """When, ISO 8601 in UTC."""
    ended: str | None = None
    how: str = UNKNOWN
    settings: Mapping[str, Any] = field(default_factory=dict)


def read_journal(path: Path) -> list[Entry]:
    """The commands that were used on a run, in the order they began; lines that cannot be read are left out."""
    begun: dict[str, dict[str, Any]] = {}
    # As bytes: what a disk has damaged costs the lines it is in, not the others.
    for line in path.read_bytes().splitlines() if path.is_file() else ():
        try:
            told = json.loads(line)
            begun.setdefault(told.pop("id"), {}).update(told)
        except (ValueError, KeyError, AttributeError, TypeError):
            continue  # Torn by a crash, or damaged.
    return [
        Entry(**told)
        for told in begun.values()
        if {"what", "began"} <= told.keys() <= Entry.__annotations__.keys()
        and isinstance(told.get("settings", {}), Mapping)
    ]


def _append(path: Path, line: Mapping[str, Any]) -> None:
    """Add a line, whole also where several processes do at once."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, (json.dumps(line) + "\n").encode())
    finally:
        os.close(descriptor)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
