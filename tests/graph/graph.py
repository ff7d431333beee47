"""A ROS graph for tests: starts and kills node processes, and takes part with a node in the test's own process."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import rclpy
from rcl_interfaces.srv import GetParameters
from rclpy.client import Client
from rclpy.clock import Clock, ClockType
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile

from robot_mbrl.runs.scenario import NodeProcess, Parameter, Side

PATIENCE_S = 150.0
"""Longer than anything takes on a busy machine; whoever waits in vain has found a fault."""
ANSWER_S = 2.0
"""After this a question is asked again: it may have gone to a killed node, which the graph shows for 20 s."""
ENDING_S = 60.0
"""Longer than a node takes to end."""
HUSH_S = 0.5
"""Long for what comes ten times a second and more."""
PRIORITY = 5
"""Of the test's process where that is permitted, below that of the nodes."""
ROOT = Path(__file__).parents[2]


class Graph:
    """Node processes, and the test's node among them.

    Attributes:
        namespace: of every node.
        environment: variables that every process runs with.
    """

    def __init__(self, environment: Mapping[str, str], namespace: str) -> None:
        self.namespace = namespace
        # The driver that a test plays is as punctual as a real one, whatever else this machine is doing.
        with suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(PRIORITY))
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        # Nodes say at once when they set a field of a message to what it cannot hold.
        path = os.pathsep.join([str(ROOT), environment.get("PYTHONPATH", "")]).strip(os.pathsep)
        self.environment = {**environment, "PYTHONPATH": path, "ROS_PYTHON_CHECK_FIELDS": "1"}
        self._context = Context()
        domain = int(environment["ROS_DOMAIN_ID"])
        os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = environment["ROS_AUTOMATIC_DISCOVERY_RANGE"]
        rclpy.init(context=self._context, domain_id=domain)
        self.node = Node("test", context=self._context, namespace=namespace)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)

    def start(self, module: str, **parameters: Parameter) -> subprocess.Popen[bytes]:
        """Start `python -m module` with these parameters."""
        return self.launch(NodeProcess(module, module, "", Side.ROBOT, self.namespace, parameters))

    def launch(self, node: NodeProcess) -> subprocess.Popen[bytes]:
        """Start a node of a scenario."""
        process = subprocess.Popen(replace(node, namespace=self.namespace).command(), env=self.environment)
        self.processes[node.module] = process
        return process

    def kill(self, module: str) -> float:
        """End a node as a loss of power does; returns when, in seconds since the epoch."""
        process = self.processes.pop(module)
        at_s = time.time()
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE_S)
        return at_s

    def stop(self, module: str, signum: int = signal.SIGINT) -> int:
        """Ask a node to end, and serve the graph until it has; returns its exit code."""
        process = self.processes.pop(module)
        process.send_signal(signum)
        self.until(lambda: process.poll() is not None)
        return int(process.returncode)

    def publisher(self, kind: type, topic: str, profile: QoSProfile) -> Publisher:
        """A publisher of the test's node."""
        return self.node.create_publisher(kind, topic, profile)

    def collect(self, kind: type, topic: str, profile: QoSProfile) -> list[Any]:
        """The list that every message of a topic is appended to."""
        received: list[Any] = []
        self.node.create_subscription(kind, topic, received.append, profile)
        return received

    def every(self, period_s: float, act: Callable[[], None]) -> None:
        """Call a function regularly on steady time, while the graph is served."""
        self.node.create_timer(period_s, act, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def call(self, kind: type, service: str, **request: Any) -> Any:
        """Call a service; returns its response."""
        client = self.node.create_client(kind, service)
        self.until(client.service_is_ready)
        answer = client.call_async(kind.Request(**request))
        self.until(answer.done)
        self.node.destroy_client(client)
        return answer.result()

    def acquaint(self, *nodes: str) -> None:
        """Wait until nodes know every publisher and subscription that the test's node has by now.

        Whom this node has found may not have found it yet, and what is sent before is lost. DDS announces ends in their
        order: who answers a client that is younger than they knows them all.
        """
        for node in nodes:
            client = self.node.create_client(GetParameters, f"{node}/get_parameters")
            self.until(lambda client=client: client.service_is_ready() and self._answers(client))
            self.node.destroy_client(client)

    def _answers(self, client: Client) -> bool:
        answer = client.call_async(GetParameters.Request())
        end_s = time.monotonic() + ANSWER_S
        self.until(lambda: answer.done() or time.monotonic() > end_s)
        client.remove_pending_request(answer)
        return answer.done()

    def until(self, condition: Callable[[], Any], patience_s: float = PATIENCE_S) -> None:
        """Serve the graph until a condition holds; fails if it does not in time, or if a node has died."""
        deadline_s = time.monotonic() + patience_s
        while not condition():
            assert time.monotonic() < deadline_s, "waited in vain"
            dead = [name for name, process in self.processes.items() if process.poll() is not None]
            assert not dead, f"nodes have died: {dead}"
            self._executor.spin_once(0.01)

    def await_hush(self, received: list[Any]) -> None:
        """Serve the graph until nothing is received any more, whatever was still on its way."""
        give_up_s, count = time.monotonic() + PATIENCE_S, -1
        while len(received) > count:
            assert time.monotonic() < give_up_s, "it goes on"
            count = len(received)
            self.serve(HUSH_S)

    def serve(self, duration_s: float) -> None:
        """Serve the graph for a while, where the point is that something does not happen."""
        end_s = time.monotonic() + duration_s
        self.until(lambda: time.monotonic() >= end_s)

    def close(self) -> None:
        """End every process, and the test's node."""
        # Not SIGINT: what is started in a shell's background ignores that until it has come far enough to mind it.
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(ENDING_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.try_shutdown()
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
