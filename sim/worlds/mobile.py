"""Worlds of one robot that is free to move about over ground, in PyBullet: a scene is data, one class simulates all."""

import math
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sim.errors import WorldError
from sim.worlds.body import Body, Quaternion
from sim.worlds.bullet import URDF_FOLDER, forget
from sim.worlds.drivetrains import Drivetrain
from sim.worlds.engine import connect
from sim.worlds.ground import BURIED_M, Ground, Thing, build_thing
from sim.worlds.rendering import Camera, image_reading, render
from sim.worlds.senses import Sense, Stage
from sim.worlds.variation import NOMINAL, Variation
from sim.worlds.world import BASE, Reading, Stance

BUMP = Thing("box", (0.3, 0.2, 0.1), (0.42, 0.36, 0.30))
"""A flat block that lies more or less deep in the ground."""
ALOFT_M = 100.0
"""Where the robot waits to be put somewhere, clear of everything there is."""
STOP_ERP = 0.2
"""Share of a joint's overshoot past its end stop that is corrected per step."""
ROBOT_FRICTION = 1.0
"""The engine multiplies the friction of robot and ground, so it is the ground's that counts."""


@dataclass(frozen=True)
class Start:
    """How an episode begins.

    Attributes:
        place: of the robot, x and y in m.
        orientation: of the robot, as a quaternion x, y, z and w.
        joints: positions by name.
        things: x, y (m) and yaw (rad) of things by name; those it leaves out are away.
    """

    place: tuple[float, float] = (0.0, 0.0)
    orientation: Quaternion = (0.0, 0.0, 0.0, 1.0)
    joints: Mapping[str, float] = field(default_factory=dict)
    things: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class MobileScene:
    """What such a world is made of.

    Attributes:
        robot: URDF file of the robot.
        drivetrain: makes what moves it, of the engine and its body.
        start: draws how an episode begins.
        senses: sensors by the name of the robot's source.
        cameras: likewise; the first takes the pictures for people.
        things: what stands around, by name.
    """

    robot: str
    drivetrain: Callable[[Any, Body], Drivetrain]
    start: Callable[[np.random.Generator], Start]
    senses: Mapping[str, Sense]
    cameras: Mapping[str, Camera]
    things: Mapping[str, Thing] = field(default_factory=dict)
    ground: Ground = Ground()
    time_step_s: float = 0.002


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A saved state, which the engine keeps for as long as this object lives."""

    state: int
    drivetrain: Any
    was_moving: Any
    pushed: tuple[float, float]
    elapsed_s: float
    steps: int


class MobileWorld:
    """The `World` of a scene."""

    def __init__(self, scene: MobileScene) -> None:
        """Load the scene, with everything at zero."""
        self.scene = scene
        self._bullet = connect(scene.time_step_s)
        # With a cone, wheels that skid stick after a while. End stops bear a falling robot: they must be hard.
        self._bullet.setPhysicsEngineParameter(enableConeFriction=0, erp=STOP_ERP)
        self._floor = scene.ground.lay(self._bullet)
        self._body = Body(self._bullet, URDF_FOLDER / scene.robot, ROBOT_FRICTION)
        self._drivetrain = scene.drivetrain(self._bullet, self._body)
        things = {name: build_thing(self._bullet, thing) for name, thing in scene.things.items()}
        self._stage = Stage(self._bullet, self._body, self._drivetrain, things, scene.time_step_s)
        self._variation = NOMINAL
        self._bumps: list[int] = []
        self._pushed: tuple[float, float] = (0.0, 0.0)
        self._elapsed_s = 0.0
        self._steps = 0
        self._bullet.resetBasePositionAndOrientation(self._body.index, (0.0, 0.0, ALOFT_M), (0.0, 0.0, 0.0, 1.0))
        self._pristine = self._bullet.saveState()

    def reset(self, rng: np.random.Generator) -> None:
        """Put everything at a start drawn from `rng`, at rest and with the drives idle."""
        self._forget_contacts()
        self._elapsed_s, self._steps = 0.0, 0
        start = self.scene.start(rng)
        for name, thing in self.scene.things.items():
            x, y, yaw = start.things.get(name, (0.0, 0.0, 0.0))
            height_m = thing.height_m / 2.0 if name in start.things else BURIED_M
            turn = self._bullet.getQuaternionFromEuler((0.0, 0.0, yaw))
            self._bullet.resetBasePositionAndOrientation(self._stage.things[name], (x, y, height_m), turn)
        self._lay_bumps()
        self._body.put(start.place, start.orientation, start.joints)
        self._drivetrain.brake()

    def apply(self, commands: Mapping[str, float]) -> None:
        """Command drives by name, beyond their limits as far as these go.

        Raises:
            WorldError: if one is not driven or a command is not finite.
        """
        for name, value in commands.items():
            if not math.isfinite(value):
                raise WorldError(f"{name!r} was commanded {value}")
        self._drivetrain.command(commands)

    def brake(self) -> None:
        """What the drives do by themselves when commands cease: come to rest and stay there."""
        self._drivetrain.brake()

    def advance(self, duration_s: float) -> None:
        """Let time pass; durations that are no whole number of physics steps average out."""
        self._elapsed_s += duration_s
        due = round(self._elapsed_s / self.scene.time_step_s)
        act, step, body = self._drivetrain.act, self._bullet.stepSimulation, self._body
        pushed = any(self._pushed)
        for remaining in range(due - self._steps, 0, -1):
            if remaining == 1:
                body.was_moving = body.moving()
            act()
            if pushed:
                body.push(self._pushed)
            step()
        self._steps = due

    def kinds(self) -> Mapping[str, str]:
        """What each drive is commanded in, by its name."""
        return self._drivetrain.kinds()

    def positions(self) -> Mapping[str, float]:
        """Where each drive is, by its name, rad or m."""
        return self._drivetrain.positions()

    def poses(self) -> Mapping[str, Stance]:
        """Where the robot's base is, and all things."""
        things = self._stage.things.items()
        where = {name: self._bullet.getBasePositionAndOrientation(thing) for name, thing in things}
        return {BASE: self._body.pose(), **where}

    def block(self, joints: frozenset[str]) -> None:
        """Hold these drives where they are, whatever they are commanded, and no others."""
        self._drivetrain.block(joints)

    def vary(self, variation: Variation) -> None:
        """Differ from the nominal from the next reset on."""
        if variation.bumps and not self._bumps:
            # The engine restores a state only into a world of as many bodies.
            self._bullet.restoreState(self._pristine)
            self._bumps = [build_thing(self._bullet, BUMP) for _ in variation.bumps]
            self._bullet.removeState(self._pristine)
            self._pristine = self._bullet.saveState()
        self._variation = variation
        self._floor.set_friction(variation.friction * self.scene.ground.friction)
        self._body.weigh(variation.mass)
        self._drivetrain.strength = variation.strength

    def push(self, acceleration_m_s2: tuple[float, float]) -> None:
        """Push the robot with what would accelerate it so along x and y if nothing held it, until told otherwise."""
        self._pushed = acceleration_m_s2

    def read(self, source: str, height: int = 64, width: int = 64) -> Reading:
        """The present reading of one source, not stamped; a camera's picture is of the size asked for.

        Raises:
            WorldError: if the world has no such source.
        """
        if source in self.scene.cameras:
            return image_reading(self.render(source, height, width))
        if source not in self.scene.senses:
            have = sorted([*self.scene.senses, *self.scene.cameras])
            raise WorldError(f"this world has no source {source!r}; it has {have}")
        return self.scene.senses[source].read(self._stage)

    def render(self, camera: str, height: int = 64, width: int = 64) -> np.ndarray:
        """A camera's picture, uint8, shape (height, width, 3).

        Raises:
            WorldError: if the world has no such camera.
        """
        if camera not in self.scene.cameras:
            raise WorldError(f"this world has no camera {camera!r}; it has {sorted(self.scene.cameras)}")
        view = self.scene.cameras[camera]
        (x, y, _), _ = self._body.pose()
        seen_from = (x, y, 0.0) if view.follows else (0.0, 0.0, 0.0)
        self._floor.show_around(*seen_from[:2])
        dx, dy, dz = self._variation.camera_m
        origin = (seen_from[0] + dx, seen_from[1] + dy, dz)
        return render(self._bullet, view, height, width, origin=origin, light=self._variation.light)

    def photograph(self, height: int = 240) -> np.ndarray:
        """A picture for people, in true proportions, from the first camera; uint8, shape (height, width, 3)."""
        name, camera = next(iter(self.scene.cameras.items()))
        # Video codecs want even numbers of pixels.
        return self.render(name, height, 2 * round(height * camera.aspect / 2.0))

    def snapshot(self) -> Snapshot:
        """The state of everything, commands included; the engine forgets it when the object is no longer used."""
        state = self._bullet.saveState()
        drivetrain = self._drivetrain.snapshot()
        saved = Snapshot(state, drivetrain, self._body.was_moving, self._pushed, self._elapsed_s, self._steps)
        weakref.finalize(saved, forget, self._bullet, state)
        return saved

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to a snapshot of this world; what follows repeats bit for bit."""
        self._forget_contacts()
        self._bullet.restoreState(snapshot.state)
        self._elapsed_s, self._steps = snapshot.elapsed_s, snapshot.steps
        self._body.was_moving, self._pushed = snapshot.was_moving, snapshot.pushed
        self._drivetrain.restore(snapshot.drivetrain)

    def _forget_contacts(self) -> None:
        # The solver starts from the contacts of the step before, and restoring a state keeps those that the state knows
        # nothing of. With the robot aloft nothing touches, and looking for contacts then ends them all.
        self._bullet.restoreState(self._pristine)
        self._bullet.performCollisionDetection()

    def _lay_bumps(self) -> None:
        for body, bump in zip(self._bumps, self._variation.bumps, strict=False):
            turn = self._bullet.getQuaternionFromEuler((0.0, 0.0, bump.yaw))
            middle_m = bump.height_m - BUMP.height_m / 2.0
            self._bullet.resetBasePositionAndOrientation(body, (bump.x, bump.y, middle_m), turn)

    def close(self) -> None:
        """Release the engine; the world cannot be used afterwards."""
        if self._bullet.isConnected():
            self._bullet.disconnect()
