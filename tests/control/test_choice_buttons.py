"""Buttons pick the choices of a robot that has such, and nothing moves it that nobody has pressed a button for."""

from types import SimpleNamespace
from typing import Any

import pytest

from robot_mbrl.config import RobotConfig
from robot_mbrl.control.choice_buttons import ChoiceButtons
from robot_mbrl.errors import MessageError
from tests.control.robots import robot

DEAD_MAN, LEFT, RIGHT = 4, 2, 0
CHOICES = [
    {"name": "left", "values": {"a": -1.0}},
    {"name": "stay", "values": {}},
    {"name": "right", "values": {"a": 1.0}},
]
TELEOP = {
    "dead_man": DEAD_MAN,
    "choices": {"left": {"button": LEFT, "key": "left"}, "right": {"button": RIGHT, "key": "x"}},
    "neutral": "stay",
}


def chooser(**changes: Any) -> RobotConfig:
    return robot("velocity", choices=CHOICES, teleop=TELEOP | changes)


@pytest.fixture
def buttons() -> ChoiceButtons:
    """A joystick that was heard with nothing pressed."""
    config = chooser()
    assert config.teleop is not None
    buttons = ChoiceButtons(config, config.teleop)
    assert picked(buttons, (), 0.0) == "stay"
    return buttons


def joy(pressed: tuple[int, ...], count: int = 6) -> SimpleNamespace:
    return SimpleNamespace(axes=[], buttons=[int(number in pressed) for number in range(count)])


def picked(buttons: ChoiceButtons, pressed: tuple[int, ...], now_s: float) -> str:
    """The choice that is asked for; what is said of all is a one-hot, and tells whether the dead-man is held."""
    asked = buttons.hear(joy(pressed), now_s)
    assert asked.action is not None
    assert asked.held is (DEAD_MAN in pressed)
    assert sorted(asked.action.values()) == [0.0, 0.0, 1.0]
    assert set(asked.action) == {"left", "stay", "right"}
    return max(asked.action, key=asked.action.__getitem__)


def test_a_button_picks_its_choice_for_as_long_as_it_is_pressed(buttons: ChoiceButtons) -> None:
    assert picked(buttons, (DEAD_MAN,), 0.1) == "stay"
    assert picked(buttons, (DEAD_MAN, LEFT), 0.2) == "left"
    assert picked(buttons, (DEAD_MAN, LEFT), 0.3) == "left"
    assert picked(buttons, (DEAD_MAN,), 0.4) == "stay"
    assert picked(buttons, (DEAD_MAN, RIGHT), 0.5) == "right"


def test_two_buttons_at_once_mean_nothing_until_one_is_let_go(buttons: ChoiceButtons) -> None:
    picked(buttons, (DEAD_MAN,), 0.1)
    assert picked(buttons, (DEAD_MAN, LEFT), 0.2) == "left"
    assert picked(buttons, (DEAD_MAN, LEFT, RIGHT), 0.3) == "stay"
    assert picked(buttons, (DEAD_MAN, RIGHT), 0.4) == "right"


@pytest.mark.parametrize("first", [(LEFT,), (DEAD_MAN, LEFT)], ids=["before it", "with it"])
def test_what_was_pressed_when_the_dead_man_was_counts_only_once_it_was_let_go(
    buttons: ChoiceButtons, first: tuple[int, ...]
) -> None:
    assert picked(buttons, first, 0.1) == "stay"
    assert picked(buttons, (DEAD_MAN, LEFT), 0.2) == "stay"
    assert picked(buttons, (DEAD_MAN, LEFT), 0.3) == "stay"
    assert picked(buttons, (DEAD_MAN, LEFT, RIGHT), 0.4) == "right", "another one may be pressed beside it"
    assert picked(buttons, (DEAD_MAN,), 0.5) == "stay"
    assert picked(buttons, (DEAD_MAN, LEFT), 0.6) == "left"


def test_a_joystick_whose_first_message_has_all_pressed_picks_nothing() -> None:
    config = chooser()
    assert config.teleop is not None
    buttons = ChoiceButtons(config, config.teleop)
    assert picked(buttons, (DEAD_MAN, LEFT), 0.0) == "stay"
    assert picked(buttons, (DEAD_MAN, LEFT), 0.1) == "stay"


def test_letting_the_dead_man_go_in_the_middle_ends_what_was_picked_for_the_next_takeover(
    buttons: ChoiceButtons,
) -> None:
    picked(buttons, (DEAD_MAN,), 0.1)
    assert picked(buttons, (DEAD_MAN, LEFT), 0.2) == "left"
    assert picked(buttons, (LEFT,), 0.3) == "stay"
    assert picked(buttons, (DEAD_MAN, LEFT), 0.4) == "stay"
    assert picked(buttons, (DEAD_MAN, LEFT), 0.5) == "stay"


@pytest.mark.parametrize("count", [0, 1, 3, DEAD_MAN])
def test_a_joystick_with_too_few_buttons_is_refused(buttons: ChoiceButtons, count: int) -> None:
    with pytest.raises(MessageError, match=f"no button . among the {count}"):
        buttons.hear(joy((), count), 0.1)


def test_it_counts_for_how_long_a_button_that_moves_the_robot_has_said_the_same(buttons: ChoiceButtons) -> None:
    """As of a driver that repeats the last message of a joystick whose cable is out."""
    for at_s in (1.0, 9.0):
        buttons.hear(joy((DEAD_MAN,)), at_s)
        assert buttons.same_s == 0.0, "nothing is asked for"
    for at_s in (10.0, 11.0, 13.0):
        buttons.hear(joy((DEAD_MAN, RIGHT)), at_s)
    assert buttons.same_s == pytest.approx(3.0)
    buttons.hear(joy((RIGHT,)), 14.0)
    assert buttons.same_s == 0.0
    buttons.hear(joy((DEAD_MAN,)), 15.0)
    buttons.hear(joy((DEAD_MAN, RIGHT)), 16.0)
    assert buttons.same_s == 0.0


def test_it_names_the_buttons_that_were_never_pressed(buttons: ChoiceButtons) -> None:
    assert buttons.untried == "button 0, button 2, button 4"
    buttons.hear(joy((LEFT,)), 0.1)
    assert buttons.untried == "button 0, button 4"
    buttons.hear(joy((RIGHT, DEAD_MAN)), 0.2)
    assert buttons.untried == ""
