"""Faults of what encoders and cameras say, before it is sent."""

import math
import random
from typing import Any

from robot_mbrl.messages import NANOSECONDS, read_stamp, write_stamp
from sim.faults import description as d
from sim.faults.occurrences import Occurrences, stream
from sim.worlds.world import ImageReading, JointReading

KINDS = (d.Noise, d.Quantisation, d.ImpossibleReading, d.Wrapping, d.StampJump, d.StampStill, d.DamagedPictures)
KEPT = 0.5
"""Share of a damaged picture's data that is still there."""


class Sensors:
    """Spoils readings as they are taken; all of it in place."""

    def __init__(self, faults: d.Faults) -> None:
        """Nothing has been read yet.

        Args:
            faults: what goes wrong; only those of `KINDS` and unknown encodings matter here.
        """
        self._faults = [
            _Spoiler(fault, Occurrences(fault, stream(faults.seed, index)), stream(faults.seed, index, "values"))
            for index, fault in faults.of(*KINDS, d.UnknownEncoding)
        ]

    def spoil(self, source: str, reading: Any, now_s: float) -> bool:
        """Let faults happen to a reading; returns whether it says now what nobody has measured."""
        lies = False
        for spoiler in self._faults:
            if spoiler.concerns(source, reading) and spoiler.occurrences.active(now_s):
                lies |= spoiler.spoil(source, reading)
        return lies


class _Spoiler:
    def __init__(self, fault: d.Fault, occurrences: Occurrences, rng: random.Random) -> None:
        self.occurrences = occurrences
        self._fault: Any = fault
        self._rng = rng
        self._done: dict[str, int] = {}
        self._still: dict[str, tuple[int, int]] = {}

    def concerns(self, source: str, reading: Any) -> bool:
        """Whether a reading can have this fault."""
        if isinstance(self._fault, d.JointFault):
            return isinstance(reading, JointReading)
        if self._fault.pictures and not isinstance(reading, ImageReading):
            return False
        if isinstance(self._fault, d.StampJump | d.StampStill) and not hasattr(reading, "header"):
            return False
        return not self._fault.sources or source in self._fault.sources

    def spoil(self, source: str, reading: Any) -> bool:
        """Change a reading; returns whether it is a lie now: more than an encoder's error."""
        match self._fault:
            case d.StampJump():
                stamp_ns = read_stamp(reading.header.stamp) + round(self._fault.offset_s * NANOSECONDS)
                write_stamp(reading.header.stamp, max(0, stamp_ns))
            case d.StampStill():
                self._stand_still(source, reading)
            case d.DamagedPictures():
                if self._rng.random() < self._fault.share:
                    reading.data = reading.data[: int(KEPT * len(reading.data))]
            case d.UnknownEncoding():
                reading.encoding = self._fault.encoding
            case d.ImpossibleReading():
                return self._say_once(source, reading)
            case _:
                self._err(reading)
        return False

    def _joints(self, reading: JointReading) -> list[int]:
        return [i for i, joint in enumerate(reading.name) if not self._fault.joints or joint in self._fault.joints]

    def _stand_still(self, source: str, reading: Any) -> None:
        count, stamp_ns = self._still.get(source, (0, 0))
        if count != self.occurrences.count:
            self._still[source] = self.occurrences.count, read_stamp(reading.header.stamp)
        else:
            write_stamp(reading.header.stamp, stamp_ns)

    def _say_once(self, source: str, reading: JointReading) -> bool:
        joints = self._joints(reading)
        if not joints or self._done.get(source) == self.occurrences.count:
            return False
        self._done[source] = self.occurrences.count
        for index in joints:
            reading.position[index] = self._fault.value
        return True

    def _err(self, reading: JointReading) -> None:
        """What every encoder does, more or less."""
        fault = self._fault
        for index in self._joints(reading):
            position = reading.position[index]
            match fault:
                case d.Noise():
                    reading.position[index] = position + self._rng.gauss(0.0, fault.position)
                    if fault.velocity:
                        reading.velocity[index] += self._rng.gauss(0.0, fault.velocity)
                case d.Quantisation():
                    reading.position[index] = fault.step * round(position / fault.step)
                case d.Wrapping():
                    reading.position[index] = math.remainder(position, math.tau)
