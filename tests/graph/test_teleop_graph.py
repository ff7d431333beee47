"""A person takes over by a joystick, over real DDS: its Joy or Twist is mapped, and its every failure moves nothing."""

import time
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import Twist
from rclpy.publisher import Publisher
from sensor_msgs.msg import JointState, Joy
from std_msgs.msg import Bool

from robot_mbrl import messages, topics
from robot_mbrl.control.enabling import LET_GO_S
from robot_mbrl.control.takeover import SILENT_S
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.specs import Source
from ros_nodes import qos
from tests.graph.graph import Graph
from tests.graph.test_operator_console import LEFT, RIGHT, UP_KEY, Terminal
from tests.graph.test_stand_in_node import STAND_IN
from tests.graph.test_trying import TASK, Side

JOYSTICK = {
    "dead_man": 4,
    "axes": {"shoulder": {"axis": 1, "scale": 0.5}, "elbow": {"axis": 3, "scale": -0.4}},
    "frozen_s": 2.0,
}
TWIST = {
    "topic": "stick",
    "type": "geometry_msgs/msg/Twist",
    "axes": {"shoulder": {"axis": "angular.z", "dead_zone": 0.0}},
}
UP, DOWN = 0, 1
PICKED = {
    "robot.choices": [
        {"name": "stay", "values": {}},
        {"name": "up", "values": {"shoulder": 0.8}},
        {"name": "down", "values": {"shoulder": -0.8}},
    ],
    "robot.teleop": {
        "dead_man": 4,
        "choices": {"up": {"button": UP}, "down": {"button": DOWN}},
        "neutral": "stay",
    },
}
"""The arm with choices instead of joints to move."""
KEYED = PICKED | {"robot.teleop": {"choices": {"up": {"key": "up"}, "down": {"key": "x"}}, "neutral": "stay"}}
"""The same without a joystick, whose node alone may take over where there is one."""
PERIOD_S = 0.05
SETTLED_S = SILENT_S + 0.5
TRIES = 3
"""A machine that stalls holds a console up like any program, and the robot stops; once in three it does not."""


class Person:
    """Somebody with a joystick, who says 20 times a second what its axes and its button are."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.held = self.silent = False
        self.axes = [0.0] * 6
        self.buttons = [0] * 8
        self.rests = False
        """Whether the hand is perfectly still; else its last digits differ from time to time."""
        self._trembles = 0.0
        self.sticks: list[Publisher] = [graph.publisher(Joy, "joy", qos.EVENTS)]
        graph.every(PERIOD_S, self._say)

    def _say(self) -> None:
        if self.silent:
            return
        self._trembles = 1e-4 - self._trembles
        shake = 0.0 if self.rests else self._trembles
        for stick in self.sticks:
            buttons = list(self.buttons)
            buttons[4:5] = [int(self.held)]
            stick.publish(Joy(axes=array("f", [value + shake for value in self.axes]), buttons=buttons))


@pytest.fixture
def arm(graph_environment: dict[str, str]) -> Iterator[Graph]:
    graph = Graph(graph_environment, "/arm")
    graph.start(STAND_IN, config=TASK)
    yield graph
    graph.close()


@pytest.fixture
def side(arm: Graph, tmp_path: Path) -> Side:
    """The robot's side with a joystick in its YAML, and its policy driving."""
    return driven(Side(arm, tmp_path / "run", {"robot.teleop": JOYSTICK}))


@pytest.fixture
def person(side: Side) -> Person:
    """Who has let go so far, and is heard."""
    person = Person(side.graph)
    side.graph.until(lambda: "takeover" in health(side) and "no joystick" not in health(side))
    return person


def driven(side: Side) -> Side:
    """Let its policy drive."""
    side.enable()
    count = len(side.applied)
    side.graph.until(lambda: side.sources()[count:].count(Source.RANDOM) > 5)
    return side


def health(side: Side, name: str = "teleop") -> str:
    """What the node says next of itself."""
    heard: list[Any] = []
    listener = side.graph.node.create_subscription(DiagnosticArray, topics.DIAGNOSTICS, heard.append, qos.EVENTS)

    def said() -> list[str]:
        return [s.message for m in heard for s in m.status if s.name == f"/arm/{name}"]

    side.graph.until(said)
    side.graph.node.destroy_subscription(listener)
    return said()[-1]


def newest(side: Side, seconds: float) -> set[Source]:
    """Sources of the steps of a while."""
    count = len(side.applied)
    side.graph.serve(seconds)
    return set(side.sources()[count:])


