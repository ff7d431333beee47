"""A quadruped that rolls over, stands up and trots: postures by the clock, and a trot in the paths of its feet.

Lying on its back it does what a turtle with long legs would: one side's legs push it up and over the other side's,
which are folded. Trotting, diagonal feet swing together along half ellipses (a central pattern generator with one
phase), turned into joint angles by the leg's inverse kinematics; nothing but roll and pitch is fed back.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree import ElementTree

import numpy as np

from robot_mbrl.config import RobotConfig
from robot_mbrl.control.shaping import to_action
from sim.worlds.bullet import URDF_FOLDER

LEGS = ("FR", "FL", "RR", "RL")
PARTS = ("hip", "thigh", "calf")

LYING_COS = 0.4
"""Below this cosine between its up and the world's it lies, and rolls over."""
STANDING_COS = 0.9
"""Above this one it stands, if its legs do."""
POSTURE_RAD = 0.35
"""How far from the standing posture joints may be, on average, for it to begin to walk."""

PUSH_S, TUCK_S = 1.25, 0.75
"""How long each part of rolling over takes."""
OVER_S = 2.0
"""How long one attempt takes in all; the rest of it goes for the standing posture."""
PUSH = {"push": (0.17, 0.84, 0.34), "fold": (-0.72, 0.90, 0.05)}
TUCK = {"push": (-0.2, -0.1, -0.82), "fold": (-0.15, -0.43, -0.06)}
"""Normalised hip, thigh and calf of the pushing and of the folded legs, found by the cross-entropy method; hips of
left legs, those of right legs are mirrored."""


@dataclass(frozen=True)
class Gait:
    """A trot.

    Attributes:
        rate_hz: steps of each foot per second.
        stride_m: half of the way that a foot makes along the ground, before the commands' filter shortens it.
        lift_m: how high feet swing, likewise.
        height_m: of the hips above the ground.
        shift_m: how far ahead of the hips the feet are on average.
    """

    rate_hz: float = 1.5
    stride_m: float = 0.13
    lift_m: float = 0.07
    height_m: float = 0.27
    shift_m: float = 0.0


GAITS = {"go2": Gait(stride_m=0.2, lift_m=0.1, height_m=0.28)}
"""Of robots that need another one."""


@dataclass(frozen=True)
class Leg:
    """Lengths of a leg's parts: from hip to thigh sideways, thigh and calf, m."""

    side_m: float
    part_m: float

    def angles(self, x: float, y: float, z: float, side: int) -> tuple[float, float, float]:
        """Hip, thigh and calf, rad, that bring the foot to a place relative to the hip, or as near as it reaches.

        Args:
            x: ahead, m.
            y: to the left, m.
            z: up, m; below the hip.
            side: 1 for a left leg, -1 for a right one.
        """
        below = math.sqrt(max(y * y + z * z - self.side_m**2, 1e-9))
        hip = math.atan2(y, -z) - math.atan2(side * self.side_m, below)
        reach = min(math.hypot(x, below), 2.0 * self.part_m)
        calf = -math.acos((reach**2 - 2.0 * self.part_m**2) / (2.0 * self.part_m**2))
        return hip, math.atan2(-x, below) - calf / 2.0, calf


