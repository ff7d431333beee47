"""Actions are found from commands of any type: the inverse of the guard's scaling."""

from types import SimpleNamespace as Message

import numpy as np
import pytest

from robot_mbrl.command_config import CommandConfig
from robot_mbrl.config import RobotConfig, load_run
from robot_mbrl.control.shaping import to_command
from robot_mbrl.errors import MessageError
from robot_mbrl.imports.commanded import Commanded, read_commands

CARTPOLE = load_run("cartpole").robot
REACHER = load_run("reacher").robot


def positions(robot: RobotConfig = REACHER) -> RobotConfig:
    """An arm that is driven by positions."""
    raw = robot.model_dump(mode="json")
    raw["commands"][0] |= {"kind": "position"}
    raw["guard"] |= {"safe_stop": "hold"}
    for joint in raw["commands"][0]["joints"]:
        joint |= {"unit": "rad", "braking": None, "max_acceleration": 10.0, "max_following_error": 0.5}
    return RobotConfig.model_validate(raw)


def array(*values: float) -> Message:
    return Message(data=list(values))


def test_the_action_is_what_the_guard_would_have_made_the_command_of():
    commanded = Commanded(REACHER)
    wanted = np.array([0.25, -0.75])
    commands = [to_command(joint, a) for joint, a in zip(REACHER.joints, wanted, strict=True)]
    commanded.receive(REACHER.commands[0], array(*commands), 0.0)
    np.testing.assert_allclose(commanded.action(0.0, 0.05), wanted, atol=1e-6)


def test_of_velocities_the_mean_acts_and_of_positions_the_last():
    for robot, expected in ((REACHER, 0.25), (positions(), 0.5)):
        commanded = Commanded(robot)
        commanded.receive(robot.commands[0], array(0.0, 0.0), 0.0)
        commanded.receive(robot.commands[0], array(1.0, 1.0), 0.025)
        np.testing.assert_allclose(commanded.action(0.0, 0.05), [expected, expected], atol=1e-6)


def test_a_command_counts_until_the_driver_would_have_stopped_by_itself():
    commanded = Commanded(CARTPOLE)
    commanded.receive(CARTPOLE.commands[0], array(5.0), 0.0)
    assert commanded.action(0.15, 0.2) is not None
    assert commanded.action(0.25, 0.3) is None


def legs(**changes: object) -> RobotConfig:
    """An arm whose positions are commanded with gains, near where its joints are."""
    raw = positions().model_dump(mode="json")
    raw["commands"][0] |= {"interfaces": ["position", "kp", "kd"], "constants": {"kp": 80.0, "kd": 2.0}} | changes
    for joint in raw["commands"][0]["joints"]:
        joint["max_offset"] = 0.2
    return RobotConfig.model_validate(raw)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, (0.5, 80.0, 2.0, -0.3, 80.0, 2.0)),
        ({"layout": "by_interface"}, (0.5, -0.3, 80.0, 80.0, 2.0, 2.0)),
        ({"interfaces": ["kp", "position", "kd"]}, (80.0, 0.5, 2.0, 80.0, -0.3, 2.0)),
        ({"interface_topics": {"kp": "kp/commands", "kd": "kd/commands"}}, (0.5, -0.3)),
        # Whoever else drove the robot may have sent no gains.
        ({}, (0.5, -0.3)),
    ],
)
def test_positions_are_told_apart_from_gains_by_the_layout(changes: dict[str, object], said: tuple[float, ...]):
    robot = legs(**changes)
    (points,) = read_commands(array(*said), robot.commands[0], 0.0)
    assert (points[1]["shoulder"], points[1]["elbow"]) == (0.5, -0.3)
    with pytest.raises(MessageError, match="5 commands"):
        read_commands(array(*range(5)), robot.commands[0], 0.0)


