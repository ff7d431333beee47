"""The sensor node as a process: what it observes of a driver that the test plays, on real and on simulated time."""

import subprocess
import sys
import time
from array import array
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Bool
from std_srvs.srv import Trigger

from robot_mbrl import messages, topics
from robot_mbrl.config import load_run, save_run
from robot_mbrl.errors import USER_ERROR
from robot_mbrl.messages import NANOSECONDS
from robot_mbrl.specs import Mode, Source
from robot_mbrl.steps import Action, Observation, StepKey
from ros_nodes import qos
from tests.graph.graph import PATIENCE_S, Graph

SENSOR = "ros_nodes.sensor_node"
START_NS = 1_700_000_000 * NANOSECONDS
PERIOD_NS = 50_000_000
STEPS = 5
LONG = 100
"""Steps of an episode that ends for another reason."""


class Driver:
    """A cart-pole's driver and clock, and its guard and policy."""

    def __init__(
        self,
        graph: Graph,
        folder: Path,
        task: str = "cartpole",
        profile: QoSProfile = qos.STEPS,
        **settings: Any,
    ) -> None:
        self.graph = graph
        dotted = {k if "." in k else f"task.{k}": v for k, v in settings.items()}
        self.config = load_run(task, {"task.episode_steps": STEPS, **dotted})
        self.config_file = folder / "config.yaml"
        save_run(self.config, self.config_file)
        self.position = 0.0
        self.silent = self.simulated = False
        self.frozen_ns: int | None = None
        """A stamp that stands still."""
        self.clock_offset_ns = 0
        self.clock_ns = START_NS
        self.resets: list[int] = []
        self.observations = graph.collect(JointState, topics.OBSERVATION, qos.STEPS)
        self.pictures = graph.collect(Image, topics.image("camera"), qos.IMAGES)
        self.health = graph.collect(DiagnosticArray, topics.DIAGNOSTICS, qos.EVENTS)
        self._joints = graph.publisher(JointState, "joint_states", profile)
        self._camera = graph.publisher(Image, "camera/image_raw", qos.IMAGES)
        self._clocks = graph.publisher(Clock, "/clock", qos.EVENTS)
        # In lockstep, nothing begins before guard and policy are there.
        graph.publisher(JointState, topics.ACTION, qos.ACTION)
        self._applied = graph.publisher(JointState, topics.APPLIED_ACTION, qos.STEPS)
        self.feedback = graph.publisher(JointState, topics.FEEDBACK, qos.EVENTS)

    def start(self, **parameters: Any) -> None:
        """Start the node and wait until it hears the driver, the guard and people."""
        self.simulated = bool(parameters.get("use_sim_time"))
        self.graph.start(SENSOR, config=str(self.config_file), **parameters)
        heard = (self._joints, self._applied, self.feedback)
        self.graph.until(lambda: all(publisher.get_subscription_count() for publisher in heard))

    def offer_reset(self) -> None:
        """A simulator's reset: it takes no simulated time, and the answer names the time it has."""

        def reset(request: Any, response: Any) -> Any:
            self.resets.append(self.clock_ns)
            self.position = 0.0
            response.success, response.message = True, str(self.clock_ns)
            return response

        self.graph.node.create_service(Trigger, topics.RESET, reset)

    def measure(self) -> None:
        if not self.silent:
            message = JointState(name=["hinge", "slider"])
            stamp_ns = self.clock_ns if self.simulated else time.time_ns() + self.clock_offset_ns
            messages.write_stamp(message.header.stamp, self.frozen_ns or stamp_ns)
            message.position, message.velocity = array("d", [3.1, self.position]), array("d", [0.0, 0.0])
            self._joints.publish(message)

    def see(self) -> None:
        """A grey picture whose brightness tells the time."""
        message = Image()
        brightness = (self.clock_ns - START_NS) // PERIOD_NS % 256
        messages.write_image(message, StepKey("camera", self.clock_ns), np.full((32, 32, 3), brightness, np.uint8))
        self._camera.publish(message)

    def step(self, *, picture: bool = False) -> Observation:
        """One control period of a simulator in lockstep; returns what was observed."""
        self.clock_ns += PERIOD_NS
        self.position += 0.1
        count = len(self.observations)
        self.measure()
        if picture:
            self.see()
        self._clocks.publish(Clock(clock=messages_time(self.clock_ns)))
        self.graph.until(lambda: len(self.observations) > count)
        observation = messages.read_observation(self.observations[-1])
        self.apply(observation)
        return observation

    def step_until_last(self) -> Observation:
        """Step until the episode ends; what ends it may be heard a few steps late."""
        while not (observation := self.step()).is_last:
            pass
        return observation

    def apply(self, observation: Observation, source: Source = Source.POLICY) -> None:
        message = JointState()
        action = Action(observation.key, self.config.action_spec().null(), source)
        messages.write_action(message, action, self.config.action_spec())
        self._applied.publish(message)

    def answer(self) -> None:
        """Apply an action to every observation from now on, as a guard does."""
        self.graph.node.create_subscription(
            JointState, topics.OBSERVATION, lambda m: self.apply(messages.read_observation(m)), qos.FOLLOWED
        )

    def lived(self) -> list[Observation]:
        return [messages.read_observation(message) for message in self.observations]

    def report(self, accept: Callable[[Any], bool]) -> Any:
        """The next report of its health that is as expected."""
        del self.health[:]
        self.graph.until(lambda: any(accept(array.status[0]) for array in self.health))
        return next(array.status[0] for array in self.health if accept(array.status[0]))


