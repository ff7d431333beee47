"""Robots whose YAML would only fail when the robot is about to move are refused when it is read."""

from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from robot_mbrl.config import RobotConfig, load_run, packaged
from tests.control.robots import COMMANDS, robot


def elements(**changes: Any) -> dict[str, Any]:
    return {"vectors": {"v": {"source": "joints", "elements": [{"name": "x", "field": "position"} | changes]}}}


def command(kind: str, **changes: Any) -> dict[str, Any]:
    return {"commands": [COMMANDS[kind] | changes]}


def joint(kind: str, **changes: Any) -> dict[str, Any]:
    first, *others = COMMANDS[kind]["joints"]
    return command(kind, joints=[{k: v for k, v in (first | changes).items() if v is not None}, *others])


def condition(**changes: Any) -> dict[str, Any]:
    return {"guard": {"conditions": [{"source": "joints", "field": "effort[0]"} | changes]}}


def gains(kind: str = "position", **changes: Any) -> dict[str, Any]:
    """Commands with gains, damped in the safe stop."""
    damped = {"guard": {"safe_stop": "damping"}} if kind == "position" else {}
    told = {"interfaces": [kind, "kp", "kd"], "constants": {"kp": 80.0, "kd": 2.0}, "stop_constants": {"kp": 0.0}}
    return damped | command(kind, **told | changes)


def stick(**changes: Any) -> dict[str, Any]:
    return {"teleop": {"dead_man": 4, "axes": {"a": {"axis": 0}}} | changes}


RIGHT = {"name": "right", "values": {"a": 1.0}}
STAY = {"name": "stay", "values": {}}


def picks(*, neutral: str | None = "stay", robot_choices: Any = (RIGHT, STAY), **changes: Any) -> dict[str, Any]:
    """A robot with choices, one of which a button picks."""
    teleop = {"dead_man": 4, "choices": {"right": {"button": 1}}, "neutral": neutral} | changes
    return {"choices": list(robot_choices), "teleop": teleop}


DAMPED = {"guard": {"safe_stop": "damping", "damping": 1.0}}
MORE = COMMANDS["position"] | {"topic": "more", "joints": [COMMANDS["position"]["joints"][0] | {"name": "c"}]}
TRAJECTORY = "trajectory_msgs/msg/JointTrajectory"
TURN = COMMANDS["twist"] | {"joints": [COMMANDS["twist"]["joints"][1] | {"name": "angular.x"}]}
UNMEASURED = {"commands": [COMMANDS["effort"] | {"source": None, "joints": COMMANDS["effort"]["joints"][1:]}]}
JOINTS = {"topic": "joint_states", "type": "sensor_msgs/msg/JointState", "max_age_s": 0.2}
EYE = {"sources": {"joints": JOINTS, "eye": {"topic": "image", "type": "sensor_msgs/msg/Image", "max_age_s": 0.3}}}
BODY = {"sources": {"body": {"topic": "imu", "type": "sensor_msgs/msg/Imu", "max_age_s": 0.1}}}


