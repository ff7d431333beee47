"""A robot of independent joints without a physics engine, whose motion is known in closed form.

It has what any robot's YAML commands: joints that take positions, velocities or efforts, and bases that take a twist.
Fast enough for thousands of experiments a minute, and exact enough to say whether a command was safe.
"""

import math
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from robot_mbrl.command_config import STIFFNESS
from robot_mbrl.config import RobotConfig
from robot_mbrl.joint_config import CommandJoint
from robot_mbrl.topics import JOINT_STATE
from sim.errors import WorldError
from sim.worlds.variation import Variation
from sim.worlds.world import ImageReading, JointReading, Reading, Stance

STOPS_BEYOND = 0.25
"""Share of a joint's range that its mechanical end stops lie beyond its bounds."""
SPEED_RESERVE = 1.5
"""How much faster than its limit a position drive could be."""
MASS, FRICTION = 1.0, 0.5
"""Of a joint that takes efforts: kg and N s/m, or kg m² and N m s/rad."""
SINKING_S = 1.0
"""Time constant with which a position drive that lets its joint go sinks to where it hangs."""


@dataclass(slots=True)
class PlantJoint:
    """One joint: what it takes, what it can do and where it is.

    Attributes:
        kind: what it is commanded in: position, velocity or effort; an axis of a twist is a velocity.
        low: mechanical end stop, rad or m.
        high: the other one.
        max_speed: the fastest that a position drive moves.
        continuous: whether it turns without end, and takes a position for any turn's.
        hanging: where it sinks to when its position drive lets it go.
    """

    kind: str
    low: float = -math.inf
    high: float = math.inf
    max_speed: float = math.inf
    continuous: bool = False
    hanging: float = 0.0
    position: float = 0.0
    velocity: float = 0.0
    command: float | None = None
    """None while it brakes."""
    gains: dict[str, float] = field(default_factory=dict)
    """Of a drive that is told any."""

    def advance(self, dt_s: float, *, blocked: bool) -> None:
        """Let time pass."""
        before = self.position
        if blocked or self.command is None:
            self.velocity = 0.0
        elif self.kind == "position" and self.gains.get(STIFFNESS) == 0.0:
            self.position = self.hanging + (self.position - self.hanging) * math.exp(-dt_s / SINKING_S)
        elif self.kind == "position":
            self._servo(self.command, dt_s)
        elif self.kind == "velocity":
            self.velocity = self.command
            self.position += self.command * dt_s
        else:
            self._push(self.command, dt_s)
        if not self.low <= self.position <= self.high:
            # End stops take all momentum.
            self.position = min(max(self.position, self.low), self.high)
            self.velocity = 0.0
        if self.kind == "position":
            self.velocity = (self.position - before) / dt_s if dt_s else 0.0

    def _servo(self, target: float, dt_s: float) -> None:
        way = target - self.position
        if self.continuous:
            way = math.remainder(way, math.tau)
        self.position += math.copysign(min(abs(way), self.max_speed * dt_s), way)

    def _push(self, effort: float, dt_s: float) -> None:
        """Mass and viscous friction: m dv/dt = effort - friction v, solved for a constant effort."""
        final = effort / FRICTION
        decay = math.exp(-FRICTION / MASS * dt_s)
        begin = self.velocity
        self.velocity = final + (begin - final) * decay
        self.position += final * dt_s + (begin - final) * (MASS / FRICTION) * (1.0 - decay)


