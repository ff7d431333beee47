"""Faults between a driver and the graph: of its messages on their way out, and of the commands on their way in."""

import copy
import heapq
import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from robot_mbrl.messages import read_stamp, write_stamp
from sim.faults import description as d
from sim.faults.occurrences import Occurrences, stream
from sim.faults.readings import Sensors
from sim.worlds.world import Header, JointReading, Stamp

KINDS = (
    *(d.DropOut, d.Burst, d.Delay, d.Reordered, d.Repeated, d.FrozenReading, d.Split, d.Contradiction),
    *(d.DriverDeath, d.Deaf, d.CommandDelay),
)


@dataclass(slots=True)
class Delivery:
    """A message that arrives."""

    source: str
    reading: Any
    publisher: int = 0
    """0 for the driver's own, others for further publishers of the same topic."""
    honest: bool = True
    """Whether it says what was measured when it was sent, as well as the encoder knows."""


class Wire:
    """What happens to messages and commands; times are seconds since the driver's start.

    Call order: `send` for every reading as it is taken, `deliveries` and `commands` whenever `next_s` has passed or
    something was sent; times never go back.
    """

    def __init__(self, faults: d.Faults) -> None:
        """Nothing is on its way.

        Args:
            faults: what goes wrong.
        """
        self._sensors = Sensors(faults)
        self._faults: list[tuple[Any, Occurrences, Any]] = [
            (fault, Occurrences(fault, stream(faults.seed, index)), stream(faults.seed, index, "wire"))
            for index, fault in faults.of(*KINDS)
        ]
        self._order = itertools.count()
        self._readings: list[tuple[float, int, Delivery]] = []
        self._commands: list[tuple[float, int, Mapping[str, float]]] = []
        self._frozen: dict[tuple[int, str], tuple[int, Any]] = {}
        self._held_back: dict[tuple[int, str], Delivery] = {}
        self._commanded_s = -math.inf
        self._zeros_until_s = -math.inf

    @property
    def next_s(self) -> float:
        """When something arrives next; infinite if nothing is on its way."""
        return min((queue[0][0] for queue in (self._readings, self._commands) if queue), default=math.inf)

    @property
    def next_command_s(self) -> float:
        """When the drives hear a command next; infinite if none is on its way."""
        return self._commands[0][0] if self._commands else math.inf

    def dead(self, now_s: float) -> bool:
        """Whether the driver is not there."""
        for fault, occurrences, _ in self._faults:
            if isinstance(fault, d.DriverDeath) and occurrences.active(now_s):
                self._zeros_until_s = occurrences.end_s + fault.zeros_s
                return True
        return False

    def deaf(self, now_s: float) -> bool:
        """Whether the driver does nothing of what it is told."""
        return any(isinstance(fault, d.Deaf) and at.active(now_s) for fault, at, _ in self._faults)

    def send(self, source: str, reading: Any, now_s: float) -> None:
        """Let a reading go, which is this object's from now on."""
        if self.dead(now_s):
            return
        honest = not self._sensors.spoil(source, reading, now_s)
        if now_s < self._zeros_until_s and isinstance(reading, JointReading):
            honest = False
            reading.position = [0.0] * len(reading.name)
            reading.velocity = [0.0] * len(reading.name)
        deliveries = [Delivery(source, reading, honest=honest)]
        arrival_s = now_s
        for index, (fault, occurrences, rng) in enumerate(self._faults):
            if not isinstance(fault, d.SourceFault) or (fault.sources and source not in fault.sources):
                continue
            active = occurrences.active(now_s)
            if isinstance(fault, d.Reordered):
                deliveries = self._reordered(index, fault, rng, deliveries, active=active)
                continue
            if not active:
                continue
            match fault:
                case d.FrozenReading():
                    deliveries = [self._freeze(index, fault, occurrences, item) for item in deliveries]
                case d.DropOut():
                    deliveries = [item for item in deliveries if rng.random() >= fault.share]
                case d.Split():
                    deliveries = [part for item in deliveries for part in _split(fault, item)]
                case d.Contradiction():
                    deliveries += [other for item in deliveries[:1] for other in _contradict(fault, item)]
                case d.Repeated():
                    for item in deliveries:
                        if rng.random() < fault.share:
                            self._post(item, now_s + fault.after_s)
                case d.Delay():
                    arrival_s = max(arrival_s, now_s + fault.delay_s + rng.random() * fault.jitter_s)
                case d.Burst():
                    arrival_s = max(arrival_s, occurrences.end_s)
        for item in deliveries:
            self._post(item, arrival_s)

    def deliveries(self, now_s: float) -> Iterator[Delivery]:
        """What has arrived by now, in the order of its arrival."""
        while self._readings and self._readings[0][0] <= now_s:
            yield heapq.heappop(self._readings)[2]

    def command(self, values: Mapping[str, float], now_s: float) -> None:
        """Send a command to the drives."""
        arrival_s = now_s
        for fault, occurrences, rng in self._faults:
            if isinstance(fault, d.CommandDelay) and occurrences.active(now_s):
                arrival_s = max(arrival_s, now_s + fault.delay_s + rng.random() * fault.jitter_s)
        # A bus keeps their order.
        self._commanded_s = max(self._commanded_s, arrival_s)
        heapq.heappush(self._commands, (self._commanded_s, next(self._order), values))

    def commands(self, now_s: float) -> Iterator[Mapping[str, float]]:
        """The commands that the drives have heard by now."""
        while self._commands and self._commands[0][0] <= now_s:
            at_s, _, values = heapq.heappop(self._commands)
            if not self.dead(now_s) and not self.deaf(now_s):
                yield values

    def _post(self, delivery: Delivery, arrival_s: float) -> None:
        heapq.heappush(self._readings, (arrival_s, next(self._order), delivery))

    def _freeze(self, index: int, fault: d.FrozenReading, occurrences: Occurrences, item: Delivery) -> Delivery:
        count, kept = self._frozen.get((index, item.source), (0, None))
        if count != occurrences.count:
            self._frozen[index, item.source] = occurrences.count, copy.deepcopy(item.reading)
            return item
        frozen = copy.deepcopy(kept)
        if fault.stamp == "fresh" and hasattr(frozen, "header"):
            write_stamp(frozen.header.stamp, read_stamp(item.reading.header.stamp))
        return Delivery(item.source, frozen, item.publisher, honest=False)

    def _reordered(
        self, index: int, fault: d.Reordered, rng: Any, deliveries: list[Delivery], *, active: bool
    ) -> list[Delivery]:
        """Keep one back now and then, until the next one has gone."""
        result = []
        for item in deliveries:
            late = self._held_back.pop((index, item.source), None)
            if late is None and active and rng.random() < fault.share:
                self._held_back[index, item.source] = item
                continue
            result.append(item)
            if late is not None:
                result.append(late)
        return result


def _split(fault: d.Split, item: Delivery) -> Iterator[Delivery]:
    """The joints of one message in several."""
    reading = item.reading
    if not isinstance(reading, JointReading):
        yield item
        return
    size = math.ceil(len(reading.name) / fault.parts)
    for number, begin in enumerate(range(0, len(reading.name), size)):
        part = slice(begin, begin + size)
        values = (reading.name[part], reading.position[part], reading.velocity[part], reading.effort[part])
        publisher = number if fault.publishers == "several" else item.publisher
        yield Delivery(item.source, JointReading(*values, _copied(reading.header)), publisher, item.honest)


def _contradict(fault: d.Contradiction, item: Delivery) -> Iterator[Delivery]:
    """What a second publisher says of the same joints."""
    reading = item.reading
    if isinstance(reading, JointReading):
        count, header = len(reading.name), _copied(reading.header)
        said = JointReading(list(reading.name), [fault.value] * count, [0.0] * count, [0.0] * count, header)
        yield Delivery(item.source, said, publisher=1, honest=False)


def _copied(header: Any) -> Header:
    return Header(Stamp(header.stamp.sec, header.stamp.nanosec), header.frame_id)
