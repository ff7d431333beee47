"""Buttons pick the choices of a robot that has such, and nothing moves it that nobody has pressed a button for."""

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from robot_mbrl.config import RobotConfig
from robot_mbrl.control.choice_buttons import ChoiceButtons
from robot_mbrl.control.takeover import SILENT_S
from robot_mbrl.errors import MessageError
from robot_mbrl.specs import Source
from tests.control.guard_bench import COMMAND_S, GuardBench
from tests.control.robots import PERIOD_S, robot

DEAD_MAN, LEFT, RIGHT = 4, 2, 0
CHOICES = [
    {"name": "left", "values": {"a": -1.0}},
    {"name": "stay", "values": {}},
    {"name": "right", "values": {"a": 1.0}},
]
TELEOP = {
    "dead_man": DEAD_MAN,
    "choices": {"left": {"button": LEFT}, "right": {"button": RIGHT}},
    "neutral": "stay",
}
KEYS = {"choices": {"left": {"key": "left"}, "right": {"key": "x"}}, "neutral": "stay"}


def chooser(teleop: dict[str, Any] | None = None) -> RobotConfig:
    return robot("velocity", choices=CHOICES, teleop=teleop or TELEOP)


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


class Beside:
    """A person with the joystick at a guard whose policy always goes right."""

    def __init__(self) -> None:
        self.bench = GuardBench("velocity", choices=CHOICES, teleop=TELEOP)
        assert self.bench.robot.teleop is not None
        self.buttons = ChoiceButtons(self.bench.robot, self.bench.robot.teleop)
        self.live((), 1.0)

    def live(self, pressed: tuple[int, ...] | None, seconds: float) -> list[Source]:
        """Control periods with these buttons pressed, None for a joystick that is gone; whose actions were applied."""
        bench, count = self.bench, len(self.bench.applied)
        for _ in range(round(seconds / PERIOD_S)):
            if pressed is not None:
                asked = self.buttons.hear(joy(pressed), bench.now_s)
                assert asked.action is not None
                steered = SimpleNamespace(name=list(asked.action), position=list(asked.action.values()))
                bench.guard.steer(steered, bench.now_s)
                bench.guard.take_over(bool(asked.held), bench.now_s)
            bench.observe()
            bench.act(0.0, 0.0, 1.0)
            for _ in range(round(PERIOD_S / COMMAND_S)):
                bench.run(COMMAND_S)
                bench.positions = [x + COMMAND_S * v for x, v in zip(bench.positions, bench.command, strict=True)]
        return [action.source for action in bench.applied[count:]]


def test_the_guard_carries_out_what_buttons_pick_within_the_joints_limits() -> None:
    person = Beside()
    bench = person.bench
    assert bench.command == pytest.approx((1.0, 0.0))
    assert set(person.live((DEAD_MAN,), 0.5)) == {Source.TELEOP}
    assert bench.command == pytest.approx((0.0, 0.0)), "nothing is pressed"
    assert set(person.live((DEAD_MAN, LEFT), 0.5)) == {Source.TELEOP}
    assert bench.applied[-1].values == pytest.approx([1.0, 0.0, 0.0])
    assert bench.applied[-1].policy_version == 0
    assert bench.command == pytest.approx((-1.0, 0.0))
    assert set(person.live((DEAD_MAN, LEFT, RIGHT), 0.5)) == {Source.TELEOP}
    assert bench.command == pytest.approx((0.0, 0.0)), "two at once"
    # Letting go in the middle of a choice gives the robot back.
    person.live((DEAD_MAN, LEFT), 0.2)
    assert set(person.live((LEFT,), 0.5)) == {Source.POLICY}
    assert bench.command == pytest.approx((1.0, 0.0))
    steps = [abs(after[0] - before[0]) for before, after in pairwise(bench.commands)]
    assert max(steps) <= 20.0 * COMMAND_S + 1e-6, "no faster than 20 rad/s²"


def test_a_joystick_of_choices_that_is_gone_in_the_middle_stops_the_robot() -> None:
    person = Beside()
    person.live((DEAD_MAN,), 0.2)
    person.live((DEAD_MAN, LEFT), 0.2)
    assert person.bench.command == pytest.approx((-1.0, 0.0))
    person.live(None, SILENT_S + PERIOD_S)
    assert set(person.live(None, 0.5)) == {Source.STOP}
    assert person.bench.command == pytest.approx((0.0, 0.0))
    # It is back with its buttons pressed: they count after the dead-man was let go and pressed anew.
    assert Source.TELEOP not in person.live((DEAD_MAN, LEFT), 0.3)
    person.live((LEFT,), 0.5)
    assert set(person.live((DEAD_MAN, LEFT), 0.5)[2:]) == {Source.TELEOP}
    assert person.bench.command == pytest.approx((0.0, 0.0)), "the button was not let go"
