"""How one episode's world differs from the nominal one: domain randomisation, drawn from a seed.

Tobin et al. 2017 (arXiv:1703.06907) for pictures, Peng et al. 2018 (arXiv:1710.06537) for dynamics. Off by default.
"""

from dataclasses import dataclass

import numpy as np

Vector = tuple[float, float, float]

LIGHT_FROM = (2.0, -4.0, 6.0)
"""Where light comes from, as a direction."""


@dataclass(frozen=True)
class Light:
    """What a scene is lit by."""

    direction: tuple[float, float, float] = LIGHT_FROM
    brightness: float = 1.0
    """Share of the ambient light there usually is."""


DAYLIGHT = Light()


@dataclass(frozen=True)
class Noise:
    """Standard deviations of what sensors add to what they measure."""

    position: float = 0.0
    """Of encoders, rad or m."""
    velocity: float = 0.0
    """Of encoders, rad/s or m/s."""
    angle_rad: float = 0.0
    """Of an inertial unit's orientation, about each axis."""
    rate_rad_s: float = 0.0
    """Of its angular velocity."""
    place_m: float = 0.0
    """Of odometry and trackers."""
    range_m: float = 0.0
    """Of a laser scanner."""
    pixel: float = 0.0
    """Of a camera's pixels, of 255."""


QUIET = Noise()


@dataclass(frozen=True)
class Bump:
    """A flat block on the ground: where, which way it lies (rad), and how high it is (m)."""

    x: float
    y: float
    yaw: float
    height_m: float


@dataclass(frozen=True)
class Variation:
    """One draw.

    Attributes:
        friction: share of the nominal friction of ground or joints.
        mass: share of the nominal masses.
        strength: share of what drives exert that they are told to.
        latency_s: how much later drives hear their commands.
        noise: of the sensors.
        camera_m: by how much cameras are displaced.
        light: what the scene is lit by.
        bumps: what lies on the ground.
    """

    friction: float = 1.0
    mass: float = 1.0
    strength: float = 1.0
    latency_s: float = 0.0
    noise: Noise = QUIET
    camera_m: Vector = (0.0, 0.0, 0.0)
    light: Light = DAYLIGHT
    bumps: tuple[Bump, ...] = ()


NOMINAL = Variation()


@dataclass(frozen=True)
class Ranges:
    """What variations are drawn from, evenly."""

    friction: tuple[float, float] = (0.6, 1.3)
    mass: tuple[float, float] = (0.85, 1.15)
    strength: tuple[float, float] = (0.85, 1.1)
    latency_s: tuple[float, float] = (0.0, 0.02)
    noise: Noise = Noise(0.005, 0.05, 0.01, 0.05, 0.003, 0.01, 3.0)
    """The most of each."""
    camera_m: float = 0.01
    """Along each axis."""
    light_direction: float = 2.0
    """Along each axis of the light's direction."""
    brightness: tuple[float, float] = (0.75, 1.2)
    bump_m: float = 0.012
    """The most that one is high."""
    bumps: int = 30
    bumps_within_m: float = 3.0
    """From the world's origin, along each axis."""

    def draw(self, rng: np.random.Generator) -> Variation:
        """A variation; always the same numbers are drawn, whatever the ranges."""
        return Variation(
            friction=rng.uniform(*self.friction),
            mass=rng.uniform(*self.mass),
            strength=rng.uniform(*self.strength),
            latency_s=rng.uniform(*self.latency_s),
            noise=self._noise(rng.uniform()),
            camera_m=_triple(rng.uniform(-self.camera_m, self.camera_m, 3)),
            light=Light(
                _triple(LIGHT_FROM + rng.uniform(-self.light_direction, self.light_direction, 3)),
                rng.uniform(*self.brightness),
            ),
            bumps=tuple(self._bump(rng) for _ in range(self.bumps)),
        )

    def _noise(self, share: float) -> Noise:
        most = self.noise
        return Noise(*(share * getattr(most, name) for name in Noise.__dataclass_fields__))

    def _bump(self, rng: np.random.Generator) -> Bump:
        x, y = rng.uniform(-self.bumps_within_m, self.bumps_within_m, 2)
        return Bump(float(x), float(y), rng.uniform(-np.pi, np.pi), rng.uniform(0.0, self.bump_m))


def _triple(values: np.ndarray) -> Vector:
    x, y, z = map(float, values)
    return x, y, z
