"""Four-legged robots of Unitree: twelve position servos, an inertial unit, and a tracker that sees how they move.

A robot of this kind is a URDF with its driver's joint names and limits, and a line in `sim.worlds.WORLDS`.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from sim.worlds.body import Body, Quaternion
from sim.worlds.bullet import URDF_FOLDER
from sim.worlds.drivetrains import Servos
from sim.worlds.mobile import MobileScene, Start
from sim.worlds.rendering import Camera
from sim.worlds.senses import Encoders, InertialUnit, Tracker

GAINS = {"hip": (80.0, 1.0), "thigh": (80.0, 2.0), "calf": (80.0, 2.0)}
"""Of the driver's servos where no gains are commanded: kp (N m/rad) and kd (N m s/rad), DayDreamer's on the real A1."""
BRAKE_GAIN = 3.0
"""kd (N m s/rad) while nobody commands: the robot sinks to the ground."""
LEAN_RAD = 0.4
"""How far from lying flat on its back it starts, in roll and in pitch."""
SHARE_OF_RANGE = 0.8
"""Joints start anywhere within this middle part of their range."""
CAMERA = Camera((1.1, -1.4, 0.9), (0.0, 0.0, 0.1), field_deg=40.0, aspect=4 / 3, follows=True, fineness=1)


def quadruped(urdf: str) -> MobileScene:
    """The scene of a four-legged robot.

    Args:
        urdf: file of the robot.
    """
    limits = joint_limits(URDF_FOLDER / urdf)

    def start(rng: np.random.Generator) -> Start:
        roll, pitch = math.pi + rng.uniform(-LEAN_RAD, LEAN_RAD), rng.uniform(-LEAN_RAD, LEAN_RAD)
        yaw = rng.uniform(-math.pi, math.pi)
        joints = {name: _within(rng, low, high) for name, (low, high) in limits.items()}
        return Start(orientation=quaternion(roll, pitch, yaw), joints=joints)

    return MobileScene(
        robot=urdf,
        drivetrain=_servos,
        start=start,
        senses={"joints": Encoders(), "imu": InertialUnit(), "tracker": Tracker()},
        cameras={"camera": CAMERA},
    )


def standing(scene: MobileScene, posture: Mapping[str, float]) -> MobileScene:
    """The scene with a robot that starts on its feet.

    Args:
        scene: of a four-legged robot.
        posture: rad, by the kind of joint: hip, thigh and calf.
    """
    names = joint_limits(URDF_FOLDER / scene.robot)
    joints = {name: posture[name.split("_")[1]] for name in names}
    return replace(scene, start=lambda rng: Start(joints=joints))


def joint_limits(urdf: Path) -> dict[str, tuple[float, float]]:
    """Where the joints of a URDF can be, rad, by name."""
    # The repository's own file, not a stranger's.
    root = ElementTree.parse(urdf).getroot()  # noqa: S314
    found = {}
    for joint in root.iter("joint"):
        if (limit := joint.find("limit")) is not None:
            found[joint.attrib["name"]] = float(limit.attrib["lower"]), float(limit.attrib["upper"])
    return found


def quaternion(roll: float, pitch: float, yaw: float) -> Quaternion:
    """x, y, z and w of an orientation given by angles about the fixed axes x, y and z, rad."""
    (cr, sr), (cp, sp), (cy, sy) = ((math.cos(a / 2.0), math.sin(a / 2.0)) for a in (roll, pitch, yaw))
    return (
        sr * cp * cy - cr * sp * sy,
        cr * sp * cy + sr * cp * sy,
        cr * cp * sy - sr * sp * cy,
        cr * cp * cy + sr * sp * sy,
    )


def _servos(bullet: Any, body: Body) -> Servos:
    return Servos(bullet, body, GAINS, BRAKE_GAIN)


def _within(rng: np.random.Generator, low: float, high: float) -> float:
    margin = (1.0 - SHARE_OF_RANGE) / 2.0 * (high - low)
    return float(rng.uniform(low + margin, high - margin))
