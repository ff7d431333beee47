"""The robots of the campaign: a position arm, a base or arm driven by velocities, a joint driven by effort; and legs.

Legs are positions as DayDreamer's quadruped commands them: smoothed, targets near the joint, damped by their gains.
"""

import random
from typing import Any

from robot_mbrl.config import RobotConfig

KINDS = ("arm", "base", "joint")
"""Those that take turns where none is named."""
LEGS = "legs"
SOURCE = "joints"
CONTROL_HZ, COMMAND_HZ = 25.0, 50.0
PERIOD_S, TICK_S = 1.0 / CONTROL_HZ, 1.0 / COMMAND_HZ
MULTI_ARRAY = "std_msgs/msg/Float64MultiArray"


def draw_robot(kind: str, rng: random.Random, *, wraps: bool) -> RobotConfig:
    """One of the robots, with limits that differ from case to case.

    Args:
        kind: one of `KINDS`, or `LEGS`.
        rng: of the case.
        wraps: whether a joint's angles are given within a turn; it is declared to turn without end then.
    """
    guard: dict[str, Any] = {
        "command_rate_hz": COMMAND_HZ,
        "action_deadline_s": 0.03,
        "command_timeout_s": rng.choice((0.09, 0.13)),
        "recover_steps": rng.choice((2, 3)),
        "safe_stop": "hold" if kind in ("arm", LEGS) else "zero",
        "driver_timeout_s": rng.choice((None, 0.25)),
        "enable_timeout_s": rng.choice((None, None, 0.25)),
    }
    source = {"topic": "joint_states", "type": "sensor_msgs/msg/JointState", "max_age_s": rng.choice((0.1, 0.2))}
    raw: dict[str, Any] = {"name": kind, "control_rate_hz": CONTROL_HZ, "sources": {SOURCE: source}, "guard": guard}
    match kind:
        case "arm":
            raw["commands"] = [_positions(rng, wraps=wraps)]
        case "legs":
            raw["commands"] = [_legs(rng)]
            if "stop_constants" in raw["commands"][0]:
                guard["safe_stop"] = "damping"
        case "base":
            raw["commands"] = [_twist() if rng.random() < 0.25 and not wraps else _velocities(rng)]
        case "joint":
            raw["commands"] = [_efforts()]
            if rng.random() < 0.4:
                guard |= {"safe_stop": "damping", "damping": 0.5}
    return RobotConfig.model_validate(raw)


def _command(kind: str, joints: list[dict[str, Any]]) -> dict[str, Any]:
    return {"topic": kind, "type": MULTI_ARRAY, "kind": kind, "source": SOURCE, "joints": joints}


def _positions(rng: random.Random, *, wraps: bool) -> dict[str, Any]:
    first: dict[str, Any] = {"name": "a", "unit": "rad", "max_rate": 2.0, "max_acceleration": rng.choice((4.0, 8.0))}
    first |= {"low": -4.0, "high": 4.0, "continuous": True} if wraps else {"low": -1.2, "high": 1.2}
    # More than it lags at full speed with the slowest of servos.
    first["max_following_error"] = rng.choice((0.6, 0.9))
    second = {"name": "b", "unit": "rad", "low": -1.0, "high": 1.0, "max_rate": 1.0, "max_acceleration": 10.0}
    second |= {"position_low": -1.5, "position_high": 1.5, "max_following_error": 0.4, "position_tolerance": 0.05}
    if rng.random() < 0.3:
        first["max_jerk"] = second["max_jerk"] = 200.0
    return _command("position", [first, second])


def _legs(rng: random.Random) -> dict[str, Any]:
    first: dict[str, Any] = {"name": "a", "unit": "rad", "low": -1.2, "high": 1.2, "max_rate": 4.0}
    first |= {"max_acceleration": rng.choice((20.0, 80.0)), "max_following_error": 0.9}
    second: dict[str, Any] = {"name": "b", "unit": "rad", "low": -1.0, "high": 1.0, "max_rate": 3.0}
    second |= {"max_acceleration": 40.0, "max_following_error": 0.8, "position_low": -1.5, "position_high": 1.5}
    command = _command("position", [first, second])
    if rng.random() < 0.8:
        first["max_offset"], second["max_offset"] = rng.choice((0.1, 0.2, 0.4)), 0.2
    if rng.random() < 0.8:
        command["filter"] = {"order": rng.choice((1, 2, 3)), "cutoff_hz": rng.choice((1.5, 4.0))}
    if rng.random() < 0.7:
        command |= {"interfaces": ["position", "kp", "kd"], "layout": rng.choice(("by_joint", "by_interface"))}
        command |= {"constants": {"kp": 80.0, "kd": 2.0}, "stop_constants": {"kp": 0.0, "kd": 5.0}}
        first["constants"] = {"kd": 1.0}
    return command


def _velocities(rng: random.Random) -> dict[str, Any]:
    first = {"name": "a", "unit": "rad/s", "low": -2.0, "high": 2.0, "max_rate": rng.choice((10.0, 20.0))}
    first |= {"position_low": -1.5, "position_high": 1.5, "braking": 10.0, "position_tolerance": 0.1}
    second = {"name": "b", "unit": "rad/s", "low": -1.0, "high": 3.0, "max_rate": 5.0}
    if rng.random() < 0.5:
        second["stop_rate"] = 10.0
    return _command("velocity", [first, second])


def _twist() -> dict[str, Any]:
    return {
        "topic": "cmd_vel",
        "type": "geometry_msgs/msg/Twist",
        "kind": "twist",
        "joints": [
            {"name": "linear.x", "unit": "m/s", "low": 0.0, "high": 0.6, "max_rate": 1.0, "stop_rate": 3.0},
            {"name": "angular.z", "unit": "rad/s", "low": -1.0, "high": 1.0, "max_rate": 4.0},
        ],
    }


def _efforts() -> dict[str, Any]:
    first = {"name": "a", "unit": "N", "low": -10.0, "high": 10.0, "max_rate": 500.0}
    first |= {"position_low": -2.5, "position_high": 2.5}
    second = {"name": "b", "unit": "N", "low": -1.0, "high": 2.0, "max_rate": 20.0}
    return _command("effort", [first, second])
