"""A person's acts: enable and disable a robot, stop and release it, start an episode; each waits for its effect."""

import argparse
import math
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import remove_ros_args
from std_msgs.msg import Bool
from std_srvs.srv import Trigger

from robot_mbrl import topics
from robot_mbrl.control.stops import Reason
from ros_nodes import qos
from ros_nodes.runtime import STOP_SIGNALS, make_executor

ACTS = ("enable", "disable", "stop", "release", "start-episode")
PATIENCE_S = 10.0
SETTLE_S = 2.0
"""How long a robot that was enabled may take until its policy acts steadily, and it moves."""
WAITING = (Reason.STARTING, Reason.DISABLED)
"""Why a robot stands still with nothing amiss: its episode has yet to begin."""
REPEAT_S = 0.2
INTERRUPTED = 130
REPEATS_PER_TIMEOUT = 4
"""How often a dead-man switch repeats itself within its timeout, so that one lost message stops nothing."""


class NobodyAnswersError(Exception):
    """Nobody is there to be told, or to say that it was heard."""


class Operator:
    """Publishes what a person wants, again and again, since what is sent before the guard has met it is lost."""

    def __init__(self) -> None:
        """Join the graph."""
        self.node = node = Node("operator")
        self._enables = node.create_publisher(Bool, topics.ENABLE, qos.EVENTS)
        self._emergencies = node.create_publisher(Bool, topics.EMERGENCY_STOP, qos.EVENTS)
        node.create_subscription(DiagnosticArray, topics.GUARD, self._on_guard, qos.EVENTS)
        self._executor = make_executor()
        self._executor.add_node(node)
        self._report: dict[str, str] = {}
        self._interrupted = False
        self._repeat_s = REPEAT_S
        for number in STOP_SIGNALS:
            signal.signal(number, self._on_signal)

    def enable(self, hold_s: float | None) -> str:
        """Let the robot move.

        Args:
            hold_s: None to do it once; else the dead-man switch's timeout: the robot moves until Ctrl-C.

        Raises:
            NobodyAnswersError: if no guard answers.
        """
        try:
            return self._enable(hold_s)
        except KeyboardInterrupt:
            # Who interrupts this wants no robot that may move.
            self._interrupted = False
            if self._report:
                self.disable()
            raise

    def _enable(self, hold_s: float | None) -> str:
        self._until(lambda: bool(self._report), self._wait, topics.GUARD)
        if self._latched():
            return f"not enabled: the guard is latched ({self._report['stopped']}); see to it, then: robot-mbrl release"
        # Once it is heard, only a dead-man switch repeats itself: whoever stops the robot meanwhile means it.
        repeat = self._wait if hold_s is None else self._say_on
        if hold_s is not None:
            self._repeat_s = min(REPEAT_S, hold_s / REPEATS_PER_TIMEOUT)
            # A switch that was held through a stop, or lost its connection, has to be let go first.
            self._until(lambda: self._report["lapsed"] == "False", lambda: self._say(on=False), topics.ENABLE)
        self._until(lambda: self._report["enabled"] == "True", self._say_on, topics.ENABLE)
        # Right after a launch, sensors may still be on their way.
        self._serve(PATIENCE_S, repeat, until=lambda: self._report["stopped"] in ("", *WAITING))
        self._serve(SETTLE_S, repeat, until=lambda: not self._report["stopped"])
        if hold_s is not None:
            self._hold()
            return self.disable()
        return self._sentence()

    def disable(self) -> str:
        """Stop the robot until it is enabled again."""
        # Also where it is reported to be: what was said last may not have been heard yet.
        self._say(on=False)
        self._until(lambda: self._report.get("enabled") == "False", lambda: self._say(on=False), topics.ENABLE)
        return "disabled: the robot is stopped until it is enabled"

    def stop(self) -> str:
        """Press the emergency stop, which latches."""
        press = Bool(data=True)
        # Not only until it is latched, which another reason may have done before.
        self._until(self._pressed, lambda: self._emergencies.publish(press), topics.EMERGENCY_STOP)
        return f"stopped: {self._report['stopped']}; to go on: robot-mbrl release, then robot-mbrl enable"

    def release(self) -> str:
        """Let go of the emergency stop, and release whatever has latched."""
        service = "actuator/" + topics.RESET_STOP.removeprefix("~/")
        end_s = time.monotonic() + PATIENCE_S
        answer = self._call(service)
        while not answer.success and time.monotonic() < end_s:
            self._serve(REPEAT_S, lambda: self._emergencies.publish(Bool(data=False)), until=lambda: False)
            answer = self._call(service)
        return f"{answer.message}; robot-mbrl enable lets the robot move" if answer.success else str(answer.message)

    def start_episode(self) -> str:
        """Tell the robot that a person has brought the scene to a start."""
        answer: str = self._call("sensor/" + topics.START_EPISODE.removeprefix("~/")).message
        return answer

    def _hold(self) -> None:
        """Be the dead-man switch until a signal comes."""
        print(f"{self._sentence()}; Ctrl-C stops it", flush=True)
        with suppress(KeyboardInterrupt):
            self._serve(math.inf, self._say_on, until=lambda: False)
        self._interrupted = False

    def _sentence(self) -> str:
        stopped = self._report["stopped"]
        if self._report["enabled"] == "False":
            return "disabled"
        if not stopped:
            return "enabled: the robot moves as its policy wishes"
        if stopped in WAITING:
            return "enabled: the robot moves once an episode begins; where a person does that: robot-mbrl start-episode"
        return f"enabled, but the guard still stops the robot: {stopped}"

    def _latched(self) -> bool:
        return self._report.get("latched") == "True"

    def _pressed(self) -> bool:
        return self._latched() and self._report["emergency_pressed"] == "True"

    def _wait(self) -> None:
        """Say nothing."""

    def _say_on(self) -> None:
        self._say(on=True)

    def _say(self, *, on: bool) -> None:
        self._enables.publish(Bool(data=on))

    def _call(self, service: str) -> Any:
        client = self.node.create_client(Trigger, service)
        self._until(client.service_is_ready, self._wait, service)
        answer = client.call_async(Trigger.Request())
        self._until(answer.done, self._wait, service)
        return answer.result()

    def _until(self, condition: Callable[[], bool], act: Callable[[], None], name: str) -> None:
        if not self._serve(PATIENCE_S, act, until=condition):
            raise NobodyAnswersError(self.node.resolve_topic_name(name))

    def _serve(self, duration_s: float, act: Callable[[], None], until: Callable[[], bool]) -> bool:
        """Act again and again until a condition holds; returns whether it does."""
        end_s = time.monotonic() + duration_s
        while not until():
            if time.monotonic() > end_s:
                return False
            if self._interrupted:
                raise KeyboardInterrupt
            act()
            self._executor.spin_once(min(self._repeat_s, duration_s))
        return True

    def _on_signal(self, number: int, frame: object) -> None:
        self._interrupted = True

    def _on_guard(self, message: Any) -> None:
        self._report = {pair.key: pair.value for pair in message.status[0].values}


def main(arguments: Sequence[str] | None = None) -> int:
    """Do one thing and tell what has become of it; returns 1 if nobody answers."""
    words = sys.argv if arguments is None else ["operate", *arguments]
    parser = argparse.ArgumentParser(prog="robot-mbrl", description=__doc__)
    parser.add_argument("act", choices=ACTS)
    parser.add_argument("--hold-s", type=float, help="with enable: be a dead-man switch with this timeout")
    args = parser.parse_args(remove_ros_args(words)[1:])
    rclpy.init(args=list(words), signal_handler_options=SignalHandlerOptions.NO)
    try:
        operator = Operator()
        acts: dict[str, Callable[[], str]] = {
            "enable": lambda: operator.enable(args.hold_s),
            "disable": operator.disable,
            "stop": operator.stop,
            "release": operator.release,
            "start-episode": operator.start_episode,
        }
        print(acts[args.act]())
    except NobodyAnswersError as error:
        print(f"robot-mbrl: nobody answers on {error}: is robot-mbrl robot running?", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
