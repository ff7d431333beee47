"""Keys that drive: a press moves one joint for a moment, and nothing moves that nobody has pressed a key for."""

import numpy as np
import pytest

from robot_mbrl.control.keyboard import PATIENCE_S, PULSE_S, SHARE, Keyboard
from robot_mbrl.control.shaping import to_command
from robot_mbrl.specs import Source
from robot_mbrl.steps import Action, StepKey
from tests.control.robots import robot

TICK_S = 0.05
SOONER_S = 0.01
"""A key is pressed between two ticks."""


def commands(keyboard: Keyboard, kind: str, begin_s: float, seconds: float) -> list[list[float]]:
    """What is asked for, in the command's units, tick by tick."""
    asked = []
    for tick in range(round(seconds / TICK_S)):
        action = keyboard.action(begin_s + tick * TICK_S)
        assert action is not None
        asked.append([to_command(joint, action[joint.name]) for joint in robot(kind).joints])
    return asked


def test_a_press_moves_the_chosen_joint_for_a_moment_and_then_it_rests() -> None:
    keyboard = Keyboard(robot("velocity"))
    keyboard.take(0.0)
    assert commands(keyboard, "velocity", 0.0, 0.5) == [pytest.approx([0.0, 0.0])] * 10
    keyboard.push(-1, 1.0 - SOONER_S)
    asked = commands(keyboard, "velocity", 1.0, 0.5)
    moved = round(PULSE_S / TICK_S)
    assert asked[:moved] == [pytest.approx([-SHARE * 2.0, 0.0])] * moved
    assert asked[moved:] == [pytest.approx([0.0, 0.0])] * (10 - moved)


def test_another_joint_is_chosen_in_turn_and_what_was_pushed_rests() -> None:
    keyboard = Keyboard(robot("velocity"))
    keyboard.take(0.0)
    keyboard.push(1, 0.0)
    keyboard.choose(1, 0.0)
    assert keyboard.joint == "b"
    assert commands(keyboard, "velocity", 0.0, TICK_S) == [pytest.approx([0.0, 0.0])]
    keyboard.push(1, 0.1)
    assert commands(keyboard, "velocity", 0.1, TICK_S) == [pytest.approx([0.0, SHARE * 3.0])]
    keyboard.choose(1, 0.2)
    assert keyboard.joint == "a"


def test_positions_go_on_from_where_they_were_commanded_last() -> None:
    keyboard = Keyboard(robot("position"))
    joint = robot("position").joints[0]
    keyboard.take(0.0)
    assert keyboard.action(0.9) is None
    keyboard.command({"a": 0.4, "b": 1.0}, 1.0)
    assert commands(keyboard, "position", 1.0, TICK_S) == [pytest.approx([0.4, 1.0])]
    keyboard.follow(Action(StepKey("s", 1), np.zeros(2, np.float32), Source.TELEOP))
    keyboard.push(1, 1.05 - SOONER_S)
    asked = []
    for tick in range(1, 11):
        asked += commands(keyboard, "position", 1.0 + TICK_S * tick, TICK_S)
        keyboard.command(dict(zip("ab", asked[-1], strict=True)), 1.0 + TICK_S * tick)
    assert asked[-1] == pytest.approx([0.4 + SHARE * joint.max_rate * PULSE_S, 1.0])


def test_whoever_presses_nothing_for_long_is_gone() -> None:
    keyboard = Keyboard(robot("velocity"))
    assert not keyboard.is_gone(1e6)
    keyboard.take(0.0)
    keyboard.choose(1, 10.0)
    assert not keyboard.is_gone(10.0 + PATIENCE_S)
    assert keyboard.is_gone(10.1 + PATIENCE_S)


def test_choices_are_not_pushed() -> None:
    choices = [{"name": "left", "values": {"a": -1.0}}, {"name": "right", "values": {"a": 1.0}}]
    with pytest.raises(ValueError, match="publish one-hots"):
        Keyboard(robot("velocity", choices=choices))
