"""`robot-mbrl sessions RUN`: what was done to a run, who drove for how long, what stopped it, and what is kept."""

import argparse
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from robot_mbrl.commands.options import Subparsers, add_json, add_run_folder, read_run
from robot_mbrl.config import RunConfig
from robot_mbrl.runs.journal import Entry, noted, read_journal
from robot_mbrl.specs import Source

IMPORTS = "imports"


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "sessions",
        help="list what was done to a run, who drove for how long, and what stopped it",
        description="Reads the run's journal and recordings. With --keep, recordings are removed, oldest first, but "
        "never one that the replay still needs.",
    )
    add_run_folder(parser)
    parser.add_argument(
        "--keep",
        action="append",
        default=[],
        metavar="SIZE|AGE",
        help="remove recordings until no more than this is left, such as 20GB or 30d; may be repeated",
    )
    parser.add_argument("--dry-run", action="store_true", help="with --keep: tell what would be removed")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the list, and remove what is not to be kept."""
    # Not at the top: the command line must start without the readers of recordings, which are an extra.
    from robot_mbrl.experience.driven import FileSpan, SessionsReader
    from robot_mbrl.experience.folder import own_sessions
    from robot_mbrl.experience.keeping import Keep, needed, superfluous

    config, folder = read_run(args.folder)
    keep = Keep.of(args.keep)
    reader = SessionsReader()
    imported = own_sessions(folder.bags / IMPORTS)
    reader.read([*imported, *own_sessions(folder.bags)])
    stay = needed(reader.files, folder.checkpoints)
    gone = superfluous(reader.files, stay, keep)

    def told_of(file: FileSpan) -> dict[str, Any]:
        size = file.path.stat().st_size
        when = {"began": _time(file.began_ns), "ended": _time(file.ended_ns)}
        return {"path": str(file.path), "bytes": size, **when, "needed": stay.get(file.path, ""), "unread": file.unread}

    names = {name for file in reader.files if file.path in imported for name in file.spans}
    sessions = [_session(driven, config, imported=driven.session in names) for driven in reader.sessions.values()]
    report = {
        "run": str(folder.path),
        "task": config.task.name,
        "acts": [vars(entry) for entry in read_journal(folder.journal)],
        "sessions": sessions,
        "files": [told_of(file) for file in reader.files],
        "removed": [str(path) for path in gone],
    }
    if gone and not args.dry_run:
        with noted(folder, "sessions --keep", args):
            for path in gone:
                path.unlink()
    print(json.dumps(report, indent=2) if args.json else "\n".join(_lines(report, dry_run=args.dry_run)))
    return int(any(session["unmarked"] for session in sessions))


def _session(driven: Any, config: RunConfig, *, imported: bool) -> dict[str, Any]:
    step_s = config.step_s
    minutes = driven.minutes(step_s)
    return {
        "session": driven.session,
        "robot": driven.robot,
        "imported": imported,
        "began": _time(driven.began_ns),
        "ended": _time(driven.ended_ns),
        "steps": driven.steps,
        "minutes": round(minutes, 2),
        "episodes": driven.episodes,
        "evaluated": driven.evaluated,
        "successes": driven.successes,
        "reward": round(driven.reward, 3),
        "sources": {
            source.name.lower(): {
                "steps": driven.sources[source.name.lower()],
                "minutes": round(driven.minutes(step_s, source), 2),
            }
            for source in Source
            if driven.sources[source.name.lower()]
        },
        "takeovers": driven.takeovers,
        "interventions_per_min": round(driven.takeovers / minutes, 3) if minutes else 0.0,
        "guard": dict(+driven.guard),
        "stops": dict(driven.stops),
        "unmarked": driven.is_unmarked,
    }


def _time(time_ns: int) -> str | None:
    """ISO 8601 in UTC; None for what never was, or was in simulated time."""
    # Not at the top: see `run`.
    from robot_mbrl.experience.driven import CALENDAR_NS

    return datetime.fromtimestamp(time_ns / 1e9, UTC).isoformat(timespec="seconds") if time_ns >= CALENDAR_NS else None


def _lines(report: dict[str, Any], *, dry_run: bool) -> list[str]:
    lines = [f"{report['run']}: {report['task']}", "", "what was done to it"]
    lines += [f"  {_act(Entry(**entry))}" for entry in report["acts"]] or ["  nothing that its journal tells"]
    lines += ["", "sessions"]
    for told in report["sessions"]:
        drove = ", ".join(f"{name} {by['minutes']:g} min" for name, by in told["sources"].items())
        began = told["began"] or "in simulated time"
        imported = ", imported" if told["imported"] else ""
        who = drove or "nobody drove"
        lines.append(f"  {told['session']}, {began}{imported}: {told['episodes']} episodes; {who}")
        if told["takeovers"]:
            lines.append(f"    {told['takeovers']} takeovers, {told['interventions_per_min']:g} a minute")
        if told["unmarked"]:
            lines.append(
                "    a person acted, as its guard has said, and no step is marked as theirs: do not learn from it"
            )
        lines += [f"    {what}: {_counts(told[name])}" for name, what in _COUNTED if told[name]]
    if not report["sessions"]:
        lines.append("  none was recorded")
    whole = sum(file["bytes"] for file in report["files"])
    still = sum(file["bytes"] for file in report["files"] if file["needed"])
    lines += ["", f"{len(report['files'])} recordings, {whole / 1e6:.1f} MB, {still / 1e6:.1f} MB of them still needed"]
    lines += [f"  {'would be removed' if dry_run else 'removed'}: {path}" for path in report["removed"]]
    return lines


_COUNTED: Sequence[tuple[str, str]] = (("stops", "stopped by"), ("guard", "the guard stepped in"))


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _act(entry: Entry) -> str:
    settings = " ".join(f"{name}={value}" for name, value in entry.settings.items() if name != "folder")
    return f"{entry.began} {entry.what} ({settings}): {entry.how}"
