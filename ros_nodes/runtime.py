"""Running one node per process: transports, signals, executor, deadlines on steady time and real-time priority.

rclpy's own signal handlers invalidate the context before the last safe stop could be published, so nodes run with
handlers that only set a flag, and close themselves while the context is still valid.
"""

import gc
import inspect
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import rclpy
from rclpy.executors import Executor, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.subscription import Subscription
from rclpy.utilities import get_rmw_implementation_identifier

from robot_mbrl.errors import USER_ERROR, ConfigError, RobotMbrlError
from robot_mbrl.runs.transport import choose_transport

IDLE_SPIN_S = 0.05
"""Longest wait for an event, which bounds how late a signal is noticed."""
LEAVE_S = 2
"""How long leaving the graph may take. Fast DDS 2.14 can deadlock, spinning at full speed, when it removes a
participant while another one leaves, as all do when a graph is stopped; the kernel then ends the process."""
COLLECT_EVERY_S = 10.0
"""How often a node with real-time priority looks for cyclic garbage. All that was there at its start is frozen, so it
takes less than 0.1 ms; what control does leaves next to none."""
COLLECT_SLACK_S = 0.002
"""No garbage is looked for when a deadline is nearer than this."""
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""SIGHUP comes when the terminal that ROS's launch runs in is closed or its connection breaks."""
FAILED = 1
"""Exit code of a node that could not go on; a supervisor starts it again."""


class ManagedNode(Protocol):
    """What `run` needs of a node object."""

    node: Node
    margin_s: float
    """How long before a deadline ROS is no longer spun, so that no callback can delay it."""

    def next_deadline_s(self) -> float | None:
        """When `on_deadline` wants to be called next, on `time.monotonic`; None for never."""

    def on_deadline(self, now_s: float) -> None:
        """Called once `next_deadline_s` has passed."""

    def close(self) -> None:
        """Leave the robot and the disk in a safe state; the context is still valid."""


def make_executor() -> Executor:
    """The fastest executor this distribution has; EventsExecutor works when driven by `spin_once`."""
    try:
        from rclpy.experimental.events_executor import EventsExecutor
    except ImportError:
        return SingleThreadedExecutor()
    executor: Executor = EventsExecutor()
    return executor


def with_info(callback: Callable[[Any, dict[str, int]], None]) -> Callable[..., None]:
    """A subscription's callback that is told when its message was sent (`source_timestamp`, ns since the epoch).

    rclpy passes message and information as two arguments, but the EventsExecutor of Jazzy as one tuple.
    """

    def call(*arguments: Any) -> None:
        message, info = arguments if len(arguments) == 2 else arguments[0]
        callback(message, info)

    # What rclpy looks at to see whether the information is wanted.
    call.__signature__ = inspect.signature(callback)  # type: ignore[attr-defined]
    return call


def take_unannounced(node: Node) -> None:
    """Give a node's subscriptions the messages that no event has announced to the executor.

    A message that arrives while the EventsExecutor takes up its subscription (rmw_fastrtps counts the unread ones, and
    only then begins to listen) is announced by nobody. It would lie there until the next one comes, and that one until
    the one after it: a late joiner lacked the last of a topic's history, and each reading was one behind for good.
    """
    for subscription in node.subscriptions:
        with subscription.handle:
            while (taken := subscription.handle.take_message(subscription.msg_type, subscription.raw)) is not None:
                message, info = taken
                with_info = subscription._callback_type is Subscription.CallbackType.WithMessageInfo
                subscription.callback(*((message, info) if with_info else (message,)))


