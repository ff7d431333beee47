"""The operator's console in a terminal of its own, with a guard that the test plays."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool
from std_srvs.srv import Trigger
from textual.binding import Binding

from robot_mbrl import messages, topics
from robot_mbrl.config import load_run
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.teleop_config import ARROWS, CONSOLE_KEYS
from ros_nodes import qos
from ros_nodes.operator_console import OperatorConsole
from tests.graph.conftest import IN_TERMINAL
from tests.graph.graph import PATIENCE_S, Graph
from tests.graph.test_operating import Guard

LEFT, RIGHT, UP_KEY = "\x1b[D", "\x1b[C", "\x1b[A"
"""What a terminal sends for the arrows."""
TRIES = 20
"""A machine that stalls holds everybody up; once in so many times it does not."""
AGAIN_S = 2.0
ESCAPES = re.compile(r"\x1b\[[0-9;?<>=]*[A-Za-z]|\x1b[()][A-Z0-9]|\x1b[=>]")


class Terminal:
    """A terminal of 120 by 40, and the console in it."""

    def __init__(self, graph: Graph, folder: RunFolder) -> None:
        self.graph, self._drawn = graph, b""
        self._keyboard, screen = pty.openpty()
        fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        os.set_blocking(self._keyboard, False)
        command = [sys.executable, "-m", "robot_mbrl.cli", "console", f"--run={folder.path}"]
        self.process = subprocess.Popen(
            [sys.executable, "-c", IN_TERMINAL, *command],
            env={**graph.environment, "TERM": "xterm-256color"},
            stdin=screen,
            stdout=screen,
            stderr=screen,
        )
        os.close(screen)
        graph.every(0.02, self._read)

    def press(self, key: str) -> None:
        os.write(self._keyboard, key.encode())

    def until_shown(self, text: str) -> None:
        """Wait until something is on the screen that was drawn from now on."""
        self._drawn = b""
        self.graph.until(lambda: self.shows(text))

    def shows(self, text: str) -> bool:
        """Whether that is among what was drawn; a read may end within an escape or a letter."""
        return text in ESCAPES.sub("", self._drawn.decode(errors="replace"))

    def press_until(self, key: str, condition: Callable[[], object]) -> int:
        """Press a key again and again, for what may come too early or not be noticed in time; returns how often."""
        pressed_s: list[float] = []

        def done() -> bool:
            if condition():
                return True
            if not pressed_s or time.monotonic() > pressed_s[-1] + AGAIN_S:
                self.press(key)
                pressed_s.append(time.monotonic())
            return False

        self.graph.until(done)
        return len(pressed_s)

    def _read(self) -> None:
        try:
            self._drawn += os.read(self._keyboard, 1 << 16)
        except (BlockingIOError, OSError):
            return

    def close(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE_S)
        os.close(self._keyboard)


@pytest.fixture
def guard(cartpole: Graph) -> Guard:
    return Guard(cartpole)


@pytest.fixture
def terminal(cartpole: Graph, guard: Guard, tmp_path: Path) -> Iterator[Terminal]:
    folder = RunFolder.create(load_run("cartpole", {"task.reset": "human"}), tmp_path / "run")
    terminal = Terminal(cartpole, folder)
    terminal.until_shown("disabled")
    yield terminal
    terminal.close()


def test_keys_are_acts_and_the_screen_says_what_became_of_them(
    cartpole: Graph, guard: Guard, terminal: Terminal
) -> None:
    calls: list[str] = []

    def answer(name: str):
        def on_call(request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
            calls.append(name)
            response.success, response.message = name == "release", "released" if name == "release" else "not ready"
            return response

        return on_call

    cartpole.node.create_service(Trigger, "actuator/reset_stop", answer("release"))
    cartpole.node.create_service(Trigger, "sensor/start_episode", answer("begin"))
    labels = cartpole.collect(JointState, topics.FEEDBACK, qos.EVENTS)
    terminal.press("e")
    cartpole.until(lambda: [message.data for message in guard.enabled_by] == [True])
    guard.be("moving", enabled=True)
    terminal.until_shown("moving")
    terminal.press("d")
    cartpole.until(lambda: [message.data for message in guard.enabled_by] == [True, False])
    for key, label in (("s", "success"), ("f", "failure")):
        terminal.press(key)
        cartpole.until(lambda label=label: labels and messages.read_named(labels[-1]) == {label: 1.0})
    # Clients meet their services later than publishers their subscribers.
    terminal.press_until("n", lambda: terminal.shows("no episode was begun: not ready"))
    terminal.press_until("r", lambda: "release" in calls)
    guard.be("latched: joint_limit", "slider is at 1.2 m, beyond 1.0", latched=True)
    terminal.until_shown("slider is at 1.2 m, beyond 1.0")
    terminal.press("q")
    cartpole.until(lambda: terminal.process.poll() is not None)
    assert terminal.process.returncode == 0


def test_keys_take_over_move_the_robot_in_pulses_and_give_it_back(
    cartpole: Graph, guard: Guard, terminal: Terminal
) -> None:
    switches = cartpole.collect(Bool, topics.TAKEOVER, qos.EVENTS)
    sticks = cartpole.collect(JointState, topics.TELEOP, qos.EVENTS)
    assert cartpole.node.count_publishers(topics.TAKEOVER) == 0, "who does not take over is not one of two people"
    guard.be("moving", enabled=True)
    terminal.press("t")
    terminal.until_shown("taken over")
    heard_s: list[float] = []
    cartpole.node.create_subscription(Bool, topics.TAKEOVER, lambda _: heard_s.append(time.monotonic()), qos.EVENTS)
    cartpole.until(lambda: sticks and len(heard_s) > 20)
    assert all(message.data for message in switches)
    # The guard takes a switch that is silent for 0.3 s for a person who is lost.
    assert np.median(np.diff(heard_s)) < 0.15
    assert {round(values(message)["slider"], 6) for message in sticks} == {0.0}
    # A pulse is short: a console that is held up meanwhile sends nothing of it.
    presses = terminal.press_until(RIGHT, lambda: values(sticks[-1])["slider"] > 0.0)
    cartpole.until(lambda: values(sticks[-1])["slider"] == pytest.approx(0.0))
    pushed = [message for message in sticks if values(message)["slider"] > 0.0]
    assert 1 <= len(pushed) <= 5 * presses
    terminal.press("t")
    cartpole.until(lambda: not switches[-1].data)
    cartpole.until(lambda: cartpole.node.count_publishers(topics.TAKEOVER) == 0)


@pytest.fixture
def joystick(cartpole: Graph) -> None:
    """Another person, who is announced before the guard is: a console that has met the one knows the other."""
    switch = cartpole.publisher(Bool, topics.TAKEOVER, qos.EVENTS)
    cartpole.every(0.1, lambda: switch.publish(Bool(data=False)))


def test_no_letter_that_means_something_in_the_console_is_free_for_choices() -> None:
    bound = {binding.key for binding in OperatorConsole.BINDINGS if isinstance(binding, Binding)}
    assert {key for key in bound if len(key) == 1} == CONSOLE_KEYS
    assert set(ARROWS) < bound


def test_of_two_people_the_one_at_the_keys_is_told_of_the_other(
    cartpole: Graph, joystick: None, guard: Guard, terminal: Terminal
) -> None:
    terminal.press("t")
    terminal.until_shown("not taken over: /cartpole/test")
    cartpole.serve(0.3)
    assert cartpole.node.count_publishers(topics.TAKEOVER) == 1


def values(message: JointState) -> dict[str, float]:
    return messages.read_named(message)


def test_space_reaches_the_guard_within_a_tenth_of_a_second(cartpole: Graph, guard: Guard, terminal: Terminal) -> None:
    took_s: list[float] = []
    while len(took_s) < TRIES and min(took_s, default=1.0) >= 0.1:
        guard.stopped_by.clear()
        begin_s = time.monotonic()
        terminal.press(" ")
        cartpole.until(lambda: bool(guard.stopped_by))
        took_s.append(time.monotonic() - begin_s)
        assert guard.stopped_by[0].data
        guard.obey()
        # It says so again until it is obeyed.
        cartpole.await_hush(guard.stopped_by)
        guard.be("disabled")
    assert min(took_s) < 0.1


def test_without_a_terminal_it_says_what_else_there_is(cartpole: Graph, robot_mbrl, tmp_path: Path) -> None:
    folder = RunFolder.create(load_run("cartpole"), tmp_path / "run")
    console = robot_mbrl("console", f"--run={folder.path}")
    cartpole.until(lambda: console.poll() is not None)
    assert console.returncode == 1
    assert "needs a terminal" in console.communicate()[1]
