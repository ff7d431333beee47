"""Who publishes what the robot moves by, and who hears its commands: real processes, found and lost over real DDS."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from sensor_msgs.msg import JointState

from robot_mbrl import topics
from robot_mbrl.errors import USER_ERROR
from ros_nodes import qos
from ros_nodes.claims import CLAIMING
from ros_nodes.publishers import Conflict, ConflictKind, PublisherWatch
from ros_nodes.runtime import with_info
from tests.graph.graph import PATIENCE_S, Graph

COMMANDS, JOINTS = "velocity_controller/commands", "joint_states"
LINGERS_S = 20.0
"""How long DDS shows what a killed process had published."""
RESTART_S = 10.0
"""Half of that: who is as quick has not waited for DDS."""
SERVED_S = 2.0
"""For so long a restarted policy must be alone in driving."""


class Robot:
    """A guard's part in the graph, and the processes around it."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.commands = graph.publisher(JointState, COMMANDS, qos.COMMANDS)
        self.watch = PublisherWatch(
            graph.node, exclusive=(topics.OBSERVATION, topics.ACTION), commands=[self.commands], sources=(JOINTS,)
        )
        self.heard_with: list[tuple[Conflict, ...]] = []
        """What the watch said before each action that came."""
        self.acting: set[str] = set()
        """What those call themselves from whom an action came."""
        self.measuring: set[str] = set()
        """Names of the joints that were measured."""
        node = graph.node
        node.create_subscription(JointState, topics.ACTION, self._on_action, qos.ACTION)
        node.create_subscription(JointState, JOINTS, with_info(self._on_joints), qos.EVENTS)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(
        self,
        name: str,
        *,
        called: str = "",
        namespace: str | None = None,
        within: Sequence[str] = (),
        **parameters: str | float | bool,
    ) -> None:
        """Start a talker under this name, by way of the command `within`; `called` tells two of a name apart."""
        space = self.graph.namespace if namespace is None else namespace
        command = [*within, sys.executable, "-m", "tests.graph.talker", "--ros-args", "-r", f"__node:={name}"]
        command += ["-r", f"__ns:={space}"]
        for key, value in parameters.items():
            command += ["-p", f"{key}:={value}"]
        self._processes[called or name] = subprocess.Popen(command, env=self.graph.environment)

    def pid(self, name: str) -> int:
        return self._processes[name].pid

    def end(self, name: str, signum: int = signal.SIGKILL) -> None:
        """End a talker, by default as a crash does."""
        process = self._processes.pop(name)
        process.send_signal(signum)
        process.wait(PATIENCE_S)

    def conflicts(self) -> list[str]:
        """What is wrong now."""
        return [str(conflict) for conflict in self.watch.update(time.monotonic())]

    def await_peace(self, patience_s: float = PATIENCE_S) -> None:
        """Wait until nothing is wrong."""
        self.graph.until(lambda: not self.conflicts(), patience_s)

    def await_conflict(self, *sentences: str, patience_s: float = PATIENCE_S) -> None:
        """Wait until exactly this is wrong."""
        self.graph.until(lambda: self.conflicts() == list(sentences), patience_s)

    def full(self, topic: str) -> str:
        return f"{self.graph.namespace}/{topic}"

    def close(self) -> None:
        for name in tuple(self._processes):
            with suppress(ProcessLookupError):
                self.end(name)

    def _on_action(self, message: JointState) -> None:
        self.heard_with.append(self.watch.update(time.monotonic()))
        self.acting |= set(message.name)

    def _on_joints(self, message: JointState, info: dict[str, int]) -> None:
        self.measuring |= set(message.name)
        self.watch.note(JOINTS, message.name, info, time.monotonic())


@pytest.fixture
def other_computer() -> Iterator[list[str]]:
    """What a command begins with to run on another computer: one with a network of its own, joined by a cable."""
    if os.geteuid() or subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode:
        pytest.skip("only who may make networks can have another computer here")
    holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
    inside = ["nsenter", "--target", str(holder.pid), "--net"]
    try:
        give_up_s = time.monotonic() + PATIENCE_S
        while Path(f"/proc/{holder.pid}/ns/net").readlink() == Path("/proc/self/ns/net").readlink():
            assert time.monotonic() < give_up_s
        here, there = f"here{holder.pid}", f"there{holder.pid}"
        cable = ["ip", "link", "add", here, "type", "veth", "peer", "name", there, "netns", str(holder.pid)]
        subprocess.run(cable, check=True)
        # A network of its own also where another run of this test has one.
        network = f"10.{64 + (holder.pid >> 8) % 64}.{holder.pid % 256}"
        for prefix, end, address in (([], here, f"{network}.1/24"), (inside, there, f"{network}.2/24")):
            subprocess.run([*prefix, "ip", "address", "add", address, "dev", end], check=True)
            subprocess.run([*prefix, "ip", "link", "set", end, "up"], check=True)
        subprocess.run([*inside, "ip", "link", "set", "lo", "up"], check=True)
        yield inside
    finally:
        # Its network, and with that the cable, goes with it.
        holder.kill()
        holder.wait()


