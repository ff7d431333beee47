"""The time axis of a recording: which of its clocks tells when something was, and how well they agree.

A message has up to two times: the stamp in its header, by the clock of whoever measured it, and the time at which the
recorder received it. Where all stamps are of one clock, they are the better ones: a recorder that was busy says nothing
of the robot. Else the times of arrival are what the topics have in common, and stamps only tell what is news.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from robot_mbrl.messages import NANOSECONDS

NO_STAMP = -1
JUMP_NS = NANOSECONDS
"""A clock that goes back by more has been set, or is another's."""
SAME_CLOCK_S = 1.0
"""How much longer one topic's messages may be on their way than another's, where both are stamped by one clock."""
DRIFT_S = 0.05
"""Two clocks that come apart by more within a recording run at different speeds."""
ADVANCING_SHARE = 0.9
"""Share of a topic's stamps that must be news for them to count as times."""


@dataclass(frozen=True)
class Times:
    """When the messages of a bag were, in the order they were written: each an array of shape (N,).

    Attributes:
        topic: index of each one's topic, int64.
        part: index of the file it lies in, int64.
        logged_ns: when it was received, int64.
        stamped_ns: the stamp in its header, int64; `NO_STAMP` for none.
    """

    topic: np.ndarray
    part: np.ndarray
    logged_ns: np.ndarray
    stamped_ns: np.ndarray

    def __len__(self) -> int:
        return len(self.topic)


@dataclass(frozen=True)
class Segment:
    """Messages between two jumps of a clock.

    Attributes:
        start: the first message's place among all.
        stop: the place behind the last.
        axis: which times count.
        times_ns: each message's on that axis, int64, shape (stop - start,).
        offsets_s: by topic, how much later its messages arrive than they are stamped; its clock's difference included.
        jitter_s: by topic, how much longer than usual 95 of 100 messages take at most.
    """

    start: int
    stop: int
    axis: Literal["stamps", "arrival"]
    times_ns: np.ndarray
    offsets_s: dict[str, float]
    jitter_s: dict[str, float]


def segments(times: Times, names: list[str], stamped: Mapping[str, bool]) -> list[Segment]:
    """Parts of a recording within which no clock jumps, each with its axis.

    Args:
        times: of its messages.
        names: the topics by index.
        stamped: which of them have stamps that count.
    """
    borders = [0, *_jumps(times), len(times)]
    return [_segment(times, a, b, names, stamped) for a, b in zip(borders, borders[1:], strict=False) if b > a]


def _jumps(times: Times) -> list[int]:
    """Where the recorder's clock, or a stamping one, goes back."""
    back = np.zeros(len(times), bool)
    back[1:] = np.diff(times.logged_ns) < -JUMP_NS
    for topic in np.unique(times.topic):
        places = np.flatnonzero((times.topic == topic) & (times.stamped_ns > 0))
        back[places[1:]] |= np.diff(times.stamped_ns[places]) < -JUMP_NS
    found: list[int] = np.flatnonzero(back).tolist()
    # Clocks of several topics jump together: those found within one moment are one jump.
    return [a for i, a in enumerate(found) if i == 0 or _apart_ns(times, found[i - 1], a) > JUMP_NS]


def _apart_ns(times: Times, a: int, b: int) -> int:
    return abs(int(times.logged_ns[b]) - int(times.logged_ns[a]))


def _segment(times: Times, start: int, stop: int, names: list[str], stamped: Mapping[str, bool]) -> Segment:
    topic, logged = times.topic[start:stop], times.logged_ns[start:stop]
    stamps = times.stamped_ns[start:stop]
    late_s = (logged - stamps) / NANOSECONDS
    offsets_s, jitter_s, fastest_s = {}, {}, {}
    steady = True
    for index, name in enumerate(names):
        own = (topic == index) & (stamps > 0)
        if not stamped.get(name, False) or not (topic == index).any():
            continue
        steady &= _advance(stamps[own], int((topic == index).sum()))
        if own.any():
            offsets_s[name] = float(np.median(late_s[own]))
            fastest_s[name] = float(late_s[own].min())
            jitter_s[name] = float(np.quantile(late_s[own], 0.95) - offsets_s[name])
    agree = bool(offsets_s) and max(offsets_s.values()) - min(offsets_s.values()) <= SAME_CLOCK_S
    if not (steady and agree):
        return Segment(start, stop, "arrival", logged, offsets_s, jitter_s)
    by_stamp = np.isin(topic, [names.index(name) for name in offsets_s]) & (stamps > 0)
    quickest = names.index(min(fastest_s, key=lambda name: fastest_s[name]))
    told = _by_arrival(logged, stamps, by_stamp & (topic == quickest))
    return Segment(start, stop, "stamps", np.where(by_stamp, stamps, told), offsets_s, jitter_s)


def _by_arrival(logged_ns: np.ndarray, stamps_ns: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """When messages without a stamp were, by those of the topic that arrives the quickest, int64, (N,)."""
    late_ns = logged_ns[reference] - stamps_ns[reference]
    tenth = max(1, len(late_ns) // 10)
    drift_ns = abs(float(np.median(late_ns[-tenth:]) - np.median(late_ns[:tenth])))
    if drift_ns <= DRIFT_S * NANOSECONDS:
        # They were on their way at least as long as the fastest that has one.
        return np.asarray(logged_ns - late_ns.min(), np.int64)
    # A simulator's time that runs slow or fast, or rests.
    order = np.argsort(logged_ns[reference], kind="stable")
    origin_ns = int(stamps_ns[reference].min())
    since_ns = np.maximum.accumulate(stamps_ns[reference][order] - origin_ns)
    told = np.interp(logged_ns - logged_ns[0], logged_ns[reference][order] - logged_ns[0], since_ns)
    return np.asarray(np.rint(told).astype(np.int64) + origin_ns, np.int64)


def _advance(stamps_ns: np.ndarray, messages: int) -> bool:
    """Whether a topic's stamps go on as times do."""
    if len(stamps_ns) < ADVANCING_SHARE * messages:
        return False
    return len(stamps_ns) < 2 or float((np.diff(stamps_ns) > 0).mean()) >= ADVANCING_SHARE
