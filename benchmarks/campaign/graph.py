"""A real robot's nodes as processes, a stand-in for its driver among them, and a listener beside them."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.srv import SetParameters
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool
from std_srvs.srv import Trigger

from robot_mbrl import messages, topics
from robot_mbrl.config import CommandConfig, RunConfig, save_run
from robot_mbrl.errors import RobotMbrlError
from robot_mbrl.runs.environment import node_environment
from robot_mbrl.runs.scenario import NodeProcess, Side, namespace
from robot_mbrl.steps import StepKey
from ros_nodes import commands, qos
from ros_nodes.runtime import with_info
from sim.commands import read_command

NODES = {
    "driver": "sim.stand_in_node",
    "actuator": "ros_nodes.actuator_node",
    "sensor": "ros_nodes.sensor_node",
    "policy": "ros_nodes.policy_node",
    "bundle": "ros_nodes.bundle_node",
}
"""Module of each process, by what it is."""
PATIENCE_S = 60.0
LEAVE_S = 5.0


class GraphError(RobotMbrlError):
    """Nodes do not do what the campaign waits for."""


@dataclass
class Heard:
    """All that the listener has heard, in the order of its arrival; times are seconds since the epoch, by DDS."""

    commands: list[tuple[float, dict[str, float]]] = field(default_factory=list)
    observed: list[tuple[float, StepKey]] = field(default_factory=list)
    applied: list[tuple[float, StepKey]] = field(default_factory=list)
    reports: list[tuple[float, dict[str, str]]] = field(default_factory=list)
    places: list[tuple[float, dict[str, float]]] = field(default_factory=list)
    speeds: list[tuple[float, dict[str, float]]] = field(default_factory=list)


class RobotGraph:
    """The processes of one robot and the listener; a context manager that leaves none behind.

    Attributes:
        heard: what the listener has heard.
        running: processes by what they are.
    """

    def __init__(self, config: RunConfig, folder: Path) -> None:
        """Prepare a domain of its own.

        Args:
            config: the run.
            folder: for its files and logs.
        """
        self.config, self.heard = config, Heard()
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self._folder = folder
        self._file = folder / "config.yaml"
        save_run(config, self._file)
        outside = {name: value for name, value in os.environ.items() if not name.startswith("ROS_DOMAIN")}
        self._environment = node_environment({**outside, "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"})
        os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
        self._context = Context()
        rclpy.init(context=self._context, domain_id=int(self._environment["ROS_DOMAIN_ID"]))
        self.node = Node("campaign", context=self._context, namespace=namespace(config))
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self.enables = self.node.create_publisher(Bool, topics.ENABLE, qos.EVENTS)
        self.emergencies = self.node.create_publisher(Bool, topics.EMERGENCY_STOP, qos.EVENTS)
        self._listen()

    def __enter__(self) -> "RobotGraph":
        for name in NODES:
            self.start(name)
        return self

    def __exit__(self, *error: object) -> None:
        for process in self.running.values():
            process.send_signal(signal.SIGCONT)
            process.send_signal(signal.SIGINT)
        for process in self.running.values():
            try:
                process.wait(LEAVE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.try_shutdown()

    def start(self, name: str) -> None:
        """Start a node."""
        parameters: dict[str, Any] = {"config": str(self._file)}
        if name == "policy":
            parameters["start_policy"], parameters["random_slack_steps"] = "random", 1_000_000
        if name == "bundle":
            parameters["store"] = str(self._folder / "bundles")
        spec = NodeProcess(name, NODES[name], "", Side.ROBOT, namespace(self.config), parameters)
        with (self._folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(spec.command(), env=self._environment, stdout=log, stderr=log)

    def kill(self, name: str) -> None:
        """End a node as a loss of power does."""
        process = self.running.pop(name)
        process.kill()
        process.wait()

    def set_faults(self, file: str) -> None:
        """Let the driver misbehave from now on as a file says; empty for well."""
        request = SetParameters.Request()
        request.parameters = [Parameter("faults", value=file).to_parameter_msg()]
        self.call(SetParameters, "stand_in/set_parameters", request)

    def call(self, kind: Any, service: str, request: Any = None) -> Any:
        """Call a service; returns its response."""
        client = self.node.create_client(kind, service)
        self.until(client.service_is_ready, f"service {service}")
        answer = client.call_async(request or kind.Request())
        self.until(answer.done, f"an answer of {service}")
        self.node.destroy_client(client)
        return answer.result()

    def release(self) -> None:
        """Release a latched stop, if there is one."""
        self.emergencies.publish(Bool(data=False))
        self.serve(0.1)
        self.call(Trigger, "actuator/reset_stop")

    def enable(self) -> None:
        """Let the robot move."""
        self.enables.publish(Bool(data=True))

    def until(self, condition: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> None:
        """Serve until a condition holds.

        Raises:
            GraphError: if it does not in time, or a node has died by itself.
        """
        deadline_s = time.monotonic() + patience_s
        while not condition():
            if time.monotonic() > deadline_s:
                raise GraphError(f"waited {patience_s:g} s in vain for {what}; logs are in {self._folder}")
            dead = [name for name, process in self.running.items() if process.poll() is not None]
            if dead:
                raise GraphError(f"{dead} died by themselves; logs are in {self._folder}")
            self._executor.spin_once(0.01)

    def serve(self, duration_s: float) -> None:
        """Serve for a while."""
        end_s = time.monotonic() + duration_s
        self.until(lambda: time.monotonic() >= end_s, "the time to pass")

    def _listen(self) -> None:
        listen, robot = self.node.create_subscription, self.config.robot
        listen(JointState, topics.OBSERVATION, self._keys(self.heard.observed), qos.STEPS)
        listen(JointState, topics.APPLIED_ACTION, self._keys(self.heard.applied), qos.STEPS)
        listen(DiagnosticArray, topics.GUARD, with_info(self._on_report), qos.EVENTS)
        for command in robot.commands:
            listen(commands.TYPES[command.type], command.topic, self._commands(command), qos.FOLLOWED)
            if command.source is not None:
                source = robot.sources[command.source]
                listen(JointState, source.topic, with_info(self._on_joints), qos.sensor(source))

    def _commands(self, command: CommandConfig) -> Any:
        def on_message(message: Any, info: Mapping[str, int]) -> None:
            self.heard.commands.append((_sent_s(info), read_command(message, command)))

        return with_info(on_message)

    def _keys(self, heard: list[tuple[float, StepKey]]) -> Any:
        def on_message(message: Any, info: Mapping[str, int]) -> None:
            heard.append((_sent_s(info), messages.read_key(message)))

        return with_info(on_message)

    def _on_report(self, message: Any, info: dict[str, int]) -> None:
        for status in message.status:
            self.heard.reports.append((_sent_s(info), {pair.key: pair.value for pair in status.values}))

    def _on_joints(self, message: Any, info: dict[str, int]) -> None:
        self.heard.places.append((_sent_s(info), dict(zip(message.name, message.position, strict=False))))
        self.heard.speeds.append((_sent_s(info), dict(zip(message.name, message.velocity, strict=False))))


def _sent_s(info: Mapping[str, int]) -> float:
    return info["source_timestamp"] / messages.NANOSECONDS
