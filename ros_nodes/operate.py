"""A person's acts: enable, disable, stop, release, bring back, start an episode; each waits for its effect."""

import argparse
import math
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import rclpy
from rclpy.client import Client
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import remove_ros_args
from std_msgs.msg import Bool
from std_srvs.srv import Trigger

from robot_mbrl import topics
from robot_mbrl.runs import console
from robot_mbrl.terminal import with_output
from ros_nodes import qos
from ros_nodes.robot_state import DISABLED, MOVING, RESETTING, RobotState
from ros_nodes.runtime import STOP_SIGNALS, make_executor

PATIENCE_S = 10.0
SETTLE_S = 2.0
"""How long a robot that was enabled may take until its policy acts steadily, and it moves."""
REPEAT_S = 0.2
NOTICE_S = 2.5
"""How long is waited without a word: a robot that was stopped a moment ago takes two seconds to be let go."""
PRESS_S = 0.02
"""How often a stop is repeated until it is heard: what is sent before both sides have met is lost."""
BRING_BACK_S = 0.3
"""How often a person's wish to bring a joint back is repeated; without it the guard stops the joint."""
CALLED_OFF = "called off"
"""How the guard's answer begins when the way back was ended by somebody or something."""
INTERRUPTED = 130
REPEATS_PER_TIMEOUT = 4
"""How often a dead-man switch repeats itself within its timeout, so that one lost message stops nothing."""
NO_LOG_FILE = ("--ros-args", "--disable-external-lib-logs")
"""ROS writes its files into the user's home, which a service does not have."""
ACTUATOR, SENSOR = "actuator/", "sensor/"


class RefusedError(Exception):
    """The robot does not do what it was told; the message says why, and the remedy."""