def assert_stopped(side: Side) -> None:
    """It stops, and stays so."""
    side.graph.until(lambda: side.sources()[-1] is Source.STOP)
    assert newest(side, SETTLED_S) == {Source.STOP}


def shoulder(side: Side) -> float:
    """Where the shoulder was commanded to be last, rad."""
    return side.commands[-1].data[0]


def test_while_its_button_is_held_the_stick_moves_the_joints(side: Side, person: Person) -> None:
    assert "button 4, axis 1, axis 3" in health(side)
    person.held = True
    side.graph.until(lambda: side.sources()[-1] is Source.TELEOP)
    assert newest(side, 0.5) == {Source.TELEOP}
    side.graph.serve(1.0)
    before = shoulder(side)
    assert abs(before) < 1.1, "it stays where the policy has left it, short of its bound"
    sign = -1.0 if before > 0.0 else 1.0
    person.axes[1], pushed_s = sign, time.monotonic()
    side.graph.serve(1.0)
    person.axes[1], pushed_s = 0.0, time.monotonic() - pushed_s
    side.graph.serve(1.0)
    moved = shoulder(side) - before
    # Half a rad/s for a second, or what this machine has made of it.
    assert 0.3 * pushed_s < moved * sign < 0.7 * pushed_s
    assert shoulder(side) == pytest.approx(shoulder_asked(side), abs=0.02)
    person.axes[3] = -1.0
    side.graph.until(lambda: "hold button 4" in health(side))
    person.held = False
    side.graph.until(lambda: side.sources()[-1] is Source.RANDOM)


def test_a_stick_at_rest_moves_nothing_while_episodes_end_and_begin(arm: Graph, tmp_path: Path) -> None:
    side = driven(Side(arm, tmp_path / "run", {"robot.teleop": JOYSTICK, "task.episode_steps": 40}))
    person = Person(arm)
    side.graph.until(lambda: "takeover is not ready" in health(side))
    person.held = True
    side.graph.until(lambda: side.sources()[-1] is Source.TELEOP)
    side.graph.serve(1.5)
    sent, steps = len(side.commands), len(side.applied)
    side.graph.until(lambda: side.sources()[steps:].count(Source.POLICY) == 2)
    side.graph.serve(0.5)
    # What is applied to the last observation of an episode is the null action, under the policy's source.
    assert set(side.sources()[steps:]) == {Source.TELEOP, Source.POLICY}
    for joint in (0, 1):
        places = [message.data[joint] for message in side.commands[sent:]]
        assert max(places) - min(places) < 0.02


def shoulder_asked(side: Side) -> float:
    """What the newest applied action means, rad."""
    return 1.2 * float(messages.read_action(side.applied[-1], side.spec).values[0])


def test_a_joystick_that_falls_silent_stops_the_robot_and_must_be_let_go_first(side: Side, person: Person) -> None:
    person.held, person.axes[1] = True, 1.0
    side.graph.until(lambda: side.sources()[-1] is Source.TELEOP)
    person.silent = True
    assert_stopped(side)
    # Its button is still pressed when it is back, long after the guard has given it up and the policy drives again.
    side.graph.serve(LET_GO_S + 1.0)
    driven(side)
    person.silent = False
    assert Source.TELEOP not in newest(side, 1.0)
    person.held = False
    side.graph.until(lambda: side.report()["takeover"] == "free")
    person.held = True
    side.graph.until(lambda: side.sources()[-1] is Source.TELEOP)


def test_a_button_that_was_held_before_the_robot_was_there_must_be_let_go(arm: Graph, tmp_path: Path) -> None:
    person = Person(arm)
    person.held, person.axes[1] = True, 1.0
    side = driven(Side(arm, tmp_path / "run", {"robot.teleop": JOYSTICK}))
    side.graph.until(lambda: health(side) == "let button 4 go first")
    assert Source.TELEOP not in newest(side, 3.0)


def test_two_joysticks_move_nothing_and_are_named(side: Side, person: Person) -> None:
    person.held, person.axes[1] = True, 1.0
    side.graph.until(lambda: side.sources()[-1] is Source.TELEOP)
    person.sticks.append(side.graph.publisher(Joy, "joy", qos.EVENTS))
    assert_stopped(side)
    side.graph.until(lambda: "2 publishers of /arm/joy: /arm/test" in health(side))
    side.graph.node.destroy_publisher(person.sticks.pop())
    side.graph.until(lambda: health(side) == "let button 4 go first")
    assert Source.TELEOP not in newest(side, 0.5)
    person.held = False
    side.graph.until(lambda: side.report()["takeover"] == "free")
    side.graph.until(lambda: "takeover is" in health(side))


