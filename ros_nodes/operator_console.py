"""The operator's console: one terminal that is always connected, shows a robot at a glance and acts by single keys."""

import argparse
import gc
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, ClassVar

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import remove_ros_args
from rich.table import Table
from rich.text import Text
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool
from std_srvs.srv import Trigger
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Footer, Header, Static

from robot_mbrl import messages, topics
from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.errors import USER_ERROR, MessageError, RobotMbrlError
from robot_mbrl.runs.operator_view import RETURNS, Seen, lines
from robot_mbrl.teleop_config import ARROWS
from robot_mbrl.terminal import with_output
from ros_nodes import qos
from ros_nodes.keyboard_takeover import KeyboardTakeover
from ros_nodes.operate import ACTUATOR, NO_LOG_FILE, SENSOR
from ros_nodes.robot_state import RobotState
from ros_nodes.runtime import make_executor

REFRESH_S = 0.2
SPIN_S = 0.02
PRESS_S = 0.02
"""How often a stop is repeated until the guard has taken it: a message may be lost."""
INSIST_S = 2.0
ANSWER_S = 3.0
"""Longest that a service is waited for."""


class Robot:
    """The robot as this console hears it, and the acts of its operator; serves the graph in a thread of its own."""

    def __init__(self, config: RunConfig) -> None:
        """Join the graph.

        Args:
            config: the run.
        """
        self.seen = Seen()
        self.node = node = Node("operator_console", start_parameter_services=False, enable_rosout=False)
        self._state = RobotState(node)
        self._state.listen_to_nodes()
        self._emergency = node.create_publisher(Bool, topics.EMERGENCY_STOP, qos.EVENTS)
        self._enable = node.create_publisher(Bool, topics.ENABLE, qos.EVENTS)
        self._feedback = node.create_publisher(JointState, topics.FEEDBACK, qos.EVENTS)
        self._release = node.create_client(Trigger, ACTUATOR + topics.RESET_STOP.removeprefix("~/"))
        self._begin = node.create_client(Trigger, SENSOR + topics.START_EPISODE.removeprefix("~/"))
        node.create_subscription(DiagnosticArray, topics.GUARD, self._on_guard, qos.EVENTS)
        node.create_subscription(DiagnosticArray, topics.DIAGNOSTICS, self._on_diagnostics, qos.EVENTS)
        node.create_subscription(JointState, topics.OBSERVATION, self._on_observation, qos.SEEN)
        node.create_subscription(JointState, topics.EPISODE, self._on_episode, qos.LATCHED)
        self.keys = KeyboardTakeover(node, config, self._say)
        self._executor = make_executor()
        self._executor.add_node(node)
        self._open = True
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Leave the graph."""
        self._open = False
        self._thread.join(ANSWER_S)

    def stop(self) -> None:
        """Press the emergency stop at once, and again until the guard says that it has heard it."""
        self._emergency.publish(Bool(data=True))
        self.keys.give_back("")
        self._say("the emergency stop is pressed: r releases it")
        threading.Thread(target=self._insist, daemon=True).start()

    def enable(self) -> None:
        """Let the robot move."""
        if self._state.report.get("may_enable") == "False":
            self._say(f"not enabled: {self._state.sentence}")
            return
        self._enable.publish(Bool(data=True))
        self._say("enabled")

    def disable(self) -> None:
        """Stop the robot until it is enabled again."""
        self._enable.publish(Bool(data=False))
        self._say("disabled")

    def release(self) -> None:
        """Let go of the emergency stop and release what has latched."""
        self._emergency.publish(Bool(data=False))
        self._call(self._release, "not released")

    def start_episode(self) -> None:
        """Tell the robot that the scene is ready."""
        self._call(self._begin, "no episode was begun")

    def judge(self, label: str) -> None:
        """Label the present step, `success` or `failure`."""
        message = JointState()
        messages.write_named(message, {label: 1.0})
        self._feedback.publish(message)
        self._say(f"{label} was said of the present step")

    def _insist(self) -> None:
        end_s = time.monotonic() + INSIST_S
        while time.monotonic() < end_s and not self._state.says("emergency_pressed"):
            self._emergency.publish(Bool(data=True))
            time.sleep(PRESS_S)

    def _call(self, client: Any, refusal: str) -> None:
        if not client.service_is_ready():
            self._say(f"{refusal}: nobody answers on {client.srv_name}")
            return

        def answered(future: Any) -> None:
            answer = future.result()
            self._say(answer.message if answer.success else f"{refusal}: {answer.message}")

        client.call_async(Trigger.Request()).add_done_callback(answered)

    def _say(self, text: str) -> None:
        self.seen.said = text

    @property
    def is_heard(self) -> bool:
        """Whether the graph is still listened to: what is shown is else of a moment that is over."""
        return self._thread.is_alive()

    def _serve(self) -> None:
        while self._open and rclpy.ok():
            self._executor.spin_once(SPIN_S)

    def _on_guard(self, message: Any) -> None:
        if message.status:
            self.seen.reported_s = time.monotonic()
            self.seen.report = {pair.key: pair.value for pair in message.status[0].values}
            self.seen.word = self.seen.report.get("state") or self._state.word
            self.seen.troubles = dict(self._state.troubles)

    def _on_diagnostics(self, message: Any) -> None:
        space = self.node.get_namespace().rstrip("/")
        found = dict(self.seen.nodes)
        for status in message.status:
            owner, _, name = status.name.rpartition("/")
            if owner == space and status.level != DiagnosticStatus.STALE:
                found[name] = (status.message, {pair.key: pair.value for pair in status.values})
        self.seen.nodes = found

    def _on_observation(self, message: Any) -> None:
        with suppress(MessageError):
            values = messages.read_named(message)
            end = topics.AGE_SUFFIX
            self.seen.ages_s = {k.removesuffix(end): v for k, v in values.items() if k.endswith(end)}
            self.seen.observed_s = time.monotonic()

    def _on_episode(self, message: Any) -> None:
        if message.position:
            self.seen.returns = [*self.seen.returns, message.position[0]][-RETURNS:]


class OperatorConsole(App[None]):
    """Shows a robot and acts on it."""

    CSS = "#state { text-style: bold; padding: 1 2; } #rest { padding: 0 2; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "act('stop')", "STOP", priority=True),
        Binding("e", "act('enable')", "enable"),
        Binding("d", "act('disable')", "disable"),
        Binding("r", "act('release')", "release"),
        Binding("t", "act('take_over')", "take over"),
        *(Binding(key, f"drive('{key}')", show=False, priority=True) for key in ARROWS),
        Binding("n", "act('start_episode')", "start episode"),
        Binding("s", "act('success')", "success"),
        Binding("f", "act('failure')", "failure"),
        Binding("q", "quit", "quit"),
    ]

    def __init__(self, robot: Robot, name: str) -> None:
        """Begin to show a robot.

        Args:
            robot: what is shown and acted on.
            name: its namespace.
        """
        super().__init__()
        self.title = name
        self._robot = robot
        self._acts: dict[str, Callable[[], None]] = {
            "stop": robot.stop,
            "enable": robot.enable,
            "disable": robot.disable,
            "release": robot.release,
            "start_episode": robot.start_episode,
            "success": lambda: robot.judge("success"),
            "failure": lambda: robot.judge("failure"),
            "take_over": robot.keys.toggle,
        }
        for key, choice in robot.keys.mapped.items():
            if key not in ARROWS:
                self.bind(key, f"drive('{key}')", description=choice)

    def compose(self) -> ComposeResult:
        """Title, state, all else, and the keys."""
        yield Header()
        yield Static(id="state", markup=False)
        yield Static(id="rest")
        yield Footer()

    def on_mount(self) -> None:
        """Look regularly."""
        # A collection of all that was imported holds up every thread, so whoever drives by keys, for over 0.1 s.
        gc.collect()
        gc.freeze()
        self.set_interval(REFRESH_S, self.show_robot)
        self.show_robot()

    def show_robot(self) -> None:
        """Show what is known now; end where nothing is heard any more."""
        if not self._robot.is_heard:
            self.exit(return_code=1, message="robot-mbrl: the console hears the robot no more: start it again")
            return
        (_, state), *rest = lines(self._robot.seen, time.monotonic())
        self.query_one("#state", Static).update(state)
        table = Table(box=None, show_header=False)
        table.add_column(style="dim", no_wrap=True)
        table.add_column(overflow="fold")
        for label, text in rest:
            # A text of the robot's, such as a topic in brackets, is no markup.
            table.add_row(label, Text(text))
        self.query_one("#rest", Static).update(table)

    def action_act(self, name: str) -> None:
        """Do what a key says, at once."""
        self._acts[name]()
        self.show_robot()

    def action_drive(self, key: str) -> None:
        """Move the robot by a key, if this person has taken over."""
        self._robot.keys.press(key)
        self.show_robot()


def main(arguments: Sequence[str] | None = None) -> int:
    """Show a robot until the operator quits."""
    words = sys.argv if arguments is None else ["console", *arguments]
    parser = argparse.ArgumentParser(prog="robot-mbrl console")
    parser.add_argument("--space", required=True, help="the robot's namespace")
    parser.add_argument("--config", required=True, help="the run's config.yaml")
    args = parser.parse_args(remove_ros_args(words)[1:])
    return with_output(lambda: _run(args.space, args.config))


def _run(space: str, config: str) -> int:
    if not sys.stdin.isatty():
        print(
            "robot-mbrl: the console needs a terminal: ssh -t, or the commands enable, stop and status", file=sys.stderr
        )
        return 1
    try:
        run = load_run(config)
    except RobotMbrlError as error:
        print(f"robot-mbrl: {error}", file=sys.stderr)
        return USER_ERROR
    arguments = ["console", "--ros-args", "-r", f"__ns:={space}", *NO_LOG_FILE[1:]]
    rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
    robot = Robot(run)
    try:
        console = OperatorConsole(robot, space)
        console.run()
    finally:
        robot.close()
        rclpy.try_shutdown()
    return console.return_code or 0


if __name__ == "__main__":
    sys.exit(main())
