"""Jogs one joint through the guard: that of the robot's side which runs, or one that is started for it alone."""

import argparse
import math
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import rclpy
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import JointState

from robot_mbrl import messages, topics
from robot_mbrl.config import RobotConfig, load_run
from robot_mbrl.control.jogging import DONE
from robot_mbrl.errors import USER_ERROR, MessageError, RobotMbrlError
from robot_mbrl.runs.scenario import namespace
from robot_mbrl.terminal import with_output
from ros_nodes import qos
from ros_nodes.operate import ACTUATOR, INTERRUPTED, NO_LOG_FILE, RefusedError
from ros_nodes.robot_state import RobotState
from ros_nodes.runtime import make_executor

MEET_S = 2.5
"""How long a guard that runs already is waited for."""
PATIENCE_S = 15.0
REPEAT_S = 0.2
SPIN_S = 0.05
SETTLE_S = 0.5
"""How long a joint may take to come to rest after its command."""
STOP_S = 10.0
FOLLOWED_SHARE = 0.5
"""Share of the way that a joint must have been found to make."""


class Jogger:
    """Asks for a jog until it is done, and measures what it did."""

    def __init__(self, robot: RobotConfig, joint: str, delta: float) -> None:
        """Join the graph in the robot's namespace."""
        self.node = node = Node("jog", start_parameter_services=False, enable_rosout=False)
        self._robot, self._joint, self._delta = robot, joint, delta
        self._state = RobotState(node)
        self._jogs = node.create_publisher(JointState, ACTUATOR + topics.JOG.removeprefix("~/"), qos.EVENTS)
        self._farthest = math.nan
        command = next((c for c in robot.commands if joint in [j.name for j in c.joints]), None)
        if command is not None and command.source is not None:
            source = robot.sources[command.source]
            node.create_subscription(JointState, source.topic, self._on_joints, qos.sensor(source))
        units = {} if command is None else {j.name: j.unit.removesuffix("/s") for j in command.joints}
        self._unit = units.get(joint, "")
        self._executor = make_executor()
        self._executor.add_node(node)

    @property
    def has_guard(self) -> bool:
        """Whether a guard is heard, waited for a while."""
        return self._serve(MEET_S, lambda: bool(self._state.report))

    def jog(self) -> str:
        """Ask again and again until it is done; returns what the joint did.

        Raises:
            RefusedError: if no guard answers, it refuses, or the joint does something else.
        """
        if not self._serve(PATIENCE_S, lambda: bool(self._state.report)):
            raise RefusedError("no guard answers")
        number, self._farthest = time.time_ns(), math.nan
        begun, end_s, told = False, time.monotonic() + PATIENCE_S, ""
        while (answer := self._answer(number)) != DONE:
            # What hinders it before it has begun may pass: a guard that has just been started believes nobody yet.
            if answer and (begun or self._state.says("enabled") or time.monotonic() > end_s):
                raise RefusedError(f"not jogged: {answer}")
            if answer == "" and not begun:
                begun, end_s = True, time.monotonic() + 2.0 * PATIENCE_S
            if time.monotonic() > end_s:
                raise RefusedError("not jogged: the guard does not say that it is done")
            if answer and answer != told:
                told = answer
                print(f"waiting: {answer}", flush=True)
            self._ask(number)
            self._serve(REPEAT_S, lambda: self._answer(number) == DONE)
        self._serve(SETTLE_S, lambda: False)
        start = self._state.report.get("jog_from")
        return self._outcome(float(start) if start else math.nan)

    def _ask(self, number: int) -> None:
        message = JointState()
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(number, messages.NANOSECONDS)
        messages.write_named(message, {self._joint: self._delta})
        self._jogs.publish(message)

    def _answer(self, number: int) -> str | None:
        """What the guard says of this jog: nothing while it goes on; None before it has heard of it."""
        report = self._state.report
        return report.get("jog", "") if report.get("jog_number") == str(number) else None

    def _outcome(self, start: float) -> str:
        asked = f"{self._joint} was asked to move by {self._delta:+g} {self._unit}"
        if not math.isfinite(start) or not math.isfinite(self._farthest):
            return f"{asked}; it is not measured: see whether it did"
        moved = self._farthest - start
        found = f"{asked}: found at {start:.4f} before, at {self._farthest:.4f} then ({moved:+.4f})"
        if moved * self._delta < FOLLOWED_SHARE * self._delta * self._delta:
            raise RefusedError(f"{found}: it did not; see its sign, its unit, and whether the driver obeys")
        return found

    def _on_joints(self, message: Any) -> None:
        if self._joint in message.name:
            try:
                position = messages.read_joint(message, self._joint, "position")
            except MessageError as error:
                self.node.get_logger().warning(str(error), throttle_duration_sec=1.0)
                return
            # Not where it ends: a robot that is damped at rest sinks.
            farther = math.isnan(self._farthest) or (position - self._farthest) * self._delta > 0.0
            self._farthest = position if farther else self._farthest

    def _serve(self, duration_s: float, until: Callable[[], bool]) -> bool:
        end_s = time.monotonic() + duration_s
        while not until():
            if time.monotonic() > end_s:
                return False
            self._executor.spin_once(SPIN_S)
        return True


@contextmanager
def guard_of_its_own(task: str, namespace: str) -> Iterator[None]:
    """A guard that runs meanwhile, and brings the robot to rest when it ends."""
    words = ["--ros-args", "-r", f"__ns:={namespace}", "-p", f"config:={task}"]
    # What it has to say of itself, this command says.
    process = subprocess.Popen([sys.executable, "-m", "ros_nodes.actuator_node", *words], stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """Jog and tell what the joint did; returns 1 if it was not jogged as asked."""
    parser = argparse.ArgumentParser(prog="robot-mbrl jog")
    parser.add_argument("task")
    parser.add_argument("joint")
    parser.add_argument("delta", type=float)
    parser.add_argument("--namespace", default="")
    args = parser.parse_args(arguments)
    return with_output(lambda: _run(args))


def _run(args: argparse.Namespace) -> int:
    try:
        config = load_run(args.task)
        robot = config.robot
        space = topics.namespace(args.namespace) if args.namespace else namespace(config)
        words = ["jog", "--ros-args", "-r", f"__ns:={space}", *NO_LOG_FILE[1:]]
        rclpy.init(args=words, signal_handler_options=SignalHandlerOptions.NO)
    except (RobotMbrlError, RuntimeError) as error:
        return _complain(str(error), USER_ERROR)
    try:
        jogger = Jogger(robot, args.joint, args.delta)
        if jogger.has_guard:
            print(jogger.jog(), flush=True)
        else:
            with guard_of_its_own(args.task, space):
                print(jogger.jog(), flush=True)
    except RefusedError as error:
        return _complain(str(error), 1)
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        rclpy.try_shutdown()
    return 0


def _complain(text: str, code: int) -> int:
    print(f"robot-mbrl: {' '.join(text.split())}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