@pytest.mark.parametrize("apart", [False, True])
def test_positions_of_joints_that_are_let_go_are_no_actions(apart: bool):
    topics = {"kp": "kp/commands", "kd": "kd/commands"}
    robot = legs(interface_topics=topics) if apart else legs()

    def send(commanded: Commanded, stiffness: float, time_s: float) -> None:
        command = robot.commands[0]
        if apart:
            commanded.receive(command, array(0.5, -0.3), time_s)
            commanded.receive(command, array(stiffness, stiffness), time_s, "kp")
            commanded.receive(command, array(2.0, 2.0), time_s, "kd")
        else:
            commanded.receive(command, array(0.5, stiffness, 2.0, -0.3, stiffness, 2.0), time_s)

    commanded = Commanded(robot)
    for time_s, stiffness in ((0.0, 80.0), (0.05, 0.0), (0.1, 80.0)):
        send(commanded, stiffness, time_s)
        assert (commanded.action(time_s, time_s + 0.05) is not None) == (stiffness > 0.0)


def test_commands_as_far_from_the_joint_as_is_allowed_are_counted():
    robot, commanded = legs(), Commanded(legs())
    for step, (measured, wanted) in enumerate(((0.0, 0.1), (0.1, 0.3), (0.3, 0.8))):
        commanded.measure("joints", Message(name=["elbow", "shoulder"], position=[0.0, measured]))
        commanded.receive(robot.commands[0], array(wanted, 0.0), 0.05 * step)
        commanded.action(0.05 * step, 0.05 * step + 0.05)
    assert commanded.far == {"shoulder": 2, "elbow": 0}


def test_names_tell_joints_apart_and_others_may_be_there():
    command = REACHER.commands[0]
    said = Message(name=["lamp", "elbow", "shoulder"], velocity=[9.0, 2.0, 1.0])
    assert read_commands(said, command, 0.0) == [(0.0, {"lamp": 9.0, "elbow": 2.0, "shoulder": 1.0})]
    for wrong in (
        Message(name=["elbow"], velocity=[2.0]),
        Message(name=["elbow", "elbow", "shoulder"], velocity=[1.0, 2.0, 3.0]),
        array(1.0),
        array(1.0, float("nan")),
    ):
        with pytest.raises(MessageError):
            read_commands(wrong, command, 0.0)


def test_a_trajectory_commands_each_point_from_the_point_before_on():
    robot = positions()

    def point(place: float, after_s: float) -> Message:
        return Message(positions=[place, 0.0], time_from_start=Message(sec=0, nanosec=round(after_s * 1e9)))

    said = Message(joint_names=["shoulder", "elbow"], points=[point(0.5, 0.1), point(1.0, 0.2)])
    commanded = Commanded(robot)
    commanded.receive(robot.commands[0], said, 0.0)
    shoulder = [commanded.action(start, start + 0.05)[0] for start in (0.0, 0.05, 0.1, 0.15)]
    np.testing.assert_allclose(shoulder, [0.25, 0.25, 0.5, 0.5], atol=1e-6)


def test_twists_are_read_stamped_or_not():
    command = CommandConfig.model_validate(
        {
            "topic": "cmd_vel",
            "type": "geometry_msgs/msg/Twist",
            "kind": "twist",
            "joints": [{"name": "angular.z", "unit": "rad/s", "low": -1.0, "high": 1.0, "max_rate": 1.0}],
        }
    )
    twist = Message(angular=Message(z=0.5))
    for said in (twist, Message(twist=twist)):
        assert read_commands(said, command, 1.0) == [(1.0, {"angular.z": 0.5})]


def test_choices_are_recognised_and_what_is_none_of_them_is_no_action():
    raw = CARTPOLE.model_dump(mode="json") | {
        "choices": [{"name": "rest", "values": {}}, {"name": "left", "values": {"slider": -10.0}}]
    }
    robot = RobotConfig.model_validate(raw)
    commanded = Commanded(robot)
    for begin_s, force, expected in ((0.0, -10.0, [0, 1]), (0.05, 0.1, [1, 0]), (0.1, 5.0, None)):
        commanded.receive(robot.commands[0], array(force), begin_s)
        action = commanded.action(begin_s, begin_s + 0.05)
        assert (None if action is None else action.tolist()) == expected


def test_commands_beyond_the_range_and_as_fast_as_the_limit_are_counted():
    commanded = Commanded(CARTPOLE)
    for step, force in enumerate((0.0, 12.0, 12.0, -10.0)):
        commanded.receive(CARTPOLE.commands[0], array(force), step * 0.001)
        commanded.action(step * 0.001, (step + 1) * 0.001)
    assert (commanded.steps, commanded.outside["slider"], commanded.limited["slider"]) == (4, 2, 2)
