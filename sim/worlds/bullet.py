"""Worlds made of articulated bodies in PyBullet: a scene is data, one class simulates them all.

The measurements behind the settings are in docs/simulation.md.
"""

import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from sim.errors import WorldError
from sim.worlds.engine import connect, load_body
from sim.worlds.rendering import Camera, image_reading, render
from sim.worlds.variation import NOMINAL, Variation
from sim.worlds.world import JointReading, Reading, Stance

URDF_FOLDER = Path(__file__).parents[1] / "urdf"


@dataclass(frozen=True)
class Drive:
    """A driven joint: what it is commanded in, and the most effort (N or N m) it can exert."""

    kind: Literal["effort", "velocity"]
    limit: float


@dataclass(frozen=True)
class Scene:
    """What a world is made of."""

    bodies: Mapping[str, str]
    """URDF file of each body, by the name of the JointState source that its joints are read from."""
    drives: Mapping[str, Drive]
    """Driven joints by name; all others move freely."""
    cameras: Mapping[str, Camera]
    start: Callable[[np.random.Generator], Mapping[str, float]]
    """Draws the positions that joints start from, by name; joints it leaves out start at zero."""
    time_step_s: float = 0.002


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A saved state, which the engine keeps for as long as this object lives."""

    state: int
    commands: Mapping[str, float]
    braking: bool
    elapsed_s: float
    steps: int


@dataclass(frozen=True)
class _Joint:
    body: int
    index: int


class BulletWorld:
    """The `World` of a scene: effort and velocity drives on the joints of bodies that are fixed to the ground."""

    def __init__(self, scene: Scene) -> None:
        """Load the scene and put everything at zero."""
        self._scene = scene
        self._bullet = connect(scene.time_step_s)
        self._joints: dict[str, _Joint] = {}
        self._source_joints: dict[str, tuple[str, ...]] = {}
        # Body, link, mass, inertia and damping of everything that weighs something.
        self._nominal: list[tuple[int, int, float, tuple[float, ...], float]] = []
        for source, file in scene.bodies.items():
            self._load(source, URDF_FOLDER / file)
        self._commands: dict[str, float] = {}
        self._blocked: frozenset[str] = frozenset()
        self._variation = NOMINAL
        self._braking = True
        self._elapsed_s = 0.0
        self._steps = 0
        self._motors(on=True)
        self._pristine = self._bullet.saveState()

    def reset(self, rng: np.random.Generator) -> None:
        """Put everything at a start drawn from `rng`, at rest and with the drives idle."""
        # From one saved state, because the solver's memory of the last episode would else reach into this one.
        self._bullet.restoreState(self._pristine)
        self._elapsed_s, self._steps = 0.0, 0
        for name, position in self._scene.start(rng).items():
            joint = self._joints[name]
            self._bullet.resetJointState(joint.body, joint.index, position, 0.0)
        self.apply(dict.fromkeys(self._scene.drives, 0.0))

    def apply(self, commands: Mapping[str, float]) -> None:
        """Command drives by name (N, N m, m/s or rad/s), beyond their limits as far as these go.

        Raises:
            WorldError: if a joint is not driven or a command is not finite.
        """
        for name, value in commands.items():
            if "/" in name:
                continue  # These drives have no gains.
            if name not in self._scene.drives:
                raise WorldError(f"joint {name!r} is not driven; driven are {sorted(self._scene.drives)}")
            if not np.isfinite(value):
                raise WorldError(f"joint {name!r} was commanded {value}")
            self._commands[name] = float(value)
        if self._braking:
            self._motors(on=False)
        self._braking = False
        self._set_velocities()

    def brake(self) -> None:
        """Drive every driven joint to zero velocity with all the effort it has, and hold it there."""
        if not self._braking:
            self._motors(on=True)
        self._braking = True
        self._commands = dict.fromkeys(self._scene.drives, 0.0)

    def advance(self, duration_s: float) -> None:
        """Let time pass; durations that are no whole number of physics steps average out."""
        self._elapsed_s += duration_s
        due = round(self._elapsed_s / self._scene.time_step_s)
        efforts = [] if self._braking else self._efforts()
        bullet, torque, step = self._bullet, self._bullet.TORQUE_CONTROL, self._bullet.stepSimulation
        control = bullet.setJointMotorControl2
        for _ in range(due - self._steps):
            for body, index, effort in efforts:
                control(body, index, torque, force=effort)
            step()
        self._steps = due

    def kinds(self) -> Mapping[str, str]:
        """What each driven joint is commanded in, by its name: effort or velocity."""
        return {name: drive.kind for name, drive in self._scene.drives.items()}

    def positions(self) -> Mapping[str, float]:
        """Where each driven joint is, by its name, rad or m."""
        joints = {name: self._joints[name] for name in self._scene.drives}
        return {name: self._bullet.getJointState(joint.body, joint.index)[0] for name, joint in joints.items()}

    def poses(self) -> Mapping[str, Stance]:
        """Nothing here moves about."""
        return {}

    def block(self, joints: frozenset[str]) -> None:
        """Hold these driven joints with all the effort they have, whatever they are commanded, and no others."""
        self._blocked = joints
        self._motors(on=self._braking)
        if not self._braking:
            self._set_velocities()

    def vary(self, variation: Variation) -> None:
        """Differ from the nominal from now on: in masses, in the friction of joints, in drives, camera and light."""
        self._variation = variation
        for body, link, mass, inertia, damping in self._nominal:
            self._bullet.changeDynamics(
                body,
                link,
                mass=variation.mass * mass,
                localInertiaDiagonal=[variation.mass * part for part in inertia],
                jointDamping=variation.friction * damping,
            )

    def push(self, acceleration_m_s2: tuple[float, float]) -> None:
        """Refuse: nothing here can be pushed.

        Raises:
            WorldError: always.
        """
        raise WorldError("robots that are fixed to the ground cannot be pushed: leave the pushes out")

    def read(self, source: str, height: int = 64, width: int = 64) -> Reading:
        """The present reading of one source, not stamped; a camera's picture is of the size asked for.

        Raises:
            WorldError: if the world has no such source.
        """
        if source in self._scene.cameras:
            return image_reading(self.render(source, height, width))
        if source not in self._source_joints:
            have = sorted([*self._source_joints, *self._scene.cameras])
            raise WorldError(f"this world has no source {source!r}; it has {have}")
        names = self._source_joints[source]
        body = self._joints[names[0]].body
        states = self._bullet.getJointStates(body, [self._joints[name].index for name in names])
        return JointReading(
            name=list(names),
            position=[state[0] for state in states],
            velocity=[state[1] for state in states],
            effort=[self._effort(name) for name in names],
        )

    def render(self, camera: str, height: int = 64, width: int = 64) -> np.ndarray:
        """A camera's picture, uint8, shape (height, width, 3), by the software renderer and without shadows.

        Raises:
            WorldError: if the world has no such camera.
        """
        if camera not in self._scene.cameras:
            raise WorldError(f"this world has no camera {camera!r}; it has {sorted(self._scene.cameras)}")
        view, varied = self._scene.cameras[camera], self._variation
        return render(self._bullet, view, height, width, origin=varied.camera_m, light=varied.light)

    def photograph(self, height: int = 240) -> np.ndarray:
        """A picture for people, in true proportions, from the first camera; uint8, shape (height, width, 3)."""
        name, camera = next(iter(self._scene.cameras.items()))
        # Video codecs want even numbers of pixels.
        return self.render(name, height, 2 * round(height * camera.aspect / 2.0))

    def snapshot(self) -> Snapshot:
        """The state of everything, commands included; the engine forgets it when the object is no longer used."""
        state = self._bullet.saveState()
        saved = Snapshot(state, dict(self._commands), self._braking, self._elapsed_s, self._steps)
        weakref.finalize(saved, forget, self._bullet, state)
        return saved

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to a snapshot of this world; what follows repeats bit for bit."""
        self._bullet.restoreState(snapshot.state)
        self._elapsed_s, self._steps = snapshot.elapsed_s, snapshot.steps
        # The engine does not save what its motors are told.
        self._commands, self._braking = dict(snapshot.commands), snapshot.braking
        self._motors(on=snapshot.braking)
        if not snapshot.braking:
            self._set_velocities()

    def close(self) -> None:
        """Release the engine; the world cannot be used afterwards."""
        if self._bullet.isConnected():
            self._bullet.disconnect()

    def _load(self, source: str, urdf: Path) -> None:
        body = load_body(self._bullet, urdf)
        names = []
        for index in range(self._bullet.getNumJoints(body)):
            info = self._bullet.getJointInfo(body, index)
            if info[2] == self._bullet.JOINT_FIXED:
                continue
            name = info[1].decode()
            self._joints[name] = _Joint(body, index)
            names.append(name)
            mass, _, inertia, *_ = self._bullet.getDynamicsInfo(body, index)
            self._nominal.append((body, index, mass, inertia, info[6]))
            # Every joint starts with a motor that holds it.
            self._bullet.setJointMotorControl2(body, index, self._bullet.VELOCITY_CONTROL, force=0.0)
        self._source_joints[source] = tuple(names)

    def _motors(self, *, on: bool) -> None:
        """Have the engine's velocity motors brake the driven joints, or leave those that can move to the commands."""
        for name, drive in self._scene.drives.items():
            joint = self._joints[name]
            self._bullet.setJointMotorControl2(
                joint.body,
                joint.index,
                self._bullet.VELOCITY_CONTROL,
                targetVelocity=0.0,
                force=drive.limit if on or name in self._blocked else 0.0,
            )

    def _set_velocities(self) -> None:
        for name, drive in self._scene.drives.items():
            if drive.kind == "velocity" and name not in self._blocked:
                joint = self._joints[name]
                self._bullet.setJointMotorControl2(
                    joint.body,
                    joint.index,
                    self._bullet.VELOCITY_CONTROL,
                    targetVelocity=self._variation.strength * self._commands.get(name, 0.0),
                    force=drive.limit,
                )

    def _efforts(self) -> list[tuple[int, int, float]]:
        """Body, joint and clipped effort of every effort drive; the engine wants them anew at each physics step."""
        return [
            (self._joints[name].body, self._joints[name].index, self._effort(name))
            for name, drive in self._scene.drives.items()
            if drive.kind == "effort"
        ]

    def _effort(self, name: str) -> float:
        drive = self._scene.drives.get(name)
        if drive is None or drive.kind != "effort" or name in self._blocked:
            return 0.0
        told = self._variation.strength * self._commands.get(name, 0.0)
        return min(max(told, -drive.limit), drive.limit)


def forget(bullet: object, state: int) -> None:
    """Have the engine drop a saved state, if it still runs."""
    if bullet.isConnected():  # type: ignore[attr-defined]
        bullet.removeState(state)  # type: ignore[attr-defined]
