"""What came of importing: counts for programs, and sentences for people."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class BagReport:
    """What was found in one bag, what was missing, and what was dropped and why.

    Attributes:
        path: the bag.
        format: how it is stored.
        kind: `steps` for our own topics, `topics` for the robot's own.
        refused: why nothing of it was imported; empty if something was.
        steps: those that were imported, or would be.
        episodes: how many they make.
        dropped: ticks or messages that no step came of, by reason.
        axis: which times count, as `clocks` calls them.
        topics: what was read, by the robot's name for it: topic, type, rate and how well it keeps time.
        missing: what was not there, with its reason.
        skipped: topics that were not read, with their types.
        actions: by joint, the shares commanded beyond its range, as fast as its limit of rate and as far from it as its
            offset allows, and what follows it.
        notes: what a person should know.
        written: the file that was written; None where nothing was.
    """

    path: Path
    format: str = ""
    kind: str = "topics"
    refused: str = ""
    steps: int = 0
    episodes: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    axis: str = ""
    topics: dict[str, dict[str, Any]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    actions: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    written: Path | None = None

    def as_json(self) -> dict[str, Any]:
        """All of it, as JSON has it."""
        return {
            **{name: value for name, value in vars(self).items() if name not in ("path", "written", "dropped")},
            "path": str(self.path),
            "written": None if self.written is None else str(self.written),
            "dropped": dict(+self.dropped),
        }

    def as_text(self) -> list[str]:
        """All of it in lines for people."""
        lines = [f"{self.path} ({self.format})" if self.format else str(self.path)]
        if self.axis:
            lines.append(f"  time: {self.axis}")
        lines += [f"  {name}: {_topic(told)}" for name, told in self.topics.items()]
        lines += [f"  missing: {name}: {reason}" for name, reason in self.missing.items()]
        if self.skipped:
            lines.append(f"  not read: {', '.join(self.skipped)}")
        lines += [f"  {note}" for note in self.notes]
        lines += [f"  dropped: {count} ({reason})" for reason, count in (+self.dropped).items()]
        lines.append(
            f"  refused: {self.refused}" if self.refused else f"  {self.steps} steps, {self.episodes} episodes"
        )
        if self.written is not None:
            lines.append(f"  written: {self.written}")
        return lines


@dataclass
class ImportReport:
    """What came of all bags."""

    run: Path
    dry_run: bool
    bags: list[BagReport] = field(default_factory=list)

    @property
    def steps(self) -> int:
        """Steps that were imported, or would be."""
        return sum(bag.steps for bag in self.bags)

    @property
    def episodes(self) -> int:
        """How many episodes they make."""
        return sum(bag.episodes for bag in self.bags)

    @property
    def dropped(self) -> Counter[str]:
        """What no step came of, by reason."""
        return sum((bag.dropped for bag in self.bags), Counter())

    def as_json(self) -> dict[str, Any]:
        """All of it, as JSON has it."""
        return {
            "steps": self.steps,
            "episodes": self.episodes,
            "dropped": dict(+self.dropped),
            "run": str(self.run),
            "dry_run": self.dry_run,
            "bags": [bag.as_json() for bag in self.bags],
        }


def _topic(told: dict[str, Any]) -> str:
    parts = [f"{told['topic']}, {told['messages']} messages"]
    if told.get("rate_hz"):
        parts.append(f"{told['rate_hz']:g} Hz")
    if told.get("longest_gap_s"):
        parts.append(f"longest pause {told['longest_gap_s']:g} s")
    if told.get("offset_s") is not None:
        parts.append(
            f"arrives {told['offset_s']:+.3f} s after its stamp, 95 of 100 within {told['jitter_s']:.3f} s more"
        )
    return ", ".join(parts)
