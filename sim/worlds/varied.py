"""A world that differs from episode to episode, and is pushed: any world, with what is drawn for it from its seed."""

import copy
import heapq
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from robot_mbrl.variety import Variety
from sim.worlds.variation import NOMINAL, Noise, Ranges, Variation
from sim.worlds.world import (
    ImageReading,
    InertialReading,
    JointReading,
    OdometryReading,
    Reading,
    Rotation,
    ScanReading,
    Triple,
    World,
)
from sim.worlds.wrapped import WrappedWorld

INSTANT_S = 1e-9
"""Times nearer than this are the same."""


@dataclass(frozen=True)
class Pushes:
    """How somebody pushes the robot to see it adapt, as DayDreamer's authors did with a pole.

    Attributes:
        every_s: between two pushes, on average.
        pause_s: the least time between them.
        lasts_s: how long each lasts.
        acceleration_m_s2: the least and the most that a push accelerates a robot that nothing holds.
    """

    every_s: float = 10.0
    pause_s: float = 3.0
    lasts_s: float = 0.3
    acceleration_m_s2: tuple[float, float] = (2.0, 5.0)

    def next_s(self, now_s: float, rng: np.random.Generator) -> float:
        """When the next push begins."""
        return now_s + self.pause_s + rng.exponential(self.every_s - self.pause_s)

    def draw(self, rng: np.random.Generator) -> tuple[float, float]:
        """A push: acceleration along x and y, m/s²."""
        way, strength = rng.uniform(-math.pi, math.pi), rng.uniform(*self.acceleration_m_s2)
        return strength * math.cos(way), strength * math.sin(way)


@dataclass
class _State:
    """What changes as time passes, and is part of a snapshot."""

    noise_rng: np.random.Generator
    push_rng: np.random.Generator
    variation: Variation = NOMINAL
    now_s: float = 0.0
    order: int = 0
    waiting: list[tuple[float, int, Mapping[str, float]]] = field(default_factory=list)
    push_s: float = math.inf
    """When the next push begins."""
    pushed_until_s: float = -math.inf


def with_variety(world: World, variety: Variety) -> World:
    """A world with what was chosen.

    Raises:
        WorldError: if its robot cannot be pushed and is to be.
    """
    if not variety:
        return world
    ranges, pushes = Ranges() if variety.randomise else None, Pushes() if variety.push else None
    return VariedWorld(world, ranges, pushes, dict(variety.changes))