def test_a_stick_that_says_the_same_for_long_is_no_person(side: Side, person: Person) -> None:
    """As of a driver that repeats the last message of a joystick whose cable is out."""
    person.held, person.rests, person.axes[1] = True, True, 1.0
    side.graph.until(lambda: side.sources()[-1] is Source.TELEOP)
    side.graph.until(lambda: "it has said exactly the same" in health(side))
    assert_stopped(side)


def test_a_joystick_without_that_axis_is_refused(side: Side, person: Person) -> None:
    person.axes = [0.0, 0.0]
    person.held = True
    side.graph.until(lambda: health(side) == "/arm/joy: there is no axis 3 among the 2 of the joystick")
    assert Source.TELEOP not in newest(side, 0.3)


def test_a_twist_counts_while_takeover_is_held_beside_it(arm: Graph, tmp_path: Path) -> None:
    side = driven(Side(arm, tmp_path / "run", {"robot.teleop": TWIST}))
    stick = arm.publisher(Twist, "stick", qos.EVENTS)
    switch = arm.publisher(Bool, topics.TAKEOVER, qos.EVENTS)
    holds: list[bool] = []

    def say() -> None:
        message = Twist()
        message.angular.z = 0.2
        stick.publish(message)
        for held in holds[-1:]:
            switch.publish(Bool(data=held))

    arm.every(PERIOD_S, say)
    side.graph.until(lambda: "no joystick" not in health(side))
    assert Source.TELEOP not in newest(side, 0.5)
    holds.append(False)
    side.graph.until(lambda: side.report()["takeover"] == "free")
    holds.append(True)
    side.graph.until(lambda: side.sources()[-1] is Source.TELEOP)
    holds.append(False)
    side.graph.until(lambda: side.sources()[-1] is Source.RANDOM)


def picks(side: Side, count: int) -> set[str]:
    """Which choices the person has made in the steps from a number on."""
    applied = [messages.read_action(message, side.spec) for message in side.applied[count:]]
    return {side.spec.names[int(a.values.argmax())] for a in applied if a.source is Source.TELEOP}


def until_picked(side: Side, choice: str) -> None:
    """Wait until the person's newest step is a choice."""
    count = len(side.applied)
    side.graph.until(lambda: picks(side, max(count, len(side.applied) - 1)) == {choice})


def test_buttons_pick_choices_and_whatever_lies_on_them_a_takeover_begins_at_rest(arm: Graph, tmp_path: Path) -> None:
    side = driven(Side(arm, tmp_path / "run", PICKED))
    person = Person(arm)
    side.graph.until(lambda: "button 0, button 1, button 4" in health(side))
    count = len(side.applied)
    person.buttons[UP] = 1
    side.graph.serve(0.2)
    person.held = True
    until_picked(side, "stay")
    side.graph.serve(1.0)
    assert picks(side, count) == {"stay"}, "its button was pressed before the dead-man"
    rest = shoulder(side)
    person.buttons[UP] = 0
    side.graph.serve(0.2)
    pressed = UP if rest < 0.0 else DOWN
    person.buttons[pressed] = 1
    until_picked(side, "up" if pressed == UP else "down")
    side.graph.until(lambda: abs(shoulder(side) - rest) > 0.5)
    # Of two at once none counts, and the arm stays where it comes to rest.
    person.buttons[UP] = person.buttons[DOWN] = 1
    until_picked(side, "stay")
    side.graph.serve(0.8)
    stays = shoulder(side)
    side.graph.serve(0.5)
    assert shoulder(side) == pytest.approx(stays, abs=1e-3)
    side.graph.until(lambda: "hold button 4" in health(side))
    # Letting go in the middle gives it back, and the policy's own choices are not the person's.
    person.held = False
    side.graph.until(lambda: side.sources()[-1] is Source.RANDOM)
    assert Source.TELEOP not in newest(side, 0.5)


