"""Robots of every kind of command, and messages with the fields of the standard ones, for tests without ROS."""

from types import SimpleNamespace
from typing import Any

from robot_mbrl import messages, topics
from robot_mbrl.config import RobotConfig
from robot_mbrl.specs import Source
from robot_mbrl.steps import StepKey

PERIOD_S = 0.05
GUARD = {
    "command_rate_hz": 100.0,
    "action_deadline_s": 0.04,
    "command_timeout_s": 0.13,
    "recover_steps": 3,
    "safe_stop": "zero",
    "driver_timeout_s": None,
}
MULTI_ARRAY = "std_msgs/msg/Float64MultiArray"
COMMANDS: dict[str, dict[str, Any]] = {
    "position": {
        "topic": "positions",
        "type": MULTI_ARRAY,
        "kind": "position",
        "source": "joints",
        "joints": [
            {
                "name": "a",
                "unit": "rad",
                "low": -1.0,
                "high": 1.0,
                "max_rate": 2.0,
                "max_acceleration": 8.0,
                "max_following_error": 0.5,
            },
            {
                "name": "b",
                "unit": "rad",
                "low": -0.5,
                "high": 2.0,
                "max_rate": 1.0,
                "max_acceleration": 50.0,
                "max_following_error": 0.25,
                "position_low": -0.6,
                "position_high": 1.8,
            },
        ],
    },
    "velocity": {
        "topic": "velocities",
        "type": MULTI_ARRAY,
        "kind": "velocity",
        "source": "joints",
        "joints": [
            {
                "name": "a",
                "unit": "rad/s",
                "low": -2.0,
                "high": 2.0,
                "max_rate": 20.0,
                "position_low": -1.5,
                "position_high": 1.5,
                "braking": 10.0,
            },
            {"name": "b", "unit": "rad/s", "low": -1.0, "high": 3.0, "max_rate": 5.0},
        ],
    },
    "effort": {
        "topic": "efforts",
        "type": MULTI_ARRAY,
        "kind": "effort",
        "source": "joints",
        "joints": [
            {
                "name": "a",
                "unit": "N",
                "low": -10.0,
                "high": 10.0,
                "max_rate": 500.0,
                "position_low": -2.5,
                "position_high": 2.5,
            },
            {"name": "b", "unit": "N", "low": -1.0, "high": 2.0, "max_rate": 20.0},
        ],
    },
    "twist": {
        "topic": "twist",
        "type": "geometry_msgs/msg/Twist",
        "kind": "twist",
        "joints": [
            {"name": "linear.x", "unit": "m/s", "low": 0.0, "high": 0.5, "max_rate": 1.0},
            {"name": "angular.z", "unit": "rad/s", "low": -1.0, "high": 1.0, "max_rate": 4.0},
        ],
    },
}


def robot(kind: str, **changes: Any) -> RobotConfig:
    """A robot with one command of a kind, at 20 Hz; `guard` changes fields of the guard's settings."""
    stop = "hold" if kind == "position" else GUARD["safe_stop"]
    guard = {**GUARD, "safe_stop": stop, **changes.pop("guard", {})}
    joints = {"topic": "joint_states", "type": "sensor_msgs/msg/JointState", "max_age_s": 0.2}
    raw = {
        "name": kind,
        "control_rate_hz": 1.0 / PERIOD_S,
        "sources": {"joints": joints},
        "commands": [COMMANDS[kind]],
        "guard": guard,
    }
    return RobotConfig.model_validate(raw | changes)


def limited(kind: str, **limits: Any) -> dict[str, Any]:
    """The commands of a kind with other limits for joint a, as a change of `robot`."""
    command = COMMANDS[kind]
    first, *others = command["joints"]
    return {"commands": [command | {"joints": [first | limits, *others]}]}


def joint_state(
    names: list[str],
    position: list[float],
    velocity: list[float] | None = None,
    effort: list[float] | None = None,
    stamp_s: float = 0.0,
) -> SimpleNamespace:
    """Fields of a `sensor_msgs/JointState`."""
    header = SimpleNamespace(frame_id="", stamp=SimpleNamespace(sec=0, nanosec=0))
    messages.write_stamp(header.stamp, round(stamp_s * messages.NANOSECONDS))
    return SimpleNamespace(header=header, name=names, position=position, velocity=velocity or [], effort=effort or [])


def action_message(key: StepKey, values: dict[str, float], source: float = Source.POLICY) -> SimpleNamespace:
    """A message on the topic `action`."""
    elements = {**values, topics.SOURCE: source, topics.POLICY_VERSION: 1.0}
    message = joint_state(list(elements), list(elements.values()))
    messages.write_key(message, key)
    return message
