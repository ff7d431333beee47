"""Who drove a robot, for how long, and what stopped it: read from its recordings, without their pictures."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from robot_mbrl import topics
from robot_mbrl.errors import ExperienceError, MessageError
from robot_mbrl.experience.cdr import read_joint_state, read_key
from robot_mbrl.experience.message_files import RecordedMessage, Survey, read_messages
from robot_mbrl.messages import NANOSECONDS, read_named
from robot_mbrl.specs import Mode, Source
from robot_mbrl.steps import StepKey

_GUARD_REASON = "intervention."
_STOPPING = ("stopped", "latched", "disabled")
"""First words of the guard's states in which nothing moves."""
_ENDINGS = (topics.OBSERVATION, topics.APPLIED_ACTION, topics.GUARD, topics.STATE)


CALENDAR_NS = 946_684_800 * NANOSECONDS
"""The year 2000: times before it are a simulator's, which begin at zero and say nothing of the calendar."""


@dataclass
class Driven:
    """One session of a robot.

    Attributes:
        session: its name.
        robot: the robot's namespace, without the slash before.
        began_ns: when its first step was recorded, nanoseconds since the epoch; simulated time if before
            `CALENDAR_NS`.
        ended_ns: when its last was.
        steps: how many.
        episodes: how many began.
        evaluated: how many of them were judged.
        successes: how many ended with the task's goal reached.
        reward: earned in all.
        sources: steps by who drove.
        takeovers: how often a person began to.
        stops: how often the robot was stopped, by reason.
        guard: how often the guard stepped in, by reason.
        aided: how often the guard has reported that a person acted.
    """

    session: str
    robot: str
    began_ns: int
    ended_ns: int = 0
    steps: int = 0
    episodes: int = 0
    evaluated: int = 0
    successes: int = 0
    reward: float = 0.0
    sources: Counter[str] = field(default_factory=Counter)
    takeovers: int = 0
    stops: Counter[str] = field(default_factory=Counter)
    guard: Counter[str] = field(default_factory=Counter)
    aided: int = 0

    @property
    def is_unmarked(self) -> bool:
        """Whether a person acted of whom no step tells, so that theirs would be learned from as the policy's."""
        return self.aided > 0 and not self.sources[Source.TELEOP.name.lower()]

    def minutes(self, step_s: float, source: Source | None = None) -> float:
        """How long anybody drove, or one of them."""
        steps = self.sources.total() if source is None else self.sources[source.name.lower()]
        return steps * step_s / 60.0


@dataclass
class FileSpan:
    """What a file holds of each session: stamps of its first and last step, nanoseconds, by session."""

    path: Path
    began_ns: int = 0
    ended_ns: int = 0
    spans: dict[str, tuple[int, int]] = field(default_factory=dict)
    unread: str = ""
    """Why it could not be read; empty if it was."""

    @property
    def written_s(self) -> float:
        """When it was written last, seconds since the epoch: by its messages, or by the disk if they have no date."""
        return self.ended_ns / NANOSECONDS if self.ended_ns >= CALENDAR_NS else self.path.stat().st_mtime

    def note(self, key: StepKey) -> None:
        """Note a step."""
        first_ns, last_ns = self.spans.get(key.session, (key.stamp_ns, key.stamp_ns))
        self.spans[key.session] = min(first_ns, key.stamp_ns), max(last_ns, key.stamp_ns)