def messages_time(stamp_ns: int) -> Any:
    clock = Clock()
    messages.write_stamp(clock.clock, stamp_ns)
    return clock.clock


def set_mode(graph: Graph, mode: str) -> bool:
    value = ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=mode)
    answer = graph.call(SetParameters, "sensor/set_parameters", parameters=[Parameter(name="mode", value=value)])
    return bool(answer.results[0].successful)


def test_real_robot_is_observed_at_its_control_rate(graph: Graph, tmp_path: Path) -> None:
    driver = Driver(graph, tmp_path, reset="none")
    graph.every(0.01, driver.measure)
    driver.answer()
    driver.start()
    graph.until(lambda: len(driver.observations) > 40)
    lived = driver.lived()[10:]
    gaps_s = np.diff([o.key.stamp_ns for o in lived]) / NANOSECONDS
    assert np.median(gaps_s) == pytest.approx(driver.config.step_s, abs=0.005)
    assert len({o.key.session for o in lived}) == 1
    assert all(0.0 <= o.ages_s["joints"] <= driver.config.robot.sources["joints"].max_age_s for o in lived)
    assert set(lived[0].values) == {"cart_position", "pole_cos", "pole_sin", "cart_velocity", "pole_velocity"}


def test_silent_driver_is_not_observed_and_named(graph: Graph, tmp_path: Path) -> None:
    driver = Driver(graph, tmp_path, reset="none")
    graph.every(0.01, driver.measure)
    driver.answer()
    driver.start()
    graph.until(lambda: driver.observations)
    driver.silent = True
    report = driver.report(lambda status: "stale" in status.message)
    assert "'joints'" in report.message
    graph.await_hush(driver.observations)
    count = len(driver.observations)
    driver.silent = False
    graph.until(lambda: len(driver.observations) > count)


def test_person_starts_the_episode_of_a_task_that_needs_one(graph: Graph, tmp_path: Path) -> None:
    driver = Driver(graph, tmp_path, reset="human")
    driver.answer()
    driver.start()
    driver.report(lambda status: "'joints'" in status.message)
    early = graph.call(Trigger, "sensor/start_episode")
    assert not early.success
    assert "'joints'" in early.message
    graph.every(0.01, driver.measure)
    driver.report(lambda status: "person" in status.message)
    assert driver.observations == []
    assert graph.call(Trigger, "sensor/start_episode").success
    graph.until(lambda: driver.observations and driver.lived()[-1].is_last)
    count = len(driver.observations)
    assert count == STEPS + 1
    graph.serve(0.3)
    assert len(driver.observations) == count
    assert graph.call(Trigger, "sensor/start_episode").success
    graph.until(lambda: len(driver.observations) > count)
    assert driver.lived()[count].is_first


def test_lockstep_observes_each_step_once_under_the_simulators_own_stamps(graph: Graph, tmp_path: Path) -> None:
    driver = Driver(graph, tmp_path)
    driver.offer_reset()
    driver.start(use_sim_time=True, lockstep=True)
    graph.until(lambda: driver.resets)
    lived = [driver.step() for _ in range(STEPS + 1)]
    assert [o.key.stamp_ns for o in lived] == [START_NS + k * PERIOD_NS for k in range(1, STEPS + 2)]
    assert [o.values["cart_position"] for o in lived] == pytest.approx([0.1 * k for k in range(1, STEPS + 2)])
    assert [o.is_first for o in lived] == [True] + STEPS * [False]
    assert [o.is_last for o in lived] == STEPS * [False] + [True]
    assert {age for o in lived for age in o.ages_s.values()} == {0.0}
    # The simulator is reset, and the next episode begins with its new start.
    graph.until(lambda: len(driver.resets) == 2)
    first = driver.step()
    assert first.is_first
    assert first.values["cart_position"] == pytest.approx(0.1)