def run(
    build: Callable[[], ManagedNode],
    args: Sequence[str] | None = None,
    *,
    priority: int = 0,
    shared_memory: bool = False,
) -> int:
    """Run the node that `build` makes until SIGINT, SIGTERM or SIGHUP.

    Args:
        build: makes the node object; called after `rclpy.init`.
        args: command line with `--ros-args`; None for the process's own.
        priority: SCHED_FIFO priority to ask for; 0 leaves the scheduler alone, and garbage collection to Python.
        shared_memory: whether it exchanges messages through shared memory as well as by UDP. Then it may publish
            nothing for a third of a second whenever a process joins the graph; big messages are faster.

    Returns:
        The process's exit code: 0 when asked to stop, `USER_ERROR` if the node was told something wrong, `FAILED` if
        it failed later.
    """
    stop = False
    managed: ManagedNode | None = None

    def request_stop(signum: int, frame: object) -> None:
        nonlocal stop
        stop = True
        if managed is None:
            # Starting may take long, and there is nothing yet that would have to be closed.
            raise SystemExit(0)

    for number in STOP_SIGNALS:
        signal.signal(number, request_stop)
    # Before DDS starts its threads, which inherit the priority: a message is read only once they have run.
    warnings = [_ask_for_fifo(priority) if priority else None]
    try:
        warnings.append(_enter_graph(args, shared_memory=shared_memory))
    except (RuntimeError, ConfigError) as error:
        return _report(error, USER_ERROR)
    try:
        managed = build()
        for warning in filter(None, warnings):
            managed.node.get_logger().warning(warning)
        _serve(managed, lambda: stop, collect=priority > 0)
    except RobotMbrlError as error:
        return _report(error, USER_ERROR if managed is None else FAILED)
    finally:
        if managed is not None:
            managed.close()
        signal.alarm(LEAVE_S)
        if managed is not None:
            managed.node.destroy_node()
        rclpy.try_shutdown()
        signal.alarm(0)
    return 0


def _enter_graph(args: Sequence[str] | None, *, shared_memory: bool) -> str | None:
    """Begin with ROS, by the project's transports; returns what to tell the user about them."""
    # However the node was started: by the supervisor, a launch file or `ros2 run`.
    middleware = get_rmw_implementation_identifier()
    transport = choose_transport(os.environ, middleware, Path.cwd(), shared_memory=shared_memory)
    os.environ.update(transport.variables)
    rclpy.init(args=list(args) if args is not None else None, signal_handler_options=SignalHandlerOptions.NO)
    return transport.warning


def _serve(managed: ManagedNode, stopped: Callable[[], bool], *, collect: bool) -> None:
    """Spin a node until a signal asks for the end; `collect` has garbage collected between its deadlines alone."""
    executor = make_executor()
    executor.add_node(managed.node)
    executor.spin_once(0.0)
    take_unannounced(managed.node)
    collector = _Collector() if collect else None
    gc.collect()
    gc.freeze()
    while not stopped() and rclpy.ok():
        spin_until_deadline(executor, managed)
        if collector is not None:
            collector.collect_before(managed.next_deadline_s())
    # The executor holds on to what it has served: only without it does the node really leave when destroyed.
    executor.remove_node(managed.node)
    executor.shutdown()


class _Collector:
    """Collects garbage between two deadlines; Python by itself does so wherever it counts enough new objects."""

    def __init__(self) -> None:
        gc.disable()
        self._due_s = time.monotonic() + COLLECT_EVERY_S

    def collect_before(self, deadline_s: float | None) -> None:
        now_s = time.monotonic()
        if now_s >= self._due_s and (deadline_s is None or deadline_s - now_s >= COLLECT_SLACK_S):
            self._due_s = now_s + COLLECT_EVERY_S
            gc.collect()


def spin_until_deadline(executor: Executor, managed: ManagedNode) -> None:
    """Handle ROS events in the slack before the next deadline, or the deadline itself."""
    deadline_s = managed.next_deadline_s()
    if deadline_s is None:
        executor.spin_once(IDLE_SPIN_S)
        return
    slack_s = deadline_s - time.monotonic()
    if slack_s > managed.margin_s:
        executor.spin_once(min(slack_s - managed.margin_s, IDLE_SPIN_S))
        return
    if slack_s > 0:
        time.sleep(slack_s)
    managed.on_deadline(time.monotonic())
    # Also where there is no slack: a loop that is behind must hear an emergency stop.
    executor.spin_once(0.0)


def _report(error: Exception, code: int) -> int:
    """Tell the user in one line what is wrong; returns the code."""
    print(f"{Path(sys.argv[0]).name}: {' '.join(str(error).split())}", file=sys.stderr)
    return code


def _ask_for_fifo(priority: int) -> str | None:
    """Ask for real-time priority; returns what to tell the user where it is refused."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except (PermissionError, OSError, AttributeError) as error:
        return f"no real-time priority ({error}): under load, steps may be late; allow it with rtprio in limits.conf"
    return None
