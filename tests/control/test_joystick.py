"""What a joystick says becomes an action in the units of the robot, and never one that nobody has asked for."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from robot_mbrl.control.joystick import LONGEST_GAP_S, REACH_S, Joystick
from robot_mbrl.control.shaping import to_command
from robot_mbrl.errors import MessageError
from robot_mbrl.specs import Source
from robot_mbrl.steps import Action, StepKey
from robot_mbrl.teleop_config import TWIST, TeleopConfig
from tests.control.robots import robot

KEY = StepKey("s", 1)
AXES = {"a": {"axis": 0, "scale": 1.0, "dead_zone": 0.1}, "b": {"axis": 2, "scale": -0.5, "dead_zone": 0.0}}


def joystick(kind: str = "velocity", **changes: Any) -> Joystick:
    config = TeleopConfig.model_validate({"dead_man": 1, "axes": AXES} | changes)
    return Joystick(robot(kind), config)


def joy(first: float = 0.0, third: float = 0.0, *, held: bool = True) -> SimpleNamespace:
    return SimpleNamespace(axes=[first, 9.0, third], buttons=[0, int(held)])


def twist(forward: float) -> SimpleNamespace:
    return SimpleNamespace(linear=SimpleNamespace(x=forward))


def commanded(kind: str, action: dict[str, float] | None) -> list[float]:
    """What the action means to the joints."""
    assert action is not None
    return [to_command(joint, action[joint.name]) for joint in robot(kind).joints]


def applied(source: Source) -> Action:
    return Action(KEY, np.zeros(2, np.float32), source)


def at(first: float, second: float) -> dict[str, float]:
    return {"a": first, "b": second}


def test_a_stick_in_its_middle_asks_for_rest_whatever_the_bounds_are() -> None:
    """The middle of b's bounds, -1 to 3 rad/s, is no rest."""
    asked = joystick().hear(joy(), 0.0)
    assert asked.held
    assert commanded("velocity", asked.action) == pytest.approx([0.0, 0.0])


def test_axes_are_scaled_and_turned_round_in_units_of_the_command() -> None:
    stick = joystick()
    assert commanded("velocity", stick.hear(joy(1.0, 1.0), 0.0).action) == pytest.approx([1.0, -0.5])
    # 0.55 is half the way beyond a dead zone of 0.1.
    assert commanded("velocity", stick.hear(joy(-0.55, -1.0), 0.1).action) == pytest.approx([-0.5, 0.5])
    assert commanded("velocity", stick.hear(joy(0.09), 0.2).action) == pytest.approx([0.0, 0.0])


def test_what_is_asked_for_stays_within_the_joints_bounds() -> None:
    config = {"a": AXES["a"] | {"scale": 100.0}, "b": AXES["b"]}
    assert commanded("velocity", joystick(axes=config).hear(joy(-1.0), 0.0).action) == pytest.approx([-2.0, 0.0])


def test_a_joint_without_an_axis_rests() -> None:
    stick = joystick("position", axes={"a": AXES["a"]})
    stick.command(at(0.2, 0.7), 0.0)
    assert commanded("position", stick.hear(joy(1.0), 0.0).action)[1] == pytest.approx(0.7)


def test_positions_move_from_where_they_were_commanded_last() -> None:
    stick = joystick("position")
    assert stick.hear(joy(1.0), 0.9).action is None, "nobody knows where they are"
    stick.command(at(-0.5, 0.7), 1.0)
    stick.hear(joy(), 1.0)
    stick.follow(applied(Source.TELEOP))
    for tick in range(1, 11):
        asked = stick.hear(joy(1.0, -1.0), 1.0 + 0.1 * tick)
        stick.command(dict(zip("ab", commanded("position", asked.action), strict=True)), 1.0 + 0.1 * tick)
    # A second at 1 rad/s, and at 0.5 rad/s of an axis that is turned round.
    assert commanded("position", asked.action) == pytest.approx([0.5, 1.2])
    # Whoever drives in between, a policy or a reset, leads them elsewhere.
    stick.follow(applied(Source.STOP))
    stick.command(at(-0.3, 0.1), 2.1)
    assert commanded("position", stick.hear(joy(), 2.1).action) == pytest.approx([-0.3, 0.1])