class QuadrupedExpert:
    """Rolls over, stands up, walks; begins anew with whatever comes next whenever it has fallen."""

    def __init__(self, robot: RobotConfig, gait: Gait | None = None) -> None:
        """Take the joints' ranges from the robot, and the lengths of its legs from its URDF."""
        self._joints = {joint.name: joint for joint in robot.joints}
        self._period_s = robot.period_s
        self._gait = gait or GAITS.get(robot.name, Gait())
        self._leg = measure_leg(robot.name)
        self._lying_s = math.inf
        self._side = 1
        self._walking_s: float | None = None

    def act(self, values: Mapping[str, float]) -> np.ndarray:
        """Normalised joint targets, float32, shape (12,)."""
        up = math.cos(values["roll"]) * math.cos(values["pitch"])
        if self._is_rolling_over(up, values["roll"]):
            self._walking_s = None
            return self._roll_over()
        if up < STANDING_COS or (self._walking_s is None and not self._stands(values)):
            self._walking_s = None
            return self._targets({leg: self._standing(leg) for leg in LEGS})
        self._walking_s = (self._walking_s or 0.0) + self._period_s
        return self._targets({leg: self._step(leg, self._walking_s) for leg in LEGS})

    def _is_rolling_over(self, up: float, roll: float) -> bool:
        """Whether an attempt to roll over is under way; one begins when none is, and it lies."""
        self._lying_s += self._period_s
        if self._lying_s >= OVER_S:
            if up >= LYING_COS:
                return False
            # To the side that it leans to, and if that has failed, to the other one.
            self._side = -self._side if self._lying_s < 2.0 * OVER_S else (1 if roll >= 0.0 else -1)
            self._lying_s = 0.0
        return self._lying_s < OVER_S

    def _roll_over(self) -> np.ndarray:
        if self._lying_s >= PUSH_S + TUCK_S:
            return self._targets({leg: self._standing(leg) for leg in LEGS})
        posture = PUSH if self._lying_s < PUSH_S else TUCK
        pushing = "L" if self._side > 0 else "R"
        actions = {}
        for leg in LEGS:
            hip, thigh, calf = posture["push" if leg[1] == pushing else "fold"]
            # As the left legs push to the right, the right ones push to the left.
            actions[leg] = (hip * self._side, thigh, calf)
        return np.array([action for name in self._joints for action in [actions[name[:2]][_number(name)]]], np.float32)

    def _stands(self, values: Mapping[str, float]) -> bool:
        away = [
            abs(values[f"{leg}_{part}"] - angle)
            for leg in LEGS
            for part, angle in zip(PARTS, self._standing(leg), strict=True)
        ]
        return sum(away) / len(away) < POSTURE_RAD

    def _standing(self, leg: str) -> tuple[float, float, float]:
        side = _side(leg)
        return self._leg.angles(self._gait.shift_m, side * self._leg.side_m, -self._gait.height_m, side)

    def _step(self, leg: str, time_s: float) -> tuple[float, float, float]:
        """Joint angles of a leg at a time of the trot: half a period on the ground, half in the air."""
        gait, side = self._gait, _side(leg)
        phase = math.tau * gait.rate_hz * time_s + (0.0 if leg in ("FR", "RL") else math.pi)
        x = gait.shift_m + gait.stride_m * math.cos(phase)
        z = -gait.height_m + gait.lift_m * max(0.0, -math.sin(phase))
        return self._leg.angles(x, side * self._leg.side_m, z, side)

    def _targets(self, angles: Mapping[str, tuple[float, float, float]]) -> np.ndarray:
        actions = [to_action(joint, angles[name[:2]][_number(name)]) for name, joint in self._joints.items()]
        return np.array(actions, np.float32)


def measure_leg(robot: str) -> Leg:
    """The lengths of a robot's legs, from where its URDF puts the joints."""
    # The repository's own file, not a stranger's.
    root = ElementTree.parse(URDF_FOLDER / f"{robot}.urdf").getroot()  # noqa: S314
    places = {
        joint.attrib["name"]: [float(x) for x in origin.attrib["xyz"].split()]
        for joint in root.iter("joint")
        if (origin := joint.find("origin")) is not None
    }
    return Leg(side_m=abs(places["FL_thigh_joint"][1]), part_m=abs(places["FL_calf_joint"][2]))


def _side(leg: str) -> int:
    return 1 if leg[1] == "L" else -1


def _number(joint: str) -> int:
    """Which of the parts of its leg a joint moves."""
    return PARTS.index(joint.split("_")[1])
