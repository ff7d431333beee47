"""A part of a bag, played to the classes of the sensor node: what they make of it is what the robot would have seen."""

import heapq
import itertools
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from robot_mbrl.config import RobotConfig, RunConfig
from robot_mbrl.control.goal import Goal
from robot_mbrl.control.observing import Observer, Stale
from robot_mbrl.control.pacing import Pacer
from robot_mbrl.errors import MessageError
from robot_mbrl.experience.message_files import RecordedMessage
from robot_mbrl.imports.clocks import Segment
from robot_mbrl.imports.commanded import Commanded
from robot_mbrl.imports.matching import Wanted
from robot_mbrl.imports.stretch import Stretches
from robot_mbrl.messages import NANOSECONDS, read_named
from robot_mbrl.steps import Step
from robot_mbrl.topics import GOAL

WINDOW_NS = 2 * NANOSECONDS
"""Messages whose times are nearer than this may lie in a file in any order."""
INSTANT_S = 1e-9


@dataclass(frozen=True, slots=True)
class Played:
    """A message when its turn has come."""

    time_ns: int
    want: Wanted
    message: RecordedMessage


class InOrder:
    """Gives messages in the order of their times.

    Attributes:
        late: how many were left out, since they came after others that were much later.
    """

    def __init__(self) -> None:
        """Hold nothing back yet."""
        self.late = 0
        self._held: list[tuple[int, int, Played]] = []
        self._count = itertools.count()
        self._newest_ns = self._given_ns = -1

    def add(self, played: Played) -> Iterator[Played]:
        """Take the next message as it lies in the file; gives those that nothing can come before any more."""
        if played.time_ns < self._given_ns:
            self.late += 1
            return
        heapq.heappush(self._held, (played.time_ns, next(self._count), played))
        self._newest_ns = max(self._newest_ns, played.time_ns)
        while self._held and self._held[0][0] <= self._newest_ns - WINDOW_NS:
            yield self._give()

    def rest(self) -> Iterator[Played]:
        """Those that are still held back."""
        while self._held:
            yield self._give()

    def _give(self) -> Played:
        self._given_ns, _, played = heapq.heappop(self._held)
        return played


class Playing:
    """Senses at the control rate what a part of a bag holds.

    Call order: `play` for each message in the order of their times; `finish`.

    Attributes:
        stretches: makes the steps, and counts what none came of.
        messages: those that were refused, by what was wrong with them.
    """

    def __init__(
        self, config: RunConfig, robot: RobotConfig, segment: Segment, session: str, commanded: Commanded
    ) -> None:
        """Begin before the first message.

        Args:
            config: the run.
            robot: its robot, as the bag's drivers stamp.
            segment: the part of the bag, with its time axis.
            session: what its steps belong to.
            commanded: what is commanded, told here and asked for actions.
        """
        self.stretches = Stretches(config, session, commanded)
        self.messages: Counter[str] = Counter()
        self._commanded = commanded
        self._goal = Goal(config.task.goal.values())
        # As of a simulated robot where stamps are times; as of a real one where they only tell what is news.
        images = config.observation_spec().images
        self._observer = Observer(robot, images, stamps=segment.axis == "arrival", goal=self._goal)
        self._period_s = robot.period_s
        # Steps are told apart by stamps above zero.
        self._origin_ns = max(1, int(segment.times_ns.min()))
        self._pacer: Pacer | None = None
        self._now_s = 0.0
        self._adopted = 0
        self._lacking = ""

    @property
    def lacking(self) -> str:
        """What kept it from beginning at all; empty once it has begun."""
        return self._lacking if self._pacer is None else ""

    def play(self, played: Played) -> Iterator[Step]:
        """Take a message; gives the steps that are whole by then."""
        self._now_s = (played.time_ns - self._origin_ns) / NANOSECONDS
        yield from self._tick_until(self._now_s)
        try:
            self._receive(played.want, played.message.decode())
        except MessageError as error:
            self.messages[f"message on {played.want.name}: {error}"] += 1
        if self._pacer is None:
            sensed = self._observer.assemble(self._now_s)
            if isinstance(sensed, Stale):
                self._lacking = str(sensed)
            else:
                self._pacer = Pacer(self._period_s, self._now_s)

    def finish(self) -> Iterator[Step]:
        """The last steps."""
        yield from self._tick_until(self._now_s + INSTANT_S)
        yield from self.stretches.cut("end of the recording", missed=0)
        for source, count in self._observer.refused.items():
            self.messages[f"message on {source}: {self._observer.refusals[source]}"] += count

    def _receive(self, want: Wanted, message: Any) -> None:
        """Hand a message to who it is for.

        Raises:
            MessageError: if it is refused by others than the observer, which counts what it refuses.
        """
        if want.command is not None:
            self._commanded.receive(want.command, message, self._now_s, want.interface)
        elif not want.required:
            take = self._goal.set if want.name == GOAL else self.stretches.label
            take(read_named(message))
        else:
            with suppress(MessageError):
                self._observer.receive(want.name, message, self._now_s)
                self._commanded.measure(want.name, message)

    def _tick_until(self, end_s: float) -> Iterator[Step]:
        """The ticks before a time, up to which nothing more was heard."""
        pacer = self._pacer
        while pacer is not None and pacer.next_s < end_s:
            tick_s = pacer.next_s
            if self._observer.adopted > self._adopted:
                self._adopted = self._observer.adopted
                yield from self.stretches.cut("a driver's clock is another", missed=0)
            sensed = self._observer.assemble(tick_s)
            if isinstance(sensed, Stale):
                # It stays so until something is heard.
                skipped = pacer.advance(max(tick_s, end_s - INSTANT_S))
                yield from self.stretches.cut(f"{sensed.source} is stale", missed=1 + skipped)
            else:
                pacer.advance(tick_s)
                yield from self.stretches.sense(self._origin_ns + round(tick_s * NANOSECONDS), sensed)