@pytest.mark.parametrize("lie", [{}, {"a": 0.2}, {"a": math.nan, "b": 0.7}, {"a": 0.2, "b": -math.inf}])
def test_commands_that_tell_no_position_are_refused_and_lead_a_resting_stick_nowhere(lie: dict[str, float]) -> None:
    stick = joystick("position")
    stick.command(at(0.2, 0.7), 0.0)
    stick.hear(joy(), 0.0)
    stick.follow(applied(Source.TELEOP))
    with pytest.raises(MessageError, match="it tells no position of"):
        stick.command(lie, 0.1)
    assert commanded("position", stick.hear(joy(), 0.2).action) == pytest.approx([0.2, 0.7])
    assert stick.hear(joy(), LONGEST_GAP_S + 0.1).action is None, "what is not told any more is not known for long"


def test_commands_of_long_ago_do_not_tell_where_positions_are() -> None:
    """As while the guard is silent, and a device brings the robot back to a start."""
    stick = joystick("position")
    stick.command(at(0.2, 0.7), 0.0)
    assert stick.hear(joy(), LONGEST_GAP_S).action is not None
    assert stick.hear(joy(), LONGEST_GAP_S + 0.1).action is None


def test_a_joint_that_limits_slow_down_does_not_run_on_for_long_after_the_stick() -> None:
    stick = joystick("position")
    stick.command(at(0.0, 0.7), 0.0)
    stick.follow(applied(Source.TELEOP))
    for tick in range(50):
        stick.command(at(0.0, 0.7), 0.1 * tick)
        asked = stick.hear(joy(1.0), 0.1 * tick)
    assert commanded("position", asked.action)[0] == pytest.approx(1.0 * REACH_S)


def test_a_twist_has_no_button_and_is_read_by_name() -> None:
    stick = joystick(
        type=TWIST, dead_man=None, axes={"a": {"axis": "linear.x", "scale": 2.0, "dead_zone": 0.0}}, frozen_s=None
    )
    asked = stick.hear(twist(0.25), 0.0)
    assert asked.held is None
    assert commanded("velocity", asked.action) == pytest.approx([0.5, 0.0])


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        (SimpleNamespace(axes=[0.0], buttons=[0, 1]), "no axis 2 among the 1"),
        (SimpleNamespace(axes=[0.0, 0.0, 0.0], buttons=[0]), "no button 1 among the 1"),
        (joy(math.nan), "axis 0 is not finite"),
        (joy(math.inf), "axis 0 is not finite"),
    ],
)
def test_a_joystick_that_is_not_the_one_of_the_yaml_is_refused(message: Any, complaint: str) -> None:
    with pytest.raises(MessageError, match=complaint):
        joystick().hear(message, 0.0)


def test_it_counts_for_how_long_a_held_stick_says_the_same() -> None:
    stick = joystick()
    for at_s in (0.0, 1.0, 2.0):
        stick.hear(joy(1.0), at_s)
    assert stick.same_s == pytest.approx(2.0)
    stick.hear(joy(0.99), 2.5)
    assert stick.same_s == 0.0
    # Neither a stick in its middle nor one that is let go asks for anything.
    for message in (joy(0.01), joy(1.0, held=False)):
        stick.hear(message, 3.0)
        stick.hear(message, 9.0)
        assert stick.same_s == 0.0


def test_it_names_what_has_never_been_moved() -> None:
    stick = joystick()
    stick.hear(joy(0.2, 1.0, held=False), 0.0)
    assert stick.untried == "button 1, axis 0"
    stick.hear(joy(-0.8), 0.1)
    assert stick.untried == ""
