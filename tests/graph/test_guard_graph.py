"""The guard as a process between a real sensor node, a policy that may die, and the test as the robot's driver."""

import math
import signal
import subprocess
import sys
from array import array
from pathlib import Path
from typing import Any

import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, Float64MultiArray, String
from std_srvs.srv import Trigger

from robot_mbrl import messages, topics
from robot_mbrl.config import RunConfig, load_run, save_run
from robot_mbrl.control.enabling import LET_GO_S
from robot_mbrl.errors import USER_ERROR
from robot_mbrl.messages import NANOSECONDS
from robot_mbrl.specs import Source
from ros_nodes import diagnostics, qos
from ros_nodes.actuator_node import CLOSING_COMMANDS
from tests.bundles import make_bundle, write_bundle
from tests.graph.graph import PATIENCE_S, Graph
from tests.graph.shaped_commands import assert_rates

SENSOR, ACTUATOR, POLICY = "ros_nodes.sensor_node", "ros_nodes.actuator_node", "tests.graph.constant_policy"
POLICY_NODE = "ros_nodes.policy_node"
WISH, FORCE = 0.5, 5.0
"""The policy's action, and the force in N that it stands for."""
JOINT_PERIOD_S = 0.01
TRIES = 5
"""A machine that stalls holds guard and sensors up like any program; once in so many times it does not."""
GENTLE_RATE = 20.0
"""N/s, at which the policy's force takes a quarter of a second."""


def gentle(config: RunConfig) -> RunConfig:
    """The same with a force that may change but slowly."""
    raw = config.model_dump(mode="json")
    for joint in raw["robot"]["commands"][0]["joints"]:
        joint["max_rate"] = GENTLE_RATE
    return RunConfig.model_validate(raw)


class Driver:
    """The cart-pole's driver: says where its joints are, and hears what they are told."""

    def __init__(self, graph: Graph, folder: Path) -> None:
        self.graph, self._folder = graph, folder
        # No reset and no end of an episode: what is applied is what the guard made of the policy's actions.
        self.use(load_run("cartpole", {"task.reset": "none", "task.episode_steps": 100_000}))
        self.spec = self.config.action_spec()
        self.measured_ns = 0
        """When the newest joints were."""
        self.position: float | None = 0.0
        """Of the cart; None for a driver that is silent."""
        self.hangs = False
        """Whether it repeats its last message."""
        self._last: JointState | None = None
        self._joints = graph.publisher(JointState, "joint_states", qos.STEPS)
        self.enables = graph.publisher(Bool, topics.ENABLE, qos.EVENTS)
        self.emergencies = graph.publisher(Bool, topics.EMERGENCY_STOP, qos.EVENTS)
        self.commands = graph.collect(Float64MultiArray, "effort_controller/commands", qos.EVENTS)
        self.shaped = graph.collect(JointState, "actuator/command", qos.EVENTS)
        self.observations = graph.collect(JointState, topics.OBSERVATION, qos.STEPS)
        self.applied = graph.collect(JointState, topics.APPLIED_ACTION, qos.STEPS)
        self._sources: list[Source] = []
        self._reports = graph.collect(DiagnosticArray, topics.GUARD, qos.EVENTS)
        graph.every(JOINT_PERIOD_S, self._measure)

    def use(self, config: RunConfig) -> None:
        """Be the driver of this robot."""
        self.config, self.config_file = config, self._folder / "config.yaml"
        save_run(config, self.config_file)

    def start(self, *, enabled: bool = True, policy: bool = True, **parameters: Any) -> None:
        """Start the nodes, and wait until the first observation and command have come and they hear all."""
        config = str(self.config_file)
        self.graph.start(ACTUATOR, config=config, simulated=True, enable_on_start=enabled)
        self.graph.start(SENSOR, config=config)
        if policy:
            self.start_policy(**parameters)
        self.graph.until(lambda: self.observations and self.applied)
        if enabled:
            # The shaped commands are published once the guard has noticed that somebody listens.
            self.graph.until(lambda: self.commands and self.shaped)
        self.graph.acquaint("actuator", "sensor")

    def start_policy(self, **parameters: Any) -> None:
        self.graph.start(POLICY, config=str(self.config_file), **{"value": WISH, **parameters})

    def move(self) -> None:
        """Wait until the policy drives."""
        self.graph.until(lambda: self.newest_command == FORCE and self.newest_source is Source.POLICY)

    def enable(self) -> None:
        """Enable it as a person does who looks at the guard first."""
        self.graph.until(lambda: self.report()["may_enable"] == "True")
        self.enables.publish(Bool(data=True))

    @property
    def newest_command(self) -> float | None:
        return self.commands[-1].data[0] if self.commands else None

    @property
    def newest_source(self) -> Source:
        return messages.read_action(self.applied[-1], self.spec).source

    def sources(self) -> list[Source]:
        new = self.applied[len(self._sources) :]
        self._sources += [messages.read_action(message, self.spec).source for message in new]
        return self._sources

    def report(self) -> dict[str, str]:
        """The guard's next report."""
        count = len(self._reports)
        self.graph.until(lambda: len(self._reports) > count)
        return {pair.key: pair.value for pair in self._reports[-1].status[0].values}

    def stopped_at_s(self) -> float:
        """When the first zero command after the newest that was none was sent, in seconds since the epoch."""
        self.graph.until(lambda: self.shaped[-1].position[0] == 0.0)
        moving = max(index for index, message in enumerate(self.shaped) if message.position[0] != 0.0)
        return messages.read_stamp(self.shaped[moving + 1].header.stamp) / NANOSECONDS

    def _measure(self) -> None:
        if self.hangs and self._last is not None:
            self._joints.publish(self._last)
        elif self.position is not None:
            message = JointState(name=["hinge", "slider"])
            self.measured_ns = self.graph.node.get_clock().now().nanoseconds
            messages.write_stamp(message.header.stamp, self.measured_ns)
            message.position = array("d", [3.1, self.position])
            message.velocity = array("d", [0.0, 0.0])
            self._last = message
            self._joints.publish(message)


