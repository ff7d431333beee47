"""Running one node per process: signals, executor, deadlines on steady time and real-time priority.

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

from robot_mbrl.errors import RobotMbrlError

IDLE_SPIN_S = 0.05
"""Longest wait for an event, which bounds how late a signal is noticed."""
LEAVE_S = 2
"""How long leaving the graph may take. Fast DDS 2.14 can deadlock, spinning at full speed, when it removes a
participant while another one leaves, as all do when a graph is stopped; the kernel then ends the process."""


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


def run(build: Callable[[], ManagedNode], args: Sequence[str] | None = None, *, priority: int = 0) -> int:
    """Run the node that `build` makes until SIGINT or SIGTERM; returns the process's exit code.

    Args:
        build: makes the node object; called after `rclpy.init`.
        args: command line with `--ros-args`; None for the process's own.
        priority: SCHED_FIFO priority to ask for; 0 leaves the scheduler alone.
    """
    stop = False
    managed: ManagedNode | None = None

    def request_stop(signum: int, frame: object) -> None:
        nonlocal stop
        stop = True
        if managed is None:
            # Starting may take long, and there is nothing yet that would have to be closed.
            raise SystemExit(0)

    signal.signal(signal.SIGINT, request_stop)
    signal.signal(signal.SIGTERM, request_stop)
    # Before DDS starts its threads, which inherit the priority: a message is read only once they have run.
    refusal = _ask_for_fifo(priority) if priority else None
    rclpy.init(args=list(args) if args is not None else None, signal_handler_options=SignalHandlerOptions.NO)
    try:
        managed = build()
        if refusal is not None:
            managed.node.get_logger().warning(refusal)
        executor = make_executor()
        executor.add_node(managed.node)
        gc.collect()
        gc.freeze()
        while not stop and rclpy.ok():
            spin_until_deadline(executor, managed)
        # The executor holds on to what it has served: only without it does the node really leave when destroyed.
        executor.remove_node(managed.node)
        executor.shutdown()
    except RobotMbrlError as error:
        print(f"{Path(sys.argv[0]).name}: {error}", file=sys.stderr)
        return 2
    finally:
        if managed is not None:
            managed.close()
        signal.alarm(LEAVE_S)
        if managed is not None:
            managed.node.destroy_node()
        rclpy.try_shutdown()
        signal.alarm(0)
    return 0


def spin_until_deadline(executor: Executor, managed: ManagedNode) -> None:
    """Handle ROS events in the slack before the next deadline, or the deadline itself."""
    deadline_s = managed.next_deadline_s()
    if deadline_s is None:
        executor.spin_once(IDLE_SPIN_S)
        return
    slack_s = deadline_s - time.monotonic()
    if slack_s <= 0:
        managed.on_deadline(time.monotonic())
    elif slack_s > managed.margin_s:
        executor.spin_once(min(slack_s - managed.margin_s, IDLE_SPIN_S))
    else:
        time.sleep(slack_s)


def _ask_for_fifo(priority: int) -> str | None:
    """Ask for real-time priority; returns what to tell the user where it is refused."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except (PermissionError, OSError, AttributeError) as error:
        return f"no real-time priority ({error}): under load, steps may be late; allow it with rtprio in limits.conf"
    return None