class Plant:
    """The `World` of a robot's YAML. Joints that are measured and not commanded stay at 0.

    Attributes:
        joints: the driven joints by name, in the order of the robot's commands.
    """

    def __init__(self, robot: RobotConfig) -> None:
        """Put every joint at 0, or at the end of its range that is nearest to it, with the drives braked."""
        self.joints = {
            joint.name: _plant_joint("velocity" if command.kind == "twist" else command.kind, joint)
            for command in robot.commands
            for joint in command.joints
        }
        self._sources = _measured(robot)
        self._cameras = {camera.source for camera in robot.cameras.values()}
        self._blocked: frozenset[str] = frozenset()
        self._home = {name: joint.position for name, joint in self.joints.items()}

    def reset(self, rng: np.random.Generator) -> None:
        """Put every joint where it began, at rest and with the drives idle."""
        for name, joint in self.joints.items():
            joint.position, joint.velocity, joint.command = self._home[name], 0.0, None
            joint.gains = {}

    def apply(self, commands: Mapping[str, float]) -> None:
        """Command joints by name, and gains by `joint/interface`.

        Raises:
            WorldError: if a joint is not driven or a command is not finite.
        """
        for name, value in commands.items():
            joint, _, interface = name.partition("/")
            if joint not in self.joints or not math.isfinite(value):
                raise WorldError(f"joint {name!r} was commanded {value}; driven are {sorted(self.joints)}")
            if interface:
                self.joints[joint].gains[interface] = value
            else:
                self.joints[joint].command = value

    def brake(self) -> None:
        """Come to rest and stay there."""
        for joint in self.joints.values():
            joint.command = None

    def advance(self, duration_s: float) -> None:
        """Let time pass."""
        for name, joint in self.joints.items():
            joint.advance(duration_s, blocked=name in self._blocked)

    def kinds(self) -> Mapping[str, str]:
        """What each driven joint is commanded in, by its name."""
        return {name: joint.kind for name, joint in self.joints.items()}

    def positions(self) -> Mapping[str, float]:
        """Where each driven joint is, by its name, rad or m."""
        return {name: joint.position for name, joint in self.joints.items()}

    def poses(self) -> Mapping[str, Stance]:
        """Nothing here moves about."""
        return {}

    def block(self, joints: frozenset[str]) -> None:
        """Hold these joints where they are, and no others."""
        self._blocked = joints

    def vary(self, variation: Variation) -> None:
        """Refuse: its motion is known in closed form.

        Raises:
            WorldError: always.
        """
        raise WorldError("a plant has neither masses nor ground that could vary")

    def push(self, acceleration_m_s2: tuple[float, float]) -> None:
        """Refuse: its joints are moved by hand by faults.

        Raises:
            WorldError: always.
        """
        raise WorldError("a plant cannot be pushed: describe a fault `moved_by_hand`")

    def read(self, source: str, height: int = 64, width: int = 64) -> Reading:
        """The present reading of one source.

        Raises:
            WorldError: if the robot has no such JointState or camera.
        """
        if source in self._cameras:
            picture = self.render(source, height, width)
            return ImageReading(height, width, "rgb8", step=width * 3, data=array("B", picture.tobytes()))
        if source not in self._sources:
            have = sorted([*self._sources, *self._cameras])
            raise WorldError(f"this plant has no source {source!r}; it has {have}")
        names = self._sources[source]
        joints = [self.joints.get(name, _STILL) for name in names]
        return JointReading(
            name=list(names),
            position=[joint.position for joint in joints],
            velocity=[joint.velocity for joint in joints],
            effort=[joint.command or 0.0 if joint.kind == "effort" else 0.0 for joint in joints],
        )

    def render(self, camera: str, height: int = 64, width: int = 64) -> np.ndarray:
        """A test card, uint8, shape (height, width, 3): a bar whose place is the first joint's."""
        rows, columns = np.linspace(0, 255, height, dtype=np.uint8), np.linspace(0, 255, width, dtype=np.uint8)
        picture = np.zeros((height, width, 3), np.uint8)
        picture[..., 0], picture[..., 1] = rows[:, None], columns[None, :]
        first = next(iter(self.joints.values()))
        place = int((math.tanh(first.position) + 1.0) / 2.0 * (width - 1))
        picture[:, max(0, place - width // 32) : place + width // 32 + 1] = 255
        return picture

    def photograph(self, height: int = 240) -> np.ndarray:
        """The test card."""
        return self.render("", height, height)

    def snapshot(self) -> Any:
        """The state of everything, commands included."""
        return {name: (j.position, j.velocity, j.command, dict(j.gains)) for name, j in self.joints.items()}

    def restore(self, snapshot: Any) -> None:
        """Go back to a snapshot of this plant."""
        for name, (position, velocity, command, gains) in snapshot.items():
            joint = self.joints[name]
            joint.position, joint.velocity, joint.command, joint.gains = position, velocity, command, dict(gains)

    def close(self) -> None:
        """Nothing to release."""


_STILL = PlantJoint("none")


def _plant_joint(kind: str, joint: CommandJoint) -> PlantJoint:
    bounds = joint.position_bounds or ((joint.low, joint.high) if kind == "position" else None)
    plant = PlantJoint(kind, continuous=joint.continuous)
    if kind == "position":
        plant.max_speed = SPEED_RESERVE * joint.max_rate
    if bounds is not None:
        plant.position = plant.hanging = min(max(0.0, bounds[0]), bounds[1])
    if bounds is not None and not joint.continuous:
        beyond = STOPS_BEYOND * (bounds[1] - bounds[0])
        plant.low, plant.high = bounds[0] - beyond, bounds[1] + beyond
    return plant


def _measured(robot: RobotConfig) -> dict[str, tuple[str, ...]]:
    """Joints of each JointState source: those that it is observed for, and those that are commanded by it."""
    names: dict[str, dict[str, None]] = {n: {} for n, source in robot.sources.items() if source.type == JOINT_STATE}
    for _, source, value in robot.values():
        if source in names and value.joint is not None:
            names[source] |= {value.joint: None}
    for command in robot.commands:
        if command.source is not None:
            names[command.source] |= {joint.name: None for joint in command.joints}
    return {source: tuple(joints) for source, joints in names.items()}