@pytest.fixture
def robot(graph: Graph) -> Iterator[Robot]:
    robot = Robot(graph)
    yield robot
    robot.close()


@pytest.fixture
def driven(robot: Robot) -> Robot:
    """With a driver and a policy, and nothing wrong."""
    robot.start("driver", heard=COMMANDS)
    robot.start("policy", topic=topics.ACTION)
    robot.graph.until(lambda: robot.heard_with)
    robot.await_peace()
    robot.heard_with.clear()
    return robot


def test_second_publisher_of_action_is_named_before_its_first_action_counts(driven: Robot) -> None:
    before = len(driven.heard_with)
    driven.graph.until(lambda: len(driven.heard_with) > before)
    driven.start("teleop_twist", namespace="/", topic=driven.full(topics.ACTION), rate_hz=200.0)
    both = sorted(
        f"{node} (process {driven.pid(name)})"
        for node, name in (("/teleop_twist", "teleop_twist"), (driven.full("policy"), "policy"))
    )
    driven.await_conflict(f"2 publishers of {driven.full(topics.ACTION)}: {', '.join(both)}")
    # At 50 and 200 Hz: whatever came more than once between two of the policy's came with a warning.
    driven.graph.serve(0.2)
    quiet = [index for index, conflicts in enumerate(driven.heard_with) if not conflicts]
    assert quiet == list(range(len(quiet)))
    driven.end("teleop_twist")
    driven.await_peace(RESTART_S)


@pytest.mark.parametrize("topic", [topics.OBSERVATION, COMMANDS])
def test_second_publisher_of_observation_or_commands_is_named(driven: Robot, topic: str) -> None:
    if topic == topics.OBSERVATION:
        driven.start("sensor", topic=topic)
        driven.graph.until(lambda: driven.graph.node.count_publishers(topic) == 1)
        assert not driven.conflicts()
    driven.start("factory_controller", namespace="/plant", topic=driven.full(topic))
    driven.graph.until(driven.conflicts)
    driven.graph.until(lambda: "factory_controller" in driven.conflicts()[0])
    (conflict,) = driven.watch.update(time.monotonic())
    assert (conflict.kind, conflict.topic) == (ConflictKind.PUBLISHERS, driven.full(topic))
    assert conflict.text.startswith(f"2 publishers of {driven.full(topic)}: ")
    assert f"/plant/factory_controller (process {driven.pid('factory_controller')})" in conflict.text


def test_killed_policy_does_not_keep_its_successor_from_driving(driven: Robot) -> None:
    """DDS shows the killed one for 20 s."""
    for name in ("second", "third", "fourth"):
        driven.end("policy")
        driven.heard_with.clear()
        driven.start("policy", topic=topics.ACTION, joints=name)
        # What is heard first may still be the killed one's.
        driven.graph.until(lambda name=name: name in driven.acting)
        assert not any(driven.heard_with)
        assert not driven.conflicts()


def test_stopped_process_is_no_dead_one(driven: Robot) -> None:
    """It may go on at any time."""
    os.kill(driven.pid("policy"), signal.SIGSTOP)
    driven.start("teleop", topic=topics.ACTION)
    driven.graph.until(driven.conflicts)
    driven.graph.serve(1.0)
    assert len(driven.conflicts()) == 1


def test_process_that_nobody_has_waited_for_yet_is_dead(driven: Robot) -> None:
    os.kill(driven.pid("policy"), signal.SIGKILL)
    driven.heard_with.clear()
    driven.start("teleop", topic=topics.ACTION, joints="successor")
    driven.graph.until(lambda: "successor" in driven.acting)
    assert not any(driven.heard_with)


def test_commands_that_no_driver_hears_are_named(robot: Robot) -> None:
    robot.await_conflict(f"no driver listens to {robot.full(COMMANDS)}")
    robot.start("driver", heard=COMMANDS)
    robot.await_peace()
    robot.end("driver")
    robot.await_conflict(f"no driver listens to {robot.full(COMMANDS)}", patience_s=RESTART_S)
    assert robot.watch.update(time.monotonic())[0].kind is ConflictKind.UNHEARD
    robot.start("driver", heard=COMMANDS)
    robot.await_peace()


@pytest.mark.parametrize("name", ["_ros2cli_1234", "rosbag2_recorder", "recorder", "foxglove_bridge"])
def test_onlookers_are_no_drivers(robot: Robot, name: str) -> None:
    robot.start(name, heard=COMMANDS)
    said: set[str] = set()
    only = f", only {robot.full(name)} (process {robot.pid(name)})"

    def named() -> bool:
        said.add(tuple(robot.conflicts()))
        return robot.conflicts() == [f"no driver listens to {robot.full(COMMANDS)}{only}"]

    robot.graph.until(named)
    # At no time was it taken for a driver, also while its name was not known.
    assert () not in said


def test_driver_whose_quality_of_service_cannot_match_is_named(robot: Robot) -> None:
    robot.start("driver", heard=COMMANDS, latched=True)
    robot.graph.until(lambda: "driver (process" in "".join(robot.conflicts()))
    (sentence,) = robot.conflicts()
    assert "asks for another quality of service" in sentence
    assert "transient local" in sentence