class Operator:
    """Publishes what a person wants, again and again, since what is sent before the guard has met it is lost."""

    def __init__(self, *, reset: str) -> None:
        """Join the graph.

        Args:
            reset: how the robot's task resets.
        """
        # Without services and a log on the graph: others would have to discover them before they hear a stop.
        self.node = Node("operator", start_parameter_services=False, enable_rosout=False)
        self._reset = reset
        self._executor = make_executor()
        self._executor.add_node(self.node)
        self._client: Client | None = None
        self._interrupted = self._said_on = False
        self._repeat_s = REPEAT_S
        for number in STOP_SIGNALS:
            signal.signal(number, self._on_signal)

    def enable(self, hold_s: float | None) -> str:
        """Let the robot move.

        Args:
            hold_s: None to do it once; else the dead-man switch's timeout: the robot moves until Ctrl-C.

        Raises:
            RefusedError: if no guard answers, or it does not let the robot move.
        """
        self._join(topics.ENABLE)
        self._state.listen_to_nodes()
        try:
            return self._enable(hold_s)
        except RefusedError:
            # A guard that was held up must not find a wish to move that nobody has any more.
            if self._said_on:
                self._say(on=False)
            raise
        except KeyboardInterrupt:
            # Who interrupts this wants no robot that may move.
            self._interrupted = False
            if self._state.report:
                self.disable()
            raise

    def _enable(self, hold_s: float | None) -> str:
        state = self._state
        self._until(lambda: bool(state.report), self._wait, topics.GUARD)
        if hold_s is not None:
            self._repeat_s = min(REPEAT_S, hold_s / REPEATS_PER_TIMEOUT)
        self._await_permission(lambda: self._say(on=False) if hold_s is not None else None)
        # Once it is heard, only a dead-man switch repeats itself: whoever stops the robot meanwhile means it.
        repeat = self._wait if hold_s is None else self._say_on
        self._until(lambda: state.says("enabled") or state.says("held_off"), self._say_on, topics.ENABLE)
        # Right after a launch, sensors may still be on their way.
        self._serve(PATIENCE_S, repeat, until=lambda: state.bare in (MOVING, RESETTING, DISABLED) or state.latched)
        self._serve(SETTLE_S, repeat, until=lambda: state.bare == MOVING)
        if hold_s is not None:
            self._hold()
            return self._disable()
        return self._outcome()

    def _await_permission(self, wait: Callable[[], None]) -> None:
        """Wait until `true` would count: with nobody who holds the switch of a robot that was stopped, or it is amiss.

        Args:
            wait: what to do meanwhile. A dead-man switch says that it is let go. Any other is silent: one more who
                says something would be one more to wait for.
        """
        state = self._state

        def permitted() -> bool:
            return state.latched or (state.report.get("may_enable") != "False" and not state.says("held_off"))

        if not self._serve(NOTICE_S, wait, until=permitted):
            held = "somebody holds enable: waiting until it is let go"
            print(held if state.says("held_off") else f"waiting: {state.sentence}{_because(state.reasons)}", flush=True)
            self._serve(PATIENCE_S, wait, until=permitted)
        if state.latched:
            raise RefusedError(f"not enabled: {_with_remedy(state.sentence, 'robot-mbrl release')}")
        if state.says("held_off"):
            raise RefusedError(
                "not enabled: the robot was stopped, and somebody still holds enable: a switch that is stuck, or "
                "another robot-mbrl enable; end it, then try again"
            )
        if not permitted():
            raise RefusedError(f"not enabled: {state.sentence}{_because(state.reasons)}")

    def disable(self) -> str:
        """Stop the robot until it is enabled again."""
        self._join(topics.ENABLE)
        self._repeat_s = PRESS_S
        return self._disable()

    def _disable(self) -> str:
        # Also where it is reported to be: what was said last may not have been heard yet.
        self._say(on=False)
        self._until(lambda: self._state.report.get("enabled") == "False", lambda: self._say(on=False), topics.ENABLE)
        return console.outcome(console.DISABLE, self._state.sentence)

    def stop(self) -> str:
        """Press the emergency stop, which latches."""
        self._join(topics.EMERGENCY_STOP)
        self._repeat_s = PRESS_S
        # Not only until it is latched, which another reason may have done before.
        self._until(self._pressed, lambda: self._say(on=True), topics.EMERGENCY_STOP)
        return console.outcome(console.STOP, self._state.sentence)

    def release(self) -> str:
        """Let go of the emergency stop, and release whatever has latched."""
        self._join(topics.EMERGENCY_STOP)
        service = ACTUATOR + topics.RESET_STOP.removeprefix("~/")
        end_s = time.monotonic() + PATIENCE_S
        answer = self._call(service)
        while not answer.success and time.monotonic() < end_s:
            self._serve(REPEAT_S, lambda: self._say(on=False), until=lambda: False)
            answer = self._call(service)
        if not answer.success:
            raise RefusedError(f"not released: {answer.message}")
        return f"{answer.message}; robot-mbrl enable lets the robot move"

    def bring_back(self) -> str:
        """Ask for the way back again and again, until the joint is there or a signal comes."""
        service = ACTUATOR + topics.BRING_BACK.removeprefix("~/")
        told = ""
        while not (answer := self._call(service)).success:
            if answer.message.startswith(CALLED_OFF):
                raise RefusedError(f"not brought back: {answer.message}; when that is over, ask anew")
            if answer.message != told:
                told = answer.message
                print(f"{told}; Ctrl-C stops it", flush=True)
            self._serve(BRING_BACK_S, self._wait, until=lambda: False)
        return f"{answer.message}; robot-mbrl enable lets the robot move"

    def start_episode(self) -> str:
        """Tell the robot that a person has brought the scene to a start."""
        state = RobotState(self.node)
        answer = self._call(SENSOR + topics.START_EPISODE.removeprefix("~/"))
        if not answer.success:
            raise RefusedError(f"no episode was begun: {answer.message}")
        self._serve(NOTICE_S, self._wait, until=lambda: bool(state.word))
        disabled = state.bare == DISABLED
        return (
            f"{answer.message}; the robot is disabled: robot-mbrl enable lets it move"
            if disabled
            else str(answer.message)
        )

    def _hold(self) -> None:
        """Be the dead-man switch until a signal comes."""
        print(f"{self._outcome()}; Ctrl-C stops it", flush=True)
        with suppress(KeyboardInterrupt):
            self._serve(math.inf, self._say_on, until=lambda: self._state.says("held_off"))
            # Held on, this switch would keep everybody from enabling the robot.
            raise RefusedError(f"the robot was stopped, so enable is let go: {self._state.sentence}")
        self._interrupted = False

    def _outcome(self) -> str:
        """What has become of a robot that was enabled, and what it waits for."""
        state = self._state
        match state.bare:
            case "moving":
                nothing = "; nothing is sent to its driver (--shadow)" if state.says("shadow") else ""
                return f"enabled: the robot carries out its policy's actions{nothing}"
            case "disabled":
                return "disabled: somebody has stopped the robot meanwhile"
            case "resetting" if self._reset == "human":
                act = "robot-mbrl start-episode begins one"
                return f"enabled: the robot moves once an episode begins; when the scene is ready, {act}"
            case "resetting":
                return f"enabled: the robot moves once an episode begins{_because(state.reasons)}"
        return f"enabled, but the robot does not move yet: {state.sentence}{_because(state.reasons)}"

    def _pressed(self) -> bool:
        return self._state.latched and self._state.says("emergency_pressed")

    def _wait(self) -> None:
        """Say nothing."""

    def _say_on(self) -> None:
        self._say(on=True)

    def _say(self, *, on: bool) -> None:
        self._said_on |= on
        self._switch.publish(Bool(data=on))

    def _join(self, switch: str) -> None:
        """Meet the guard: with the switch that this act speaks by, and ears for what it answers."""
        self._switch: Publisher = self.node.create_publisher(Bool, switch, qos.EVENTS)
        self._state = RobotState(self.node)

    def _call(self, service: str) -> Any:
        if self._client is None:
            self._client = self.node.create_client(Trigger, service)
        self._until(self._client.service_is_ready, self._wait, service)
        answer = self._client.call_async(Trigger.Request())
        self._until(answer.done, self._wait, service)
        return answer.result()

    def _until(self, condition: Callable[[], bool], act: Callable[[], None], name: str) -> None:
        if not self._serve(PATIENCE_S, act, until=condition):
            where = f"{self.node.resolve_topic_name(name)} in ROS domain {self.node.context.get_domain_id()}"
            raise RefusedError(f"nobody answers on {where}: is robot-mbrl robot running?")

    def _serve(self, duration_s: float, act: Callable[[], None], until: Callable[[], bool]) -> bool:
        """Act again and again until a condition holds; returns whether it does."""
        end_s = time.monotonic() + duration_s
        act_s = -math.inf
        while not until():
            now_s = time.monotonic()
            if now_s > end_s:
                return False
            if self._interrupted:
                raise KeyboardInterrupt
            if now_s >= act_s:
                act_s = now_s + self._repeat_s
                act()
            self._executor.spin_once(max(0.0, min(act_s, end_s) - now_s))
        return True

    def _on_signal(self, number: int, frame: object) -> None:
        self._interrupted = True