@pytest.fixture
def driver(graph: Graph, tmp_path: Path) -> Driver:
    return Driver(graph, tmp_path)


def assert_one_action_each(driver: Driver) -> None:
    """Every observation that is followed by another has exactly one applied action."""
    newest = messages.read_key(driver.observations[-1])
    driver.graph.until(lambda: messages.read_key(driver.applied[-1]).stamp_ns >= newest.stamp_ns)
    # The guard may have been there first, or the sensor node.
    first = max(messages.read_key(driver.observations[0]).stamp_ns, messages.read_key(driver.applied[0]).stamp_ns)
    observed = [messages.read_key(message) for message in driver.observations]
    applied = [messages.read_key(message) for message in driver.applied]
    assert len(set(applied)) == len(applied)
    assert [k for k in observed if first <= k.stamp_ns <= newest.stamp_ns] == [
        k for k in applied if first <= k.stamp_ns <= newest.stamp_ns
    ]


def test_killed_policy_stops_the_robot_within_two_periods_and_50_ms_and_it_comes_back(driver: Driver) -> None:
    driver.start()
    allowed_s, took_s = 2 * driver.config.step_s + 0.050, [math.inf]
    for _ in range(TRIES):
        driver.move()
        driver.graph.serve(0.5)
        killed_s = driver.graph.kill(POLICY)
        took_s.append(driver.stopped_at_s() - killed_s)
        driver.graph.until(lambda: driver.newest_source is Source.STOP)
        if min(took_s) <= allowed_s:
            break
        driver.start_policy()
    assert min(took_s) <= allowed_s
    # It stays stopped, and is told so again and again: a driver with a timeout of its own hears the guard.
    count, commands = len(driver.applied), len(driver.commands)
    driver.graph.until(lambda: len(driver.applied) > count + 40)
    assert {command.data[0] for command in driver.commands[commands:]} == {0.0}
    assert len(driver.commands) - commands >= 3 * (len(driver.applied) - count)
    report = driver.report()
    assert report["stopped"] == "no_action"
    # The steps that were given up count as what they took.
    assert float(report["latency_max_ms"]) >= 1000 * driver.config.robot.guard.action_deadline_s

    count = len(driver.applied)
    driver.start_policy()
    driver.move()
    sources = driver.sources()[count:]
    # No action of the new policy moved the robot before enough of them had come in time.
    assert sources.index(Source.POLICY) >= driver.config.robot.guard.recover_steps - 1
    assert Source.LATE in driver.sources()
    assert_one_action_each(driver)


