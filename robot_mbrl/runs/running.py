"""The runs that have living nodes on this computer."""

from pathlib import Path

from robot_mbrl.runs.folder import RUNS, RunFolder, read_json

ROBOT_RUNS = Path("~/robot_mbrl")
"""Where robots and workstations keep runs that were given no folder: each in one that is named after its task."""


def living_nodes(folder: RunFolder) -> set[str]:
    """Names of a run's nodes that live on this computer."""
    return {name for name, pid in read_json(folder.processes).items() if Path(f"/proc/{pid}").exists()}


def running_runs(*roots: Path) -> list[RunFolder]:
    """The runs below some folders, by default below all where runs go, that have a living node: newest first."""
    found: dict[Path, float] = {}
    for root in roots or (RUNS, ROBOT_RUNS):
        for processes in _expanded(root).glob("*/processes.json"):
            # What plays a driver is no robot that anybody means to enable or to stop.
            if living_nodes(RunFolder(processes.parent)) - {"stand_in"}:
                found[processes.parent] = processes.stat().st_mtime
    return [RunFolder.open(path) for path in sorted(found, key=lambda path: found[path], reverse=True)]


def _expanded(root: Path) -> Path:
    try:
        return root.expanduser()
    except RuntimeError:
        # A service may have no home.
        return root