def test_command_line_that_publishes_actions_is_a_second_publisher(driven: Robot) -> None:
    driven.start("_ros2cli_77", topic=topics.ACTION)
    driven.graph.until(lambda: "_ros2cli_77" in "".join(driven.conflicts()))
    (sentence,) = driven.conflicts()
    assert sentence.startswith(f"2 publishers of {driven.graph.node.resolve_topic_name(topics.ACTION)}: ")


def test_two_publishers_of_the_same_joint_are_named_and_of_different_joints_are_not(driven: Robot) -> None:
    driven.start("arm", topic=JOINTS, joints="shoulder,elbow")
    driven.start("gripper", topic=JOINTS, joints="finger")
    driven.graph.until(lambda: driven.graph.node.count_publishers(JOINTS) == 2)
    driven.graph.serve(0.5)
    assert not driven.conflicts()
    driven.start("zeros", topic=JOINTS, joints="elbow", rate_hz=10.0)
    driven.graph.until(lambda: "zeros" in "".join(driven.conflicts()))
    (sentence,) = driven.conflicts()
    assert sentence.startswith(f"3 publishers of elbow on {driven.full(JOINTS)}: ")


def test_restarted_driver_is_not_taken_for_two(driven: Robot) -> None:
    # Each has a joint that the others lack, by which it is known.
    driven.start("arm", topic=JOINTS, joints="elbow,first")
    for before, name in (("first", "second"), ("second", "third")):
        driven.graph.until(lambda before=before: before in driven.measuring)
        driven.end("arm")
        driven.start("arm", topic=JOINTS, joints=f"elbow,{name}")
        assert not driven.conflicts()
    driven.graph.until(lambda: "third" in driven.measuring)
    driven.graph.serve(1.0)
    assert not driven.conflicts()


def test_looking_costs_little(driven: Robot) -> None:
    """So that it can be asked before every action."""
    driven.await_peace()
    driven.watch.update(now_s := time.monotonic())
    rounds = 2000
    begun_s = time.thread_time()
    for _ in range(rounds):
        driven.watch.update(now_s)
    assert (time.thread_time() - begun_s) / rounds < 200e-6


def test_on_two_computers_rivals_are_named_and_a_restarted_policy_drives_at_once(
    other_computer: list[str], graph_environment: dict[str, str]
) -> None:
    """Whether a process over there lives cannot be asked; but of its policy nodes only one can."""
    graph = Graph({**graph_environment, "ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET"}, "/robot")
    robot = Robot(graph)
    command = [sys.executable, "-m", "tests.graph.watcher", "--ros-args", "-r", "__ns:=/robot"]
    command += ["-p", "commands:=arm/commands"]
    with subprocess.Popen(command, env=graph.environment, stdout=subprocess.PIPE, text=True) as watcher:

        def await_said(*conflicts: str, count: int) -> None:
            give_up_s = time.monotonic() + PATIENCE_S
            for publishers, said in heard():
                if publishers >= count and said == list(conflicts):
                    return
                assert time.monotonic() < give_up_s, f"{publishers} publishers, and {said} is said"

        def heard() -> Iterator[tuple[int, list[str]]]:
            assert watcher.stdout is not None
            return map(json.loads, watcher.stdout)

        try:
            robot.start("driver", heard="arm/commands", within=other_computer)
            robot.start("policy", topic=topics.ACTION, within=other_computer)
            await_said(count=1)
            # Its successor is there before it is killed: DDS forgets the killed one while a slow computer starts one.
            robot.start("policy", called="successor", topic=topics.ACTION, within=other_computer)
            await_said(count=2)
            robot.end("policy")
            killed_s = time.monotonic()
            for _, said in heard():
                assert said == []
                if time.monotonic() - killed_s > SERVED_S:
                    break
            robot.start("teleop", topic=topics.ACTION, within=other_computer)
            listing = "/robot/policy on another computer, /robot/teleop on another computer"
            await_said(f"2 publishers of /robot/action: {listing}", count=2)
        finally:
            watcher.kill()
            robot.close()
            graph.close()


@pytest.mark.parametrize("name", CLAIMING)
def test_second_node_of_a_kind_is_refused_on_the_same_computer(graph: Graph, name: str) -> None:
    module = f"ros_nodes.{name}_node"
    graph.start(module, config="cartpole")
    graph.until(lambda: (name, graph.namespace) in graph.node.get_node_names_and_namespaces())
    command = [sys.executable, "-m", module, "--ros-args", "-p", "config:=cartpole", "-r", f"__ns:={graph.namespace}"]
    ended = subprocess.run(command, env=graph.environment, capture_output=True, text=True, timeout=PATIENCE_S)
    assert ended.returncode == USER_ERROR
    assert f"{graph.namespace} in ROS domain" in ended.stderr
    assert f"has another {name} node on this computer already: end that one first" in ended.stderr
    # What was killed claims nothing any more.
    graph.kill(module)
    graph.start(module, config="cartpole")
    graph.acquaint(name)