def test_shaped_commands_respect_the_limits_as_they_were_sent(driver: Driver) -> None:
    driver.use(gentle(driver.config))
    driver.start()
    driver.move()
    driver.graph.kill(POLICY)
    driver.graph.until(lambda: driver.newest_command == 0.0)
    joint = driver.config.robot.joints[0]
    assert all(joint.low <= command.position[0] <= joint.high for command in driver.shaped)
    assert_rates(driver.shaped, [joint.max_rate])
    assert any(0.0 < command.position[0] < FORCE for command in driver.shaped)


def test_silent_joints_stop_the_robot_and_it_recovers_with_them(driver: Driver) -> None:
    driver.start()
    driver.move()
    driver.position = None
    driver.graph.until(lambda: driver.newest_command == 0.0)
    # Without joints there are no observations either: whichever the guard misses first.
    driver.graph.until(lambda: driver.report()["stopped"] in ("stale_joints", "no_observation"))
    driver.graph.serve(1.0)
    # Until its readings are stale, the sensor node may go on.
    lasted_s = (messages.read_key(driver.observations[-1]).stamp_ns - driver.measured_ns) / NANOSECONDS
    assert lasted_s < 2 * driver.config.robot.sources["joints"].max_age_s
    driver.position = 0.0
    driver.move()
    assert_one_action_each(driver)


def test_emergency_stop_latches_until_a_person_releases_it(driver: Driver) -> None:
    driver.start()
    driver.move()
    driver.emergencies.publish(Bool(data=True))
    driver.graph.until(lambda: driver.newest_command == 0.0)
    assert not driver.graph.call(Trigger, "actuator/reset_stop").success
    driver.emergencies.publish(Bool(data=False))
    driver.graph.until(lambda: driver.report()["emergency_pressed"] == "False")
    driver.graph.serve(0.5)
    assert driver.newest_command == 0.0
    assert driver.report()["stopped"] == "emergency_stop"
    assert driver.graph.call(Trigger, "actuator/reset_stop").success
    driver.move()
    assert_one_action_each(driver)


def test_robot_that_is_not_enabled_hears_nothing_and_its_state_is_told(driver: Driver) -> None:
    states = driver.graph.collect(String, topics.STATE, qos.LATCHED)
    moving = driver.graph.collect(Bool, topics.MOVING, qos.LATCHED)
    driver.start(enabled=False)
    driver.graph.until(lambda: len(driver.applied) > 15)
    assert not driver.commands
    assert set(driver.sources()) == {Source.STOP}
    assert driver.report()["enabled"] == "False"
    driver.graph.until(lambda: states and states[-1].data == "disabled")
    driver.enable()
    driver.move()
    driver.graph.until(lambda: states[-1].data == "moving" and moving[-1].data)
    driver.enables.publish(Bool(data=False))
    driver.graph.until(lambda: driver.newest_command == 0.0)
    driver.graph.until(lambda: states[-1].data == "disabled" and not moving[-1].data)
    # Its own tools may drive it now.
    driver.graph.await_hush(driver.commands)


def test_a_driver_that_hangs_with_its_last_message_stops_the_robot_for_a_person(driver: Driver) -> None:
    driver.start(enabled=False)
    driver.enable()
    driver.move()
    driver.hangs = True
    driver.graph.until(lambda: driver.newest_command == 0.0)
    driver.graph.until(lambda: driver.report()["state"] == "disabled")
    assert "its stamp stands still" in driver.report()["detail"]
    driver.hangs = False
    driver.graph.serve(1.0)
    assert driver.newest_command == 0.0
    driver.graph.serve(LET_GO_S)
    driver.enable()
    driver.move()