class SessionsReader:
    """Goes through recordings, file by file in the order they were written.

    Attributes:
        sessions: those that were come across, by name.
        files: what each file holds.
    """

    def __init__(self) -> None:
        """Nothing was read yet."""
        self.sessions: dict[str, Driven] = {}
        self.files: list[FileSpan] = []
        # By robot: the session it is in, the newest source, state and counts of the guard.
        self._now: dict[str, str] = {}
        self._source: dict[str, int] = {}
        self._state: dict[str, str] = {}
        self._guard: dict[str, Counter[str]] = {}
        self._seen: dict[tuple[str, str], int] = {}

    def read(self, paths: Iterable[Path]) -> None:
        """Read files; one that cannot be read is told in `files`."""
        for path in paths:
            span = FileSpan(path)
            self.files.append(span)
            try:
                for message in read_messages(path, lambda topic, _: _ending(topic) is not None, Survey()):
                    self._take(message, span)
            except (ExperienceError, OSError) as error:
                span.unread = str(error).removeprefix(f"{path}: ")

    def _take(self, message: RecordedMessage, span: FileSpan) -> None:
        ending = str(_ending(message.topic))
        robot = message.topic.strip("/").removesuffix(ending).rstrip("/")
        span.began_ns = span.began_ns or message.log_time_ns
        span.ended_ns = max(span.ended_ns, message.log_time_ns)
        try:
            if ending in (topics.OBSERVATION, topics.APPLIED_ACTION):
                self._take_part(ending, robot, message, span)
            elif ending == topics.STATE:
                self._take_state(robot, str(message.decode().data))
            else:
                self._take_guard(robot, message.decode())
        except MessageError:
            # What cannot be read is told where steps are made of it.
            return

    def _take_part(self, ending: str, robot: str, message: RecordedMessage, span: FileSpan) -> None:
        key = read_key(message.data)
        span.note(key)
        # A recorder that was started anew may have written a step twice.
        if key.stamp_ns <= self._seen.get((ending, key.session), -1):
            return
        self._seen[ending, key.session] = key.stamp_ns
        values = read_named(read_joint_state(message.data) or message.decode())
        driven = self.sessions.setdefault(key.session, Driven(key.session, robot, message.log_time_ns))
        driven.ended_ns = max(driven.ended_ns, message.log_time_ns)
        self._now[robot] = key.session
        if ending == topics.APPLIED_ACTION:
            self._take_action(driven, robot, values)
        else:
            _take_observation(driven, values)

    def _take_action(self, driven: Driven, robot: str, values: dict[str, float]) -> None:
        source = int(values.get(topics.SOURCE, Source.POLICY))
        if source in Source.__members__.values():
            driven.sources[Source(source).name.lower()] += 1
        driven.takeovers += source == Source.TELEOP and self._source.get(robot) != Source.TELEOP
        self._source[robot] = source

    def _take_state(self, robot: str, text: str) -> None:
        """Count a stop by its reason, which ends where details begin."""
        before, self._state[robot] = self._state.get(robot), text
        session = self.sessions.get(self._now.get(robot, ""))
        if text != before and before is not None and session is not None and text.startswith(_STOPPING):
            session.stops[": ".join(text.split(": ")[:2])] += 1

    def _take_guard(self, robot: str, report: Any) -> None:
        """Count what is new since the report before; a guard that was started anew counts from nothing."""
        pairs = report.status[0].values if report.status else ()
        counts = Counter(
            {pair.key.removeprefix(_GUARD_REASON): int(pair.value) for pair in pairs if _is_count(pair.key, pair.value)}
        )
        before = self._guard.get(robot, Counter())
        self._guard[robot] = counts
        session = self.sessions.get(self._now.get(robot, ""))
        if session is not None:
            session.aided += any(pair.key == "acting" and pair.value == Source.TELEOP.name.lower() for pair in pairs)
            began_anew = any(counts[name] < before[name] for name in before)
            session.guard += counts if began_anew else counts - before


def _take_observation(driven: Driven, values: dict[str, float]) -> None:
    driven.steps += 1
    driven.reward += values.get(topics.REWARD, 0.0)
    if values.get(topics.IS_FIRST):
        driven.episodes += 1
        driven.evaluated += values.get(topics.MODE) == Mode.EVALUATE
    driven.successes += bool(values.get(topics.IS_LAST)) and bool(values.get(topics.SUCCESS))


def _is_count(key: str, value: str) -> bool:
    return key.startswith(_GUARD_REASON) and value.isdecimal()


def _ending(topic: str) -> str | None:
    whole = "/" + topic.strip("/")
    return next((ending for ending in _ENDINGS if whole.endswith(f"/{ending}")), None)