def test_beginning_of_a_stop_ends_the_episode(graph: Graph, tmp_path: Path) -> None:
    driver = Driver(graph, tmp_path, episode_steps=LONG)
    driver.offer_reset()
    driver.start(use_sim_time=True, lockstep=True)
    graph.until(lambda: driver.resets)
    driver.step()
    driver.apply(driver.step(), Source.STOP)
    last = driver.step_until_last()
    assert not last.is_terminal
    assert len(driver.observations) < LONG
    graph.until(lambda: len(driver.resets) == 2)


def test_labels_and_modes_reach_the_steps(graph: Graph, tmp_path: Path) -> None:
    driver = Driver(graph, tmp_path, episode_steps=LONG)
    driver.offer_reset()
    driver.start(use_sim_time=True, lockstep=True, mode="evaluate")
    graph.until(lambda: driver.resets)
    assert driver.step().mode is Mode.EVALUATE
    assert not set_mode(graph, "play")
    assert set_mode(graph, "train")
    driver.feedback.publish(JointState(name=["reward", "failure"], position=array("d", [10.0, 1.0])))
    driver.step_until_last()
    plain, labelled = driver.lived()[-2:]
    assert labelled.reward == pytest.approx(plain.reward + 10.0, abs=0.1)
    assert labelled.is_terminal
    assert labelled.mode is Mode.EVALUATE
    graph.until(lambda: len(driver.resets) == 2)
    assert driver.step().mode is Mode.EXPLORE


def test_a_goal_is_part_of_every_observation_from_the_next_on(graph: Graph, tmp_path: Path) -> None:
    elements = [{"name": "goal_position", "unit": "m", "low": -1.0, "high": 1.0, "initial": 0.25}]
    driver = Driver(graph, tmp_path, episode_steps=LONG, goal={"place": {"elements": elements}})
    goal = graph.publisher(JointState, topics.GOAL, qos.EVENTS)
    driver.offer_reset()
    driver.start(use_sim_time=True, lockstep=True)
    graph.until(lambda: driver.resets and goal.get_subscription_count())
    assert driver.step().values["goal_position"] == 0.25
    for position in (2.0, -0.5):  # The first is out of its range.
        goal.publish(JointState(name=["goal_position"], position=array("d", [position])))
    seen = [driver.step().values["goal_position"]]
    while seen[-1] != -0.5:
        assert len(seen) < LONG
        seen.append(driver.step().values["goal_position"])
    assert set(seen) <= {0.25, -0.5}


def test_pictures_have_the_stamp_and_the_time_of_their_observation(graph: Graph, tmp_path: Path) -> None:
    driver = Driver(graph, tmp_path, task="cartpole-image")
    driver.offer_reset()
    driver.start(use_sim_time=True, lockstep=True)
    graph.until(lambda: driver.resets and driver._camera.get_subscription_count() == 1)
    lived = [driver.step(picture=True) for _ in range(STEPS)]
    graph.until(lambda: len(driver.pictures) == STEPS)
    for index, (observation, message) in enumerate(zip(lived, driver.pictures, strict=True), start=1):
        assert messages.read_key(message) == observation.key
        picture = messages.read_image(message)
        assert picture.shape == driver.config.observation_spec().images["camera"].shape
        assert set(np.unique(picture)) == {index}


def split_joints(driver: Driver) -> None:
    """Arm and gripper as two messages on one topic, as two devices send them."""
    for name, position in (("hinge", 3.1), ("slider", driver.position)):
        message = JointState(name=[name], position=array("d", [position]), velocity=array("d", [0.0]))
        messages.write_stamp(message.header.stamp, time.time_ns())
        driver._joints.publish(message)


def test_joints_that_come_in_several_messages_are_observed_together(graph: Graph, tmp_path: Path) -> None:
    driver = Driver(graph, tmp_path, reset="none")
    driver.position = 0.25
    graph.every(0.01, lambda: split_joints(driver))
    driver.answer()
    driver.start()
    graph.until(lambda: len(driver.observations) > 20)
    lived = driver.lived()[-1]
    assert lived.values["cart_position"] == pytest.approx(0.25)
    assert lived.values["pole_cos"] == pytest.approx(np.cos(3.1))