def _with_remedy(sentence: str, remedy: str) -> str:
    """A reason with what helps, unless the guard has named that itself."""
    return sentence if remedy in sentence else f"{sentence}; see to it, then: {remedy}"


def _because(reasons: str) -> str:
    return f" ({reasons})" if reasons else ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do one thing and tell what has become of it; returns 1 if the robot does not do it."""
    words = sys.argv if arguments is None else ["operate", *arguments]
    return with_output(lambda: _run(words))


def _run(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="robot-mbrl", description=__doc__)
    acts: dict[str, Callable[[Operator], str]] = {
        "enable": lambda operator: operator.enable(args.hold_s),
        "disable": Operator.disable,
        "stop": Operator.stop,
        "release": Operator.release,
        "bring-back": Operator.bring_back,
        "start-episode": Operator.start_episode,
    }
    parser.add_argument("act", choices=acts)
    parser.add_argument("--hold-s", type=float, help="with enable: be a dead-man switch with this timeout")
    parser.add_argument("--reset", default="", help="how the robot's task resets")
    args = parser.parse_args(remove_ros_args(words)[1:])
    try:
        rclpy.init(args=[*words, *NO_LOG_FILE], signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:
        return _complain(" ".join(str(error).split()))
    try:
        print(acts[args.act](Operator(reset=args.reset)), flush=True)
    except RefusedError as error:
        return _complain(str(error))
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        rclpy.try_shutdown()
    return 0


def _complain(text: str) -> int:
    print(f"robot-mbrl: {text}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