class VariedWorld(WrappedWorld):
    """The `World` that another one becomes by a variation drawn at each reset, and by pushes.

    What is drawn depends on the generator that `reset` is given, and starts are those of the other world.
    """

    def __init__(
        self,
        world: World,
        ranges: Ranges | None = None,
        pushes: Pushes | None = None,
        changes: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        """Wrap a world, at its nominal until the first reset.

        Args:
            world: what to vary.
            ranges: what variations are drawn from; None to leave it as it is.
            pushes: how it is pushed; None for not at all.
            changes: fields of every variation, whatever is drawn.

        Raises:
            WorldError: if the world's robot cannot be pushed.
        """
        super().__init__(world)
        self._ranges, self._pushes, self._changes = ranges, pushes, dict(changes)
        if pushes is not None:
            world.push((0.0, 0.0))
        self._state = _State(np.random.default_rng(0), np.random.default_rng(0))

    @property
    def variation(self) -> Variation:
        """How the world differs now."""
        return self._state.variation

    def reset(self, rng: np.random.Generator) -> None:
        """Put everything at a start drawn from `rng`, with a variation drawn from what `rng` spawns."""
        drawn, noise, pushes = rng.spawn(3)
        self._state = state = _State(noise, pushes)
        if self._ranges is not None or self._changes:
            variation = NOMINAL if self._ranges is None else self._ranges.draw(drawn)
            state.variation = replace(variation, **self._changes)
            self.world.vary(state.variation)
        if self._pushes is not None:
            self.world.push((0.0, 0.0))
            state.push_s = self._pushes.next_s(0.0, pushes)
        self.world.reset(rng)

    def apply(self, commands: Mapping[str, float]) -> None:
        """Command joints by name; they hear it after the variation's latency."""
        state = self._state
        if state.variation.latency_s == 0.0:
            self.world.apply(commands)
            return
        heapq.heappush(state.waiting, (state.now_s + state.variation.latency_s, state.order, dict(commands)))
        state.order += 1

    def brake(self) -> None:
        """What the drives do by themselves when commands cease; what was on its way is lost."""
        self._state.waiting.clear()
        self.world.brake()

    def advance(self, duration_s: float) -> None:
        """Let time pass."""
        state = self._state
        end_s = state.now_s + duration_s
        while end_s - state.now_s > INSTANT_S:
            self._happen()
            until_s = min(end_s, max(self._next_s(), state.now_s + INSTANT_S))
            self.world.advance(until_s - state.now_s)
            state.now_s = until_s
        state.now_s = end_s

    def vary(self, variation: Variation) -> None:
        """Take a variation from outside, until the next reset."""
        self._state.variation = variation
        self.world.vary(variation)

    def read(self, source: str, height: int = 64, width: int = 64) -> Reading:
        """The present reading of one source, with its noise."""
        reading = self.world.read(source, height, width)
        spoil(reading, self._state.variation.noise, self._state.noise_rng)
        return reading

    def render(self, camera: str, height: int = 64, width: int = 64) -> np.ndarray:
        """A camera's picture, uint8, shape (height, width, 3), with its noise."""
        picture = self.world.render(camera, height, width)
        return grainy(picture, self._state.variation.noise.pixel, self._state.noise_rng)

    def snapshot(self) -> Any:
        """The state of everything, commands and what is drawn next included."""
        return self.world.snapshot(), copy.deepcopy(self._state)

    def restore(self, snapshot: Any) -> None:
        """Go back to a snapshot of this episode; what follows repeats bit for bit."""
        world, state = snapshot
        self.world.restore(world)
        self._state = copy.deepcopy(state)

    def _next_s(self) -> float:
        """When something happens next."""
        state = self._state
        heard_s = state.waiting[0][0] if state.waiting else math.inf
        ends_s = state.pushed_until_s if state.pushed_until_s > state.now_s else math.inf
        return min(heard_s, state.push_s, ends_s)

    def _happen(self) -> None:
        """Let happen what is due."""
        state, pushes = self._state, self._pushes
        while state.waiting and state.waiting[0][0] <= state.now_s + INSTANT_S:
            self.world.apply(heapq.heappop(state.waiting)[2])
        if pushes is None:
            return
        if -math.inf < state.pushed_until_s <= state.now_s + INSTANT_S:
            self.world.push((0.0, 0.0))
            state.pushed_until_s = -math.inf
        if state.push_s <= state.now_s + INSTANT_S:
            self.world.push(pushes.draw(state.push_rng))
            state.pushed_until_s = state.now_s + pushes.lasts_s
            state.push_s = pushes.next_s(state.now_s, state.push_rng)


def spoil(reading: Reading, noise: Noise, rng: np.random.Generator) -> None:
    """Add noise to a reading, in place."""
    match reading:
        case JointReading():
            count = len(reading.name)
            reading.position = (np.array(reading.position) + noise.position * rng.standard_normal(count)).tolist()
            reading.velocity = (np.array(reading.velocity) + noise.velocity * rng.standard_normal(count)).tolist()
        case InertialReading():
            reading.orientation = _turned(reading.orientation, noise.angle_rad * rng.standard_normal(3))
            _shift(reading.angular_velocity, noise.rate_rad_s * rng.standard_normal(3))
        case OdometryReading():
            _shift(reading.pose.pose.position, noise.place_m * rng.standard_normal(3))
        case ScanReading():
            grain = noise.range_m * rng.standard_normal(len(reading.ranges))
            reading.ranges = np.maximum(np.array(reading.ranges) + grain, reading.range_min).tolist()
        case ImageReading():
            picture = np.frombuffer(reading.data, np.uint8)
            reading.data[:] = type(reading.data)("B", grainy(picture, noise.pixel, rng).tobytes())


def grainy(picture: np.ndarray, deviation: float, rng: np.random.Generator) -> np.ndarray:
    """A picture of uint8 with noise of a standard deviation, of 255."""
    if deviation == 0.0:
        return picture
    noisy = picture + deviation * rng.standard_normal(picture.shape, np.float32)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def _shift(vector: Triple, by: np.ndarray) -> None:
    vector.x, vector.y, vector.z = vector.x + float(by[0]), vector.y + float(by[1]), vector.z + float(by[2])


def _turned(rotation: Rotation, by_rad: np.ndarray) -> Rotation:
    """A rotation followed by small turns about the axes, which the half angles stand for as a quaternion."""
    a, b, c = (float(angle) / 2.0 for angle in by_rad)
    x, y, z, w = rotation.x, rotation.y, rotation.z, rotation.w
    turned = (
        x + a * w + b * z - c * y,
        y + b * w + c * x - a * z,
        z + c * w + a * y - b * x,
        w - a * x - b * y - c * z,
    )
    length = math.sqrt(sum(part * part for part in turned))
    return Rotation(*(part / length for part in turned))
