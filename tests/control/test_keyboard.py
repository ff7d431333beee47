"""Keys that drive: a press moves one joint for a moment, and nothing moves that nobody has pressed a key for."""

import numpy as np
import pytest

from robot_mbrl.control.keyboard import PATIENCE_S, PULSE_S, SHARE, Keyboard
from robot_mbrl.control.shaping import to_command
from robot_mbrl.specs import Source
from robot_mbrl.steps import Action, StepKey
from robot_mbrl.teleop_config import TeleopConfig
from tests.control.robots import PERIOD_S, robot
from tests.control.test_choice_buttons import KEYS, chooser

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
    keyboard = Keyboard(robot("velocity"), PERIOD_S)
    keyboard.take(0.0)
    assert commands(keyboard, "velocity", 0.0, 0.5) == [pytest.approx([0.0, 0.0])] * 10
    keyboard.press("left", 1.0 - SOONER_S)
    asked = commands(keyboard, "velocity", 1.0, 0.5)
    moved = round(PULSE_S / TICK_S)
    assert asked[:moved] == [pytest.approx([-SHARE * 2.0, 0.0])] * moved
    assert asked[moved:] == [pytest.approx([0.0, 0.0])] * (10 - moved)


def test_another_joint_is_chosen_in_turn_and_what_was_pushed_rests() -> None:
    keyboard = Keyboard(robot("velocity"), PERIOD_S)
    keyboard.take(0.0)
    keyboard.press("right", 0.0)
    assert keyboard.press("down", 0.0) == "arrows push b (2 of 2)"
    assert commands(keyboard, "velocity", 0.0, TICK_S) == [pytest.approx([0.0, 0.0])]
    keyboard.press("right", 0.1)
    assert commands(keyboard, "velocity", 0.1, TICK_S) == [pytest.approx([0.0, SHARE * 3.0])]
    assert keyboard.press("down", 0.2) == "arrows push a (1 of 2)"
    assert keyboard.press("up", 0.3) == "arrows push b (2 of 2)"


def test_positions_go_on_from_where_they_were_commanded_last() -> None:
    keyboard = Keyboard(robot("position"), PERIOD_S)
    joint = robot("position").joints[0]
    keyboard.take(0.0)
    assert keyboard.action(0.9) is None
    keyboard.command({"a": 0.4, "b": 1.0}, 1.0)
    assert commands(keyboard, "position", 1.0, TICK_S) == [pytest.approx([0.4, 1.0])]
    keyboard.follow(Action(StepKey("s", 1), np.zeros(2, np.float32), Source.TELEOP))
    keyboard.press("right", 1.05 - SOONER_S)
    asked = []
    for tick in range(1, 11):
        asked += commands(keyboard, "position", 1.0 + TICK_S * tick, TICK_S)
        keyboard.command(dict(zip("ab", asked[-1], strict=True)), 1.0 + TICK_S * tick)
    assert asked[-1] == pytest.approx([0.4 + SHARE * joint.max_rate * PULSE_S, 1.0])


def test_whoever_presses_nothing_for_long_is_gone() -> None:
    keyboard = Keyboard(robot("velocity"), PERIOD_S)
    assert not keyboard.is_gone(1e6)
    keyboard.take(0.0)
    keyboard.press("up", 10.0)
    assert not keyboard.is_gone(10.0 + PATIENCE_S)
    assert keyboard.is_gone(10.1 + PATIENCE_S)


class Interrupted(Keyboard):
    """One whose other thread comes each time that anything of it has changed."""

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        if name in ("taken", "_pressed_s", "_moved_s") and hasattr(self, "_pressed_s"):
            assert not self.is_gone(100.0)


def test_who_takes_over_is_never_taken_for_gone_by_the_thread_that_publishes() -> None:
    keyboard = Interrupted(robot("velocity"), PERIOD_S)
    keyboard.take(100.0)
    assert keyboard.taken


def test_a_press_is_not_carried_over_to_the_joint_that_is_being_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    keyboard = Keyboard(robot("velocity"), PERIOD_S)
    keyboard.take(0.0)
    keyboard.press("right", 0.0)
    press, published = keyboard._keys.press, []

    def interrupted(key: str) -> tuple[str, bool]:
        told = press(key)
        published.extend(commands(keyboard, "velocity", 0.05, TICK_S))
        return told

    monkeypatch.setattr(keyboard._keys, "press", interrupted)
    keyboard.press("down", 0.05)
    assert published == [pytest.approx([0.0, 0.0])]


def test_commands_are_listened_to_only_where_positions_go_on_from_them() -> None:
    """The guard tells its commands to nobody who does not need them."""
    assert Keyboard(robot("position"), PERIOD_S).needs_commands
    assert not Keyboard(robot("velocity"), PERIOD_S).needs_commands
    assert not Keyboard(chooser(KEYS), PERIOD_S).needs_commands


def picked(keyboard: Keyboard, now_s: float) -> str:
    action = keyboard.action(now_s)
    assert action is not None
    assert sorted(action.values()) == [0.0, 0.0, 1.0]
    return max(action, key=action.__getitem__)


def test_a_key_of_the_yaml_picks_its_choice_for_a_moment_and_then_the_neutral_one_counts() -> None:
    keyboard = Keyboard(chooser(KEYS), PERIOD_S)
    assert keyboard.how == "left is left, x is right; else it is stay"
    keyboard.take(0.0)
    assert picked(keyboard, 0.1) == "stay"
    assert keyboard.press("x", 1.0) == ""
    assert [picked(keyboard, 1.0 + TICK_S * tick) for tick in range(3)] == ["right"] * 3
    assert picked(keyboard, 1.0 + PULSE_S + SOONER_S) == "stay"


def test_of_two_keys_the_later_counts_and_one_that_picks_nothing_ends_the_press() -> None:
    keyboard = Keyboard(chooser(KEYS), PERIOD_S)
    keyboard.take(0.0)
    keyboard.press("x", 1.0)
    keyboard.press("left", 1.05)
    assert picked(keyboard, 1.1) == "left"
    assert keyboard.press("up", 1.1).startswith("up picks nothing: left is left")
    assert picked(keyboard, 1.1) == "stay"


def test_who_takes_over_anew_begins_with_nothing_picked() -> None:
    keyboard = Keyboard(chooser(KEYS), PERIOD_S)
    keyboard.take(0.0)
    keyboard.press("x", 1.0)
    keyboard.give_back()
    keyboard.take(1.05)
    assert picked(keyboard, 1.1) == "stay"


def test_a_press_lasts_for_an_observation_of_a_slow_robot() -> None:
    """At 2 Hz most presses of 0.2 s would fall between two of them."""
    keyboard = Keyboard(chooser(KEYS), 0.5)
    keyboard.take(0.0)
    keyboard.press("x", 1.0)
    assert picked(keyboard, 1.5) == "right"
    assert picked(keyboard, 1.7) == "stay"


def test_without_keys_in_the_yaml_choices_are_not_picked() -> None:
    for teleop in (None, {"dead_man": 4, "choices": {"left": {"button": 2}}, "neutral": "stay"}):
        config = chooser().model_copy(update={"teleop": None if teleop is None else TeleopConfig(**teleop)})
        with pytest.raises(ValueError, match=r"give teleop.choices keys in the robot's YAML, or publish teleop"):
            Keyboard(config, PERIOD_S)