@pytest.mark.parametrize("topic", [topics.ACTION, topics.OBSERVATION, "effort_controller/commands"])
def test_a_second_publisher_stops_the_robot_and_is_named(driver: Driver, topic: str) -> None:
    driver.start()
    driver.move()
    node = driver.graph.node
    intruder = rclpy.create_node("intruder", context=node.context, namespace=node.get_namespace())
    kind = Float64MultiArray if topic.endswith("commands") else JointState
    intruder.create_publisher(kind, topic, qos.ACTION)
    driver.graph.until(lambda: driver.newest_command == 0.0)
    driver.graph.until(lambda: driver.report()["state"] == "stopped: second_publisher")
    # DDS tells of a publisher before it tells of its node.
    driver.graph.until(lambda: "intruder" in driver.report()["detail"])
    intruder.destroy_node()
    driver.move()


def test_action_that_is_not_finite_latches(driver: Driver) -> None:
    driver.start(nan=True)
    driver.graph.until(lambda: len(driver.applied) > 10)
    assert {command.data[0] for command in driver.commands} == {0.0}
    assert driver.report()["stopped"] == "not_finite"


def test_policy_that_breaks_down_latches_and_says_so(driver: Driver, tmp_path: Path) -> None:
    health = driver.graph.collect(DiagnosticArray, topics.DIAGNOSTICS, qos.EVENTS)
    broken = write_bundle(tmp_path / "policy.onnx", make_bundle(driver.config, bias=WISH, nan_from_step=20))
    driver.start(policy=False)
    driver.graph.start(POLICY_NODE, config=str(driver.config_file), start_policy="file", policy_file=str(broken))
    driver.graph.until(lambda: driver.newest_source is Source.POLICY)
    driver.graph.until(lambda: driver.newest_command == 0.0 and driver.newest_source is Source.STOP)
    assert driver.report()["stopped"] == "not_finite"

    def says_so(status: DiagnosticStatus) -> bool:
        broken = status.level == diagnostics.ERROR and "came to nothing" in status.message
        return broken and status.name.endswith("/policy")

    driver.graph.until(lambda: any(says_so(status) for report in health for status in report.status))


@pytest.mark.parametrize("parameter", ["speed:=2.0", "lockstep:=true", "enable_on_start:=true"])
def test_guard_of_a_real_robot_is_not_given_away(parameter: str, graph_environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", ACTUATOR, "--ros-args", "-p", "config:=cartpole", "-p", parameter]
    ended = subprocess.run(command, env=graph_environment, capture_output=True, text=True, timeout=PATIENCE_S)
    assert ended.returncode == USER_ERROR
    assert f"parameter {parameter.partition(':')[0]}: " in ended.stderr
    assert "or set simulated" in ended.stderr


def test_joint_beyond_its_limits_latches(driver: Driver) -> None:
    driver.start()
    driver.move()
    driver.position = 2.7
    driver.graph.until(lambda: driver.newest_command == 0.0)
    driver.position = 0.0
    driver.graph.serve(0.5)
    assert driver.newest_command == 0.0
    assert driver.report()["stopped"] == "joint_limit"


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_guard_that_is_asked_to_end_stops_the_robot_first(driver: Driver, signum: int) -> None:
    driver.start()
    driver.move()
    assert driver.graph.stop(ACTUATOR, signum) == 0
    # The ramp down, and then the stop itself more than once, the last of which must not be lost with its sender.
    closing = CLOSING_COMMANDS * [0.0]
    driver.graph.until(lambda: [command.data[0] for command in driver.commands[-CLOSING_COMMANDS:]] == closing)


def test_latency_and_counts_are_reported(driver: Driver) -> None:
    driver.start()
    driver.move()
    reports: list[dict[str, str]] = []

    def undisturbed() -> bool:
        reports.append(driver.report())
        return reports[-1]["stopped"] == "" and float(reports[-1]["latency_p50_ms"]) > 0.0

    driver.graph.until(undisturbed)
    report = reports[-1]
    assert int(report["steps"]) > 0
    assert 0.0 < float(report["latency_p50_ms"]) <= float(report["latency_p99_ms"]) <= float(report["latency_max_ms"])
    assert float(report["latency_p50_ms"]) < 1000 * driver.config.robot.guard.action_deadline_s
    assert report["enabled"] == "True"
