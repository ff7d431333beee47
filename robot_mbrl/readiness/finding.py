"""A finding: what was looked at, how it stands, and what helps."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Level(StrEnum):
    """How a finding stands."""

    GREEN = "green"
    AMBER = "amber"
    """The robot can be driven, but worse than it could be, or something could not be compared."""
    RED = "red"
    """The robot will not move, or not as its YAML says."""


EXIT_CODES = {Level.GREEN: 0, Level.AMBER: 1, Level.RED: 2}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    name: str
    """What, as a dotted path: `sources.joints.rate`."""
    level: Level
    found: str
    remedy: str = ""
    """What a person can do; empty where nothing is needed."""


def green(name: str, found: str) -> Finding:
    """All is well."""
    return Finding(name, Level.GREEN, found)


def amber(name: str, found: str, remedy: str) -> Finding:
    """The robot can be driven nevertheless."""
    return Finding(name, Level.AMBER, found, remedy)


def red(name: str, found: str, remedy: str) -> Finding:
    """This comes first."""
    return Finding(name, Level.RED, found, remedy)


def exit_code(findings: Iterable[Finding]) -> int:
    """0 if all are green, 1 if one is amber, 2 if one is red."""
    return max((EXIT_CODES[finding.level] for finding in findings), default=0)


def as_json(findings: Iterable[Finding]) -> dict[str, list[dict[str, Any]]]:
    """The findings as `robot-mbrl check --json` prints them."""
    return {"checks": [asdict(finding) | {"level": finding.level.value} for finding in findings]}
