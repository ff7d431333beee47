"""From folders of recordings into a replay: what is new is taken, and what is not is told with its reason."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from robot_mbrl.errors import ExperienceError
from robot_mbrl.experience.cdr import read_key
from robot_mbrl.experience.folder import find_sessions, own_sessions
from robot_mbrl.experience.message_files import Survey, read_messages
from robot_mbrl.experience.reading import StepReader
from robot_mbrl.experience.records import is_closed
from robot_mbrl.experience.replay import Replay
from robot_mbrl.experience.session import LIBRARY
from robot_mbrl.labels import LateLabels
from robot_mbrl.steps import Step, StepKey

FRAGMENT = 2
"""Observations of a file that may be without the rest of their steps, which then lies in the files beside it."""
SHOWN_TOPICS = 6


@dataclass(frozen=True)
class Filling:
    """What came of reading a folder."""

    files: int
    steps: int
    """Steps that were new."""
    dropped: int
    """Steps of which only a part was recorded."""
    malformed: dict[str, int]
    """Messages that could not be read, and steps that do not fit, by reason."""
    unread: dict[str, str]
    """What is wrong with files, by path: those that are not read at all, and those of which something is lost."""


def fill_replay(
    replay: Replay,
    folder: Path,
    receive: Callable[[Step], bool] | None = None,
    label: Callable[[LateLabels], str] | None = None,
) -> Filling:
    """Append the steps of every session in a folder that a replay lacks, oldest file first.

    Nothing in the folder is an error: a run goes on without what it cannot read.

    Args:
        replay: what is filled; files it has been through already are passed over, and steps not newer than its newest
            of their session are unread but for their keys.
        folder: where the sessions lie, and bags that are folders in it; it need not exist.
        receive: takes each step and tells whether it was new; `replay.append` if not given.
        label: takes the labels of stored steps once all steps are there, and tells why nothing comes of them; they are
            left out if not given.
    """
    take = receive or replay.append
    reader = StepReader(replay.action, tuple(replay.observation.images), lambda key: _has(replay, key))
    sessions = find_sessions(folder)
    unread = dict(sessions.unread)
    unfit: Counter[str] = Counter()
    new = 0

    def offer(step: Step) -> None:
        nonlocal new
        session = step.observation.key.session
        replay.tell_robot(session, reader.robots[session])
        try:
            new += take(step)
        except ExperienceError as error:
            unfit[str(error)] += 1

    read: dict[str, int] = {}
    for path in sessions.paths:
        size = _size_if_finished(path)
        if size is not None and replay.files_read.get(str(path)) == size:
            continue
        survey = Survey()
        reader.parts.clear()
        try:
            for step in reader.read_file(path, survey):
                offer(step)
        except (ExperienceError, OSError) as error:
            unread[str(path)] = str(error).removeprefix(f"{path}: ")
            continue
        if notes := [note for note in (survey.loss, _useless(survey, reader)) if note]:
            unread[str(path)] = "; ".join(notes)
        # The last is read again next time: its last step may be completed in a file that is still to come.
        if size is not None and not sessions.is_last(path):
            read[str(path)] = size
    for step in reader.finish():
        offer(step)
    if label is not None:
        unfit += Counter(f"a label: {reason}" for late in reader.late if (reason := label(late)))
    replay.files_read |= read
    return Filling(len(sessions.paths), new, reader.dropped, dict(reader.malformed + unfit), unread)


def newest_stamps(
    folder: Path, keyed: Callable[[str], bool], enough: int, unread: dict[str, str]
) -> dict[tuple[str, str], int]:
    """Newest stamp of each (topic, session) in the newest files that lie in a folder itself, nanoseconds.

    Args:
        folder: where the sessions lie.
        keyed: tells the topics whose messages have a key.
        enough: messages of every topic found after which older files are not looked into.
        unread: is told the files that cannot be read, and why.
    """
    newest: dict[tuple[str, str], int] = {}
    counts: Counter[str] = Counter()

    def note(topic: str, beginning: bytes) -> bool:
        if keyed(topic):
            key = read_key(beginning)
            newest[topic, key.session] = max(key.stamp_ns, newest.get((topic, key.session), key.stamp_ns))
            counts[topic] += 1
        return False  # The rest of the message, which may be a picture, need not be read.

    for path in reversed(own_sessions(folder)):
        try:
            for _ in read_messages(path, note, Survey()):
                pass
        except (ExperienceError, OSError) as error:
            unread[str(path)] = str(error).removeprefix(f"{path}: ")
        if counts and min(counts.values()) >= enough:
            break
    return newest


def _useless(survey: Survey, reader: StepReader) -> str:
    """Why a file that can be read gives no steps; empty if it may give some, or is one of ours that holds none."""
    if not reader.lacking or (survey.library == LIBRARY and not reader.parts):
        return ""
    if max(reader.parts.values(), default=0) <= FRAGMENT and reader.parts:
        return ""
    has = sorted(survey.topics)[:SHOWN_TOPICS]
    return (
        f"no steps come of it: it holds nothing on …{', …'.join(reader.lacking)}, but on {', '.join(has) or 'no topic'}"
    )


def _size_if_finished(path: Path) -> int | None:
    try:
        with path.open("rb") as file:
            return path.stat().st_size if is_closed(file) else None
    except OSError:
        # Whoever reads it says so.
        return None


def _has(replay: Replay, key: StepKey) -> bool:
    newest_ns = replay.newest_ns(key.session)
    return newest_ns is not None and key.stamp_ns <= newest_ns
