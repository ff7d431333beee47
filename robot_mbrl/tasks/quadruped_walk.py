"""A quadruped on its back rolls over, stands up and walks ahead: DayDreamer's reward of the A1 (Wu et al. 2022, eq. 5).

    reward = upright + abduction + hip + knee + 10 (forward + 1) / 2,    at most 14

Each of the first four is in [0, 1] and counts only while the one before is above 0.7, `forward` (in [-1, 1], and as
published never below 0) only while `knee` is. Lying still on its back pays 5, standing still 9. Constants, and what
the paper leaves open, as in the authors' code.
"""

import math
from collections.abc import Mapping
from typing import ClassVar

from robot_mbrl.tasks.task import Judgement

LEGS = ("FR", "FL", "RR", "RL")
GATE = 0.7
"""A term above this opens the next one."""
FORWARD_M_S = 0.3
"""Speed at which the last term is full."""
FORWARD_WEIGHT = 10.0

POSTURE = {
    "hip": (-0.787, 0.787, 0.0),
    "thigh": (-0.995, 3.665, 0.869),
    "calf": (-2.679, -1.628, -1.628),
}
"""Of each kind of joint: the range of DayDreamer's actions, in which angles are compared, and where it stands, rad."""
SUCCESS = 10.0
"""Walking: DayDreamer's mean reward of minutes 50 to 55 is 10.1."""


class QuadrupedWalk:
    """Rewards posture first and then speed ahead; never terminal, since a robot that fell has to get up."""

    reads: ClassVar[tuple[str, ...]] = (
        *("roll", "pitch", "speed_forward", "speed_left", "speed_up"),
        *(f"{leg}_{part}" for leg in LEGS for part in POSTURE),
    )

    def reset(self) -> None:
        """Nothing is remembered between steps."""

    def judge(self, values: Mapping[str, float]) -> Judgement:
        """Judge by `roll` and `pitch` (rad), speeds in the body's frame (m/s) and joint angles (rad)."""
        upright, *posture = posture_terms(values)
        forward = forward_term(values) if posture[-1] > GATE else 0.0
        reward = upright + sum(posture) + FORWARD_WEIGHT * (forward + 1.0) / 2.0
        return Judgement(reward=reward, success=reward >= SUCCESS)


def posture_terms(values: Mapping[str, float]) -> tuple[float, float, float, float]:
    """How upright it is, and how near abductions, hips and knees are to standing, each 0 until the one before is."""
    upright = (math.cos(values["roll"]) * math.cos(values["pitch"]) + 1.0) / 2.0
    terms = [upright]
    for part in POSTURE:
        near = 1.0 - sum(_deviation(part, values[f"{leg}_{part}"]) for leg in LEGS) / len(LEGS)
        terms.append(near if terms[-1] > GATE else 0.0)
    return terms[0], terms[1], terms[2], terms[3]


def forward_term(values: Mapping[str, float]) -> float:
    """Share of the motion that leads ahead, times the speed ahead as a share of 0.3 m/s, at most 1."""
    roll, pitch = values["roll"], values["pitch"]
    x, y, z = values["speed_forward"], values["speed_left"], values["speed_up"]
    # The velocity along where the nose points on the ground, a direction that is shorter the steeper it points.
    level = math.cos(pitch) * x + math.sin(pitch) * (math.sin(roll) * y + math.cos(roll) * z)
    ahead = math.cos(pitch) * level
    speed = math.sqrt(x * x + y * y + z * z)
    if speed == 0.0:
        return 0.0
    return max(0.0, ahead) / speed * min(max(ahead / FORWARD_M_S, -1.0), 1.0)


def _deviation(part: str, angle: float) -> float:
    """How far an angle is from standing, as a share of the farthest that actions can lead, at most 1."""
    low, high, standing = POSTURE[part]
    angle = min(max(angle, low), high)
    return abs(angle - standing) / max(high - standing, standing - low)