@pytest.mark.parametrize(
    ("kind", "changes", "complaint"),
    [
        ("effort", stick(axes={"c": {"axis": 0}}), r"teleop.axes: \['c'\] are not commanded; there are a, b"),
        ("effort", stick(dead_man=None), "dead_man: name the button"),
        ("effort", stick(axes={"a": {"axis": "linear.x"}}), "no axis of a Joy"),
        ("effort", stick(axes={"a": {"axis": 0, "scale": 0.0}}), "it moves nothing"),
        ("effort", stick(axes={"a": {"axis": 0, "dead_zone": 1.0}}), "leaves nothing of the axis"),
        ("effort", stick(topic="efforts"), "the guard alone may publish it"),
        ("effort", stick(type="geometry_msgs/msg/Twist"), "a Twist has no button"),
        ("effort", stick(type="geometry_msgs/msg/Twist", dead_man=None), "0 is none of a Twist's: linear.x"),
        ("effort", stick(axes={}), "axes: nothing moves the robot; map an axis, or choices"),
        ("effort", stick(neutral="stay"), "neutral: it belongs to choices"),
        ("effort", {"choices": [RIGHT, STAY]} | stick(), "teleop.axes: this robot's actions are choices; map buttons"),
        ("effort", picks(axes={"a": {"axis": 0}}), "leave out axes, or choices"),
        ("effort", picks(robot_choices=()), "teleop.choices: this robot has none; map axes"),
        ("effort", picks(choices={"jump": {"button": 1}}), r"\['jump'\] are no choices .* there are right, stay"),
        ("effort", picks(neutral=None), "neutral: name the choice that counts while nothing is pressed"),
        ("effort", picks(neutral="rest"), "teleop.neutral: there is no choice 'rest'; there are right, stay"),
        (
            "effort",
            picks(neutral="right"),
            "'right' moves a, though nothing is pressed; name a choice that moves nothing",
        ),
        (
            "position",
            picks(robot_choices=(RIGHT, {"name": "stay", "values": {"b": 0.0}})),
            "teleop.neutral: 'stay' moves b",
        ),
        ("effort", picks(dead_man=None), "dead_man: name the button"),
        ("effort", picks(dead_man=1), "choices.right: button 1 is that of dead_man already; use another"),
        ("effort", picks(choices={"right": {"key": "l"}}), "dead_man: it holds no axis and no button"),
        ("effort", picks(type="geometry_msgs/msg/Twist", dead_man=None), "type: choices are picked by the buttons"),
        (
            "effort",
            picks(choices={"right": {}, "stay": {"button": 2}}),
            "choices.right: nothing picks it; name a button or a key",
        ),
        (
            "effort",
            picks(choices={"right": {"button": 1}, "stay": {"button": 1}}),
            "choices.stay: button 1 is that of choices.right already",
        ),
        (
            "effort",
            picks(dead_man=None, choices={"right": {"key": "x"}, "stay": {"key": "x"}}),
            "choices.stay: key x is that of choices.right already",
        ),
        ("effort", picks(choices={"right": {"button": 1, "key": "x"}}), "its node alone may take over, and keys count"),
        ("effort", picks(choices={"right": {"button": -1}}), "teleop.choices.right.button"),
        *(
            ("effort", picks(dead_man=None, choices={"right": {"key": key}}), "is no key that is free in the console")
            for key in ("t", "e", "X", "ab", "space", "", "\u00e4", " ")
        ),
        ("effort", elements(), "needs a joint"),
        ("effort", elements(joint="a", field="angle"), "reads 'angle', none of"),
        ("effort", BODY | command("effort", source="body"), "is no JointState"),
        ("effort", command("effort", source="nowhere"), "no source named 'nowhere'"),
        ("twist", joint("twist", name="forward"), "no axes"),
        ("twist", command("twist", type="std_msgs/msg/Float64MultiArray"), "twist commands, and only those"),
        ("effort", command("effort", type="geometry_msgs/msg/Twist"), "twist commands, and only those"),
        ("position", joint("position", max_acceleration=None), "need max_acceleration"),
        ("position", command("position", source=None), "need a source with the measured positions"),
        ("velocity", joint("velocity", braking=None), "need braking"),
        ("velocity", joint("velocity", position_low=None), "both position_low and position_high"),
        ("effort", joint("effort", low=10.0), "not below"),
        ("effort", {"choices": [{"name": "left", "values": {"z": 1.0}}, RIGHT]}, "not commanded"),
        ("effort", {"choices": [{"name": "left", "values": {"a": -11.0}}, RIGHT]}, r"left.a: -11.0 is not within"),
        ("effort", {"choices": [RIGHT]}, "'right' alone leaves nothing to choose"),
        (
            "position",
            joint("position", max_following_error=None),
            "joint a: position commands need max_following_error",
        ),
        ("position", joint("position", stop_rate=9.0), "positions brake at max_acceleration"),
        ("velocity", joint("velocity", max_offset=0.1), "joint a: max_offset is how far .* only position commands"),
        ("position", gains(interfaces=["kp", "kd"]), "'position', the kind of these commands, is missing"),
        ("position", gains(interfaces=["position", "kp", "kd", "kp"]), r"interfaces: \['kp'\] are named twice"),
        ("position", gains(interfaces=["position", "kp"]), r"constants: \['kd'\] are not among the interfaces beside"),
        ("position", gains(constants={"kp": 80.0}), "constants: 'kd' of joint a is missing"),
        ("position", gains(stop_constants={"ki": 0.0}), r"stop_constants: \['ki'\] are not among"),
        ("position", gains(stop_constants={"kd": 5.0}), "kp of joint a is 80; what damps a position lets go of it"),
        ("position", gains(stop_constants={"kp": 0.0, "kd": 0.0}), "kd of joint a damps nothing"),
        ("position", gains(type=TRAJECTORY), r"has no place for \['kp', 'kd'\]; use std_msgs"),
        ("position", gains(type="sensor_msgs/msg/JointState"), r"has no place for \['kp', 'kd'\]"),
        ("position", gains(interface_topics={"ki": "ki"}), r"interface_topics: \['ki'\] are not among"),
        ("position", gains(interface_topics={"kp": "positions"}), "command topics: the name 'positions' is used twice"),
        ("position", gains() | {"guard": {"safe_stop": "hold"}}, "it must be damping, or leave out the stop_constants"),
        ("position", gains() | {"guard": {"safe_stop": "damping", "damping": 1.0}}, "no other stop has one"),
        ("position", {"guard": {"safe_stop": "damping"}}, "must be hold, or damping, once they have stop_constants"),
        (
            "position",
            gains() | {"commands": [*gains()["commands"], MORE]},
            "commands on more: stop_constants are missing",
        ),
        ("twist", command("twist", interfaces=["twist", "kp"], constants={"kp": 1.0}), r"has no place for \['kp'\]"),
        ("position", joint("position", max_offset=0.5), "max_offset 0.5 is not below max_following_error 0.5"),
        ("position", command("position", filter={"order": 9, "cutoff_hz": 1.0}), "filter.order"),
        ("position", command("position", filter={"cutoff_hz": 60.0}), "cutoff_hz: 60 Hz is not below half of"),
        ("velocity", joint("velocity", stop_rate=1.0), "stop_rate 1.0 is below max_rate 20.0"),
        ("velocity", joint("velocity", max_jerk=1.0), "only position commands have a max_jerk"),
        ("effort", joint("effort", max_following_error=1.0), "needs position or velocity commands with a source"),
        ("twist", joint("twist", continuous=True), "name the command's source"),
        ("effort", joint("effort", position_low=None, position_high=None, position_tolerance=0.1), "belongs to"),
        ("effort", condition(), "say what it must be: equals, above or below"),
        ("effort", condition(equals=1, above=0.5), "equals stands alone"),
        ("effort", condition(above=1.0, below=0.5), "nothing is above 1.0 and below 0.5"),
        ("effort", condition(above=1.0, source="battery"), "no source named 'battery'"),
        ("effort", {"sources": {"joints": JOINTS | {"type": "JointState"}}}, "sources.joints.type"),
        ("position", {"home": {"a": 0.0}}, "home must name"),
        ("effort", {"guard": {"action_deadline_s": 0.5}}, "may come 0.55 s apart"),
        ("effort", {"control_rate_hz": 2.0}, "command_timeout_s: actions that are in time may come 0.54 s apart"),
        ("effort", {"guard": {"driver_timeout_s": 0.01}}, "driver_timeout_s: commands come 0.01 s apart"),
        ("velocity", joint("velocity", low=0.1), "commanded 0, which is not within"),
        ("twist", joint("twist", high=-0.1, low=-0.5), "commanded 0, which is not within"),
        ("twist", command("twist", source="joints"), "a twist commands no joints"),
        ("velocity", command("velocity", type=TRAJECTORY), "velocity commands cannot be trajectories"),
        ("position", {"home": {"a": 0.0, "b": 1.9}}, r"home.b: 1.9 is not within \[-0.6, 1.8\]"),
        ("twist", command("twist", topic="/cmd vel"), "'/cmd vel' is no topic of ROS"),
        ("twist", {"commands": [COMMANDS["twist"], TURN]}, "command topics: the name 'twist' is used twice"),
        ("effort", {"sources": {"joints": JOINTS | {"max_age_s": None}}}, "must be a number, unless"),
        ("effort", {"sources": {"joints": JOINTS | {"latched": True}}}, "then it is null"),
        ("effort", {"sources": {"joints": JOINTS | {"latched": True, "max_age_s": None}}}, "no JointState that ages"),
        ("effort", EYE | {"cameras": {"left-eye": {"source": "eye"}}}, "cameras.left-eye"),
        ("effort", {"guard": {"safe_stopp": "zero"}}, "safe_stopp"),
        ("position", {"guard": {"safe_stop": "zero"}}, "no stop of position commands; it must be hold"),
        ("velocity", {"guard": {"safe_stop": "hold"}}, "no stop of velocity commands; it must be zero"),
        ("twist", {"guard": {"safe_stop": "damping", "damping": 1.0}}, "no stop of twist commands; it must be zero"),
        ("effort", {"guard": {"safe_stop": "hold"}}, "no stop of effort commands; it must be damping or zero"),
        ("effort", {"guard": {"safe_stop": "damping"}}, "needs a gain above 0"),
        ("effort", {"guard": {"damping": 1.0}}, "no other stop has one"),
        ("effort", DAMPED | UNMEASURED, "damped by measured velocities; name their JointState"),
        ("effort", {"name": "my robot"}, "'my robot' must begin with a letter"),
        ("effort", {"name": "7dof"}, "'7dof' must begin with a letter"),
        ("effort", EYE | elements(joint="a") | {"cameras": {"v": {"source": "eye"}}}, "'v' is used twice"),
        (
            "effort",
            {"choices": [{"name": "left", "values": {"a": -1.0}}] * 2},
            "choices: the name 'left' is used twice",
        ),
        ("effort", {"choices": [{"name": "source", "values": {}}, RIGHT]}, "a joint or choice named 'source'"),
        ("effort", joint("effort", name="policy_version"), "a joint or choice named 'policy_version'"),
        *(
            ("effort", elements(joint="a", name=name), f"an element named '{name}' would be overwritten")
            for name in ("reward", "is_first", "is_last", "is_terminal", "mode", "success", "joints_age_s")
        ),
    ],
)
def test_contradictions_are_named(kind: str, changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        robot(kind, **changes)


def test_efforts_decide_about_the_safe_stop_of_a_robot_with_positions_too() -> None:
    both = {"commands": [COMMANDS["effort"], COMMANDS["position"] | {"joints": [named("c")]}]}
    assert robot("effort", **both | DAMPED).guard.safe_stop == "damping"
    with pytest.raises(ValidationError, match="no stop of effort and position commands; it must be damping or zero"):
        robot("effort", **both, guard={"safe_stop": "hold"})


def named(name: str) -> dict[str, Any]:
    """A joint commanded by position."""
    return COMMANDS["position"]["joints"][0] | {"name": name}


def test_a_digit_is_a_key_as_yaml_reads_it() -> None:
    teleop = yaml.safe_load("{choices: {right: {key: 1}}, neutral: stay}")
    picked = robot("velocity", choices=[RIGHT, STAY], teleop=teleop).teleop
    assert picked is not None
    assert picked.choices["right"].key == "1"
    with pytest.raises(ValidationError, match="'12' is no key that is free"):
        robot("velocity", choices=[RIGHT, STAY], teleop=teleop | {"choices": {"right": {"key": 12}}})


def test_joint_of_a_source_that_has_none_is_refused() -> None:
    vectors = {"v": {"source": "body", "elements": [{"name": "x", "field": "angular_velocity.x", "joint": "a"}]}}
    with pytest.raises(ValidationError, match="no JointState"):
        robot("twist", sources=BODY["sources"], vectors=vectors)


@pytest.mark.parametrize("name", packaged("tasks"))
def test_shipped_robots_survive_one_late_action(name: str) -> None:
    """The action after a late one comes up to two periods, and a deadline's jitter, after the one before."""
    config: RobotConfig = load_run(name).robot
    assert config.guard.command_timeout_s > 2.2 * config.period_s
    assert config.guard.action_deadline_s < config.period_s
