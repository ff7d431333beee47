"""Faults of the drives: what becomes of a command on its way to the joint."""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from sim.faults import description as d
from sim.faults.occurrences import Occurrences, stream

KINDS = (d.ServoLag, d.Overshoot, d.DeadTime, d.Blocked, d.Slipping, d.MovedByHand)
RETURN_S = 0.1
"""Time constant with which a position drive comes back to its command once nothing holds it up any more."""
RETURNED = 1e-4
"""How near to it is there, rad or m."""


@dataclass(slots=True)
class _Drive:
    """One joint's drive.

    Attributes:
        told: the newest command that the drive has noticed; None before the first.
        out: what the drive makes of it.
        rate: how fast that changes, of a drive that overshoots.
        displaced: whether a position drive has yet to come back to its command.
    """

    kind: str
    waiting: deque[tuple[float, float]] = field(default_factory=deque)
    told: float | None = None
    out: float = 0.0
    rate: float = 0.0
    displaced: bool = False


class Drives:
    """The drives of a robot with their faults.

    Call order: `command` as commands arrive, `advance` for every while that passes; then the joints are to be given
    what it returns, but for those that are `blocked`.
    """

    def __init__(self, faults: d.Faults, kinds: Mapping[str, str]) -> None:
        """Begin idle.

        Args:
            faults: what goes wrong; only those of `KINDS` matter here.
            kinds: what each joint is commanded in: position, velocity or effort.
        """
        self._kinds = kinds
        self._faults = [
            (fault, Occurrences(fault, stream(faults.seed, index)), frozenset(fault.joints or kinds))
            for index, fault in faults.of(*KINDS)
        ]
        self.brake()

    @property
    def faulty(self) -> bool:
        """Whether anything may go wrong here at all."""
        return bool(self._faults)

    def brake(self) -> None:
        """Forget all commands: the drives stop by themselves."""
        self._drives = {name: _Drive(kind) for name, kind in self._kinds.items()}

    def command(self, values: Mapping[str, float], now_s: float, positions: Mapping[str, float]) -> None:
        """Take commands.

        Args:
            values: by joint.
            now_s: seconds since the driver's start.
            positions: where joints are; a position drive begins there.
        """
        for name, value in values.items():
            drive = self._drives[name]
            if drive.told is None:
                # Until the first command has had its dead time, the drive stays where it is.
                drive.told = drive.out = positions[name] if drive.kind == "position" else 0.0
            delay_s = sum(f.delay_s for f in self._active(name, now_s) if isinstance(f, d.DeadTime))
            drive.waiting.append((now_s + delay_s, value))

    def advance(self, now_s: float, dt_s: float) -> dict[str, float]:
        """What each joint that was ever commanded is driven with at the end of the next `dt_s`."""
        driven = {}
        for name, drive in self._drives.items():
            if drive.told is not None:
                driven[name] = self._follow(drive, self._active(name, now_s), now_s, dt_s)
        return driven

    def blocked(self, now_s: float) -> frozenset[str]:
        """The joints that cannot move."""
        return frozenset(
            name for name in self._kinds if any(isinstance(f, d.Blocked) for f in self._active(name, now_s))
        )

    def _active(self, joint: str, now_s: float) -> list[d.Fault]:
        return [fault for fault, occurrences, joints in self._faults if joint in joints and occurrences.active(now_s)]

    def _follow(self, drive: _Drive, faults: list[d.Fault], now_s: float, dt_s: float) -> float:
        before = drive.told or 0.0
        while drive.waiting and drive.waiting[0][0] <= now_s:
            drive.told = drive.waiting.popleft()[1]
        target = drive.told or 0.0
        push = sum(fault.push for fault in faults if isinstance(fault, d.MovedByHand))
        share = math.prod(fault.share for fault in faults if isinstance(fault, d.Slipping))
        if drive.kind == "position" and (push or share < 1.0):
            _hold_up(drive, target, share * (target - before), push * dt_s)
            return drive.out
        lags = [fault for fault in faults if isinstance(fault, d.ServoLag | d.Overshoot)]
        for fault in lags:
            if isinstance(fault, d.Overshoot):
                _swing(drive, target, 1.0 / fault.lag_s, fault.damping, dt_s)
            else:
                drive.out = target + (drive.out - target) * math.exp(-dt_s / fault.lag_s)
        if not lags:
            _come_back(drive, target, dt_s)
        return drive.out if drive.kind == "position" else drive.out * share + push


def _hold_up(drive: _Drive, target: float, step: float, pushed: float) -> None:
    """A position drive that is overpowered by a hand, or makes only a step of its own towards its command."""
    way = target - drive.out
    if step * way > 0.0:
        drive.out += math.copysign(min(abs(step), abs(way)), way)
    drive.out += pushed
    drive.rate, drive.displaced = 0.0, True


def _come_back(drive: _Drive, target: float, dt_s: float) -> None:
    """A drive without lag is where it is told to be, unless it has yet to come back."""
    away = (drive.out - target) * math.exp(-dt_s / RETURN_S) if drive.displaced else 0.0
    drive.displaced = abs(away) > RETURNED
    drive.out, drive.rate = target + (away if drive.displaced else 0.0), 0.0


def _swing(drive: _Drive, target: float, frequency: float, damping: float, dt_s: float) -> None:
    """An underdamped second-order filter, exactly, for a target that stays for `dt_s`."""
    decay, ringing = damping * frequency, frequency * math.sqrt(1.0 - damping * damping)
    away, rate = drive.out - target, drive.rate
    cosine, sine = math.cos(ringing * dt_s), math.sin(ringing * dt_s)
    share = (rate + decay * away) / ringing
    shrunk = math.exp(-decay * dt_s)
    drive.out = target + shrunk * (away * cosine + share * sine)
    drive.rate = shrunk * ((share * ringing - decay * away) * cosine - (away * ringing + decay * share) * sine)