def test_a_joystick_of_choices_that_falls_silent_or_has_too_few_buttons_stops_the_robot(
    arm: Graph, tmp_path: Path
) -> None:
    side = driven(Side(arm, tmp_path / "run", PICKED))
    person = Person(arm)
    side.graph.until(lambda: "takeover is not ready" in health(side))
    person.held = True
    until_picked(side, "stay")
    person.buttons[UP] = 1
    until_picked(side, "up")
    person.silent = True
    side.graph.serve(SETTLED_S)
    assert newest(side, 0.3) == {Source.STOP}
    # It is back with its button held, and with the one of the dead-man as its last.
    person.silent, person.buttons = False, [0] * 4
    side.graph.until(lambda: side.report()["takeover"] != "held")
    assert Source.TELEOP not in newest(side, 0.5)
    person.buttons = [0]
    side.graph.until(lambda: "there is no button 4 among the 2" in health(side))
    assert Source.TELEOP not in newest(side, 0.3)


def test_keys_pick_choices_in_the_console(arm: Graph, tmp_path: Path) -> None:
    keys = Keys(driven(Side(arm, tmp_path / "run", KEYED)), tmp_path / "run")
    side = keys.side
    try:
        for _ in range(TRIES):
            keys.take_over()
            count = len(side.applied)
            side.graph.serve(0.5)
            assert picks(side, count) <= {"stay"}
            for key, choice in (("x", "down"), (UP_KEY, "up")):
                count = len(side.applied)
                keys.terminal.press(key)
                side.graph.serve(1.0)
                assert picks(side, count) <= {choice, "stay"}
            if Source.STOP not in newest(side, 0.2):
                break
            driven(side)
        assert choice in picks(side, count), "the newest key"
        keys.terminal.press("t")
        side.graph.until(lambda: side.report()["takeover"] == "free")
    finally:
        keys.terminal.close()


class Keys:
    """A person at the console's keys."""

    def __init__(self, side: Side, path: Path) -> None:
        self.side = side
        self.terminal = Terminal(side.graph, RunFolder(path))
        self.terminal.until_shown("moving")

    def take_over(self) -> None:
        self.terminal.press("t")
        self.side.graph.until(lambda: self.side.sources()[-1] is Source.TELEOP)

    def drive(self) -> tuple[float, float, set[Source]]:
        """Take over, wait, push four times and give back; how far the shoulder went meanwhile, and who drove."""
        count = len(self.side.applied)
        self.take_over()
        first = next(n for n, source in enumerate(self.side.sources()[count:], count) if source is Source.TELEOP)
        self.side.graph.serve(1.5)
        before = shoulder(self.side)
        self.side.graph.serve(0.5)
        idle = shoulder(self.side) - before
        for _ in range(4):
            self.terminal.press(LEFT if before > 0.0 else RIGHT)
            self.side.graph.serve(0.4)
        self.side.graph.serve(0.5)
        pushed, drivers = shoulder(self.side) - before - idle, set(self.side.sources()[first:])
        self.terminal.press("t")
        self.side.graph.until(lambda: self.side.report()["takeover"] == "free")
        return idle, pushed, drivers


@pytest.fixture
def keys(arm: Graph, tmp_path: Path) -> Iterator[Keys]:
    keys = Keys(driven(Side(arm, tmp_path / "run")), tmp_path / "run")
    yield keys
    keys.terminal.close()


def test_keys_move_the_robot_in_pulses_and_a_console_that_dies_stops_it(keys: Keys) -> None:
    for _ in range(TRIES):
        idle, pushed, drivers = keys.drive()
        if drivers == {Source.TELEOP} and 0.16 < abs(pushed) < 0.5:
            break
        # The machine has held the console up, for a pulse or for longer than a person may be silent.
        driven(keys.side)
    assert drivers == {Source.TELEOP}
    assert idle == pytest.approx(0.0, abs=1e-3), "nobody has pressed an arrow"
    # Four times 0.2 s at a fifth of 2 rad/s, as evenly as this machine serves it.
    assert 0.16 < abs(pushed) < 0.5
    driven(keys.side)
    keys.take_over()
    keys.terminal.process.kill()
    assert_stopped(keys.side)


def test_keys_move_nothing_once_a_stranger_tells_what_the_robot_is_commanded(keys: Keys) -> None:
    keys.take_over()
    keys.side.graph.publisher(JointState, topics.SENT_COMMAND, qos.EVENTS)
    keys.terminal.until_shown("2 publishers of /arm/actuator/command")
    keys.side.graph.until(lambda: keys.side.sources()[-1] is not Source.TELEOP)
    assert Source.TELEOP not in newest(keys.side, SETTLED_S)