def test_a_driver_whose_stamps_stand_still_is_not_observed_until_they_move(graph: Graph, tmp_path: Path) -> None:
    driver = Driver(graph, tmp_path, reset="none")
    graph.every(0.01, driver.measure)
    driver.answer()
    driver.start()
    graph.until(lambda: driver.observations)
    driver.frozen_ns = time.time_ns()
    report = driver.report(lambda status: "stands still" in status.message)
    assert "'joints' is stale" in report.message
    count = len(driver.observations)
    # The driver was started anew, with a clock that was never set.
    driver.frozen_ns, driver.clock_offset_ns = None, -NANOSECONDS * 1_000_000
    graph.until(lambda: len(driver.observations) > count + 20)


@pytest.mark.parametrize("profile", [qos.STEPS, qos.CLOCK], ids=["reliable", "best effort"])
def test_drivers_are_heard_whatever_they_offer(graph: Graph, tmp_path: Path, profile: QoSProfile) -> None:
    driver = Driver(graph, tmp_path, profile=profile, reset="none", **{"robot.sources.joints.reliable": False})
    graph.every(0.01, driver.measure)
    driver.answer()
    driver.start()
    graph.until(lambda: len(driver.observations) > 20)
    stamps = [messages.read_stamp(message.header.stamp) for message in driver.observations]
    assert all(new > old for old, new in pairwise(stamps))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"robot.sources.joints.reliable": True}, "offers best effort, the YAML asks reliable: set reliable: false"),
        (
            {"robot.sources.camera.type": "sensor_msgs/msg/CompressedImage"},
            "sends sensor_msgs/msg/Image, the YAML says sensor_msgs/msg/CompressedImage: correct the type",
        ),
    ],
)
def test_a_publisher_that_cannot_be_heard_is_named(
    graph: Graph, tmp_path: Path, changes: dict[str, Any], complaint: str
) -> None:
    driver = Driver(graph, tmp_path, task="cartpole-image", profile=qos.CLOCK, reset="none", **changes)
    graph.every(0.01, driver.measure)
    graph.start(SENSOR, config=str(driver.config_file))
    # DDS tells of a publisher before it tells of its node.
    named = f"publisher {graph.namespace}/test"
    driver.report(lambda status: complaint in status.message and named in status.message)


BAD_ROBOTS = [
    (
        {"robot.sources": {"mode": {"topic": "m", "type": "ur_dashboard_msgs/msg/SafetyMode", "max_age_s": 1.0}}},
        "robot 'cartpole': sources.mode.type: message type ur_dashboard_msgs/msg/SafetyMode is not installed",
    ),
    (
        {
            "robot.sources": {"imu": {"topic": "imu", "type": "sensor_msgs/msg/Imu", "max_age_s": 1.0}},
            "robot.vectors": {"body": {"source": "imu", "elements": [{"name": "spin", "field": "angular_velocity.w"}]}},
        },
        "vectors.body.elements: spin: 'angular_velocity.w': geometry_msgs/Vector3 has no field 'w'; it has x, y, z",
    ),
]


@pytest.mark.parametrize(("additions", "complaint"), BAD_ROBOTS, ids=["type", "field"])
def test_a_type_or_field_that_is_not_there_is_said_at_the_start(
    graph: Graph, tmp_path: Path, additions: dict[str, Any], complaint: str
) -> None:
    driver = Driver(graph, tmp_path, reset="none")
    raw = yaml.safe_load(driver.config_file.read_text())
    for path, added in additions.items():
        raw["robot"][path.removeprefix("robot.")] |= added
    driver.config_file.write_text(yaml.safe_dump(raw))
    command = [sys.executable, "-m", SENSOR, "--ros-args", "-p", f"config:={driver.config_file}"]
    ended = subprocess.run(command, env=graph.environment, capture_output=True, text=True, timeout=PATIENCE_S)
    assert ended.returncode == USER_ERROR
    assert complaint in ended.stderr


def test_a_latched_source_is_heard_that_spoke_before(graph: Graph, tmp_path: Path) -> None:
    driver = Driver(graph, tmp_path, reset="none")
    raw = yaml.safe_load(driver.config_file.read_text())
    raw["robot"]["sources"]["program"] = {
        "topic": "program_running",
        "type": "std_msgs/msg/Bool",
        "max_age_s": None,
        "latched": True,
    }
    raw["robot"]["vectors"]["program"] = {"source": "program", "elements": [{"name": "runs", "field": "data"}]}
    driver.config_file.write_text(yaml.safe_dump(raw))
    graph.publisher(Bool, "program_running", qos.LATCHED).publish(Bool(data=True))
    graph.every(0.01, driver.measure)
    driver.answer()
    driver.start()
    graph.until(lambda: driver.observations)
    assert driver.lived()[0].values["runs"] == 1.0
