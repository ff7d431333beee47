"""The simulator as a process: a driver to those who know no better, with a clock that never goes back."""

import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Float64MultiArray, Int64
from std_srvs.srv import Trigger

from robot_mbrl import messages, topics
from robot_mbrl.config import load_run, save_run
from robot_mbrl.messages import NANOSECONDS
from robot_mbrl.specs import Source
from ros_nodes import qos
from tests.graph.graph import PATIENCE_S, Graph

SIMULATOR, SENSOR, ACTUATOR = "sim.sim_node", "ros_nodes.sensor_node", "ros_nodes.actuator_node"
POLICY = "tests.graph.constant_policy"
PERIOD_NS = 50_000_000
SPEC = load_run("cartpole").action_spec()
PACE_TOLERANCE = 0.3
COMMAND_TOPIC = "effort_controller/commands"


class Robot:
    """The simulated cart-pole, as its driver's topics show it."""

    def __init__(self, graph: Graph, folder: Path) -> None:
        self.graph = graph
        self.folder = folder
        self._commands: Publisher | None = None
        # A test that is slower than the robot shall see the present, not a backlog.
        self.joints = graph.collect(JointState, "joint_states", QoSProfile(depth=5))
        self._force: float | None = None

    def start(self, task: str = "cartpole", *, episode_steps: int = 10, **parameters: Any) -> None:
        config = self.folder / "config.yaml"
        save_run(load_run(task, {"task.episode_steps": episode_steps}), config)
        self.config = str(config)
        self.graph.start(SIMULATOR, config=self.config, use_sim_time=True, **parameters)
        self.graph.until(lambda: self.joints)

    def drive(self, force: float | None) -> None:
        """Command a force at 20 Hz from now on; None to fall silent."""
        if self._commands is None:
            # Not before: beside a guard it would be a second publisher.
            self._commands = self.graph.publisher(Float64MultiArray, COMMAND_TOPIC, qos.COMMANDS)
            self.graph.every(0.05, self._command)
        self._force = force

    def _command(self) -> None:
        if self._force is not None and self._commands is not None:
            self._commands.publish(Float64MultiArray(data=[self._force]))

    @property
    def speed(self) -> float:
        return float(self.joints[-1].velocity[self.joints[-1].name.index("slider")])

    @property
    def now_ns(self) -> int:
        return messages.read_stamp(self.joints[-1].header.stamp)

    def pace(self) -> float:
        """Simulated seconds per second, in the middle of some measurements: a busy machine may hold it up at times."""
        paces = []
        for _ in range(8):
            then_s, then_ns = time.monotonic(), self.now_ns
            self.graph.until(lambda then_ns=then_ns: self.now_ns > then_ns + NANOSECONDS // 2)
            paces.append((self.now_ns - then_ns) / NANOSECONDS / (time.monotonic() - then_s))
        return float(np.median(paces))

    @property
    def repetitions(self) -> int:
        """How often the newest joint states have been sent."""
        newest = self.joints[-1].header.stamp
        return sum(1 for message in self.joints[-50:] if message.header.stamp == newest)

    def steps(self) -> list[tuple[Any, Any]]:
        """Observations that await an action, each with what was applied, as far as both have come."""
        applied = {a.key: a for a in (messages.read_action(m, SPEC) for m in self.applied)}
        observed = (messages.read_observation(m) for m in self.observations)
        return [(o, applied[o.key]) for o in observed if o.key in applied]

    def run_lockstep(self, **policy: Any) -> None:
        """Start the robot's nodes around the simulator."""
        self.observations = self.graph.collect(JointState, topics.OBSERVATION, qos.STEPS)
        self.applied = self.graph.collect(JointState, topics.APPLIED_ACTION, qos.STEPS)
        common = {"config": self.config, "use_sim_time": True, "lockstep": True}
        self.graph.start(POLICY, config=self.config, **policy)
        self.graph.start(ACTUATOR, simulated=True, enable_on_start=True, **common)
        self.graph.start(SENSOR, **common)


@pytest.fixture
def robot(graph: Graph, tmp_path: Path) -> Robot:
    return Robot(graph, tmp_path)


def test_paced_time_keeps_pace_and_readings_come_on_a_grid_of_it(robot: Robot) -> None:
    clocks_heard: list[Any] = []
    robot.graph.node.create_subscription(Clock, "/clock", clocks_heard.append, qos.CLOCK)
    robot.start()
    robot.graph.until(lambda: len(robot.joints) >= 30 and len(clocks_heard) >= 30)
    stamps = [messages.read_stamp(message.header.stamp) for message in robot.joints]
    assert not any(np.diff(stamps) % 10_000_000)
    clocks = [messages.read_stamp(message.clock) for message in clocks_heard]
    assert clocks == sorted(set(clocks))
    assert robot.pace() == pytest.approx(1.0, abs=PACE_TOLERANCE)


def test_speed_multiplies_the_pace(robot: Robot) -> None:
    robot.start(speed=4.0)
    robot.graph.until(lambda: len(robot.joints) >= 30)
    assert robot.pace() == pytest.approx(4.0, abs=4.0 * PACE_TOLERANCE)


def test_it_obeys_and_brakes_once_nobody_commands(robot: Robot) -> None:
    robot.start()
    robot.drive(10.0)
    robot.graph.until(lambda: robot.speed > 1.0)
    robot.drive(None)
    silent_ns = robot.now_ns
    robot.graph.until(lambda: abs(robot.speed) < 0.01)
    # The driver's timeout of 0.25 s, then 10 N against 1.1 kg at up to 4 m/s, and a busy machine.
    assert (robot.now_ns - silent_ns) / NANOSECONDS < 1.5
    robot.drive(-10.0)
    robot.graph.until(lambda: robot.speed < -0.5)


@pytest.mark.parametrize("data", [[], [10.0, 10.0], [float("nan")]])
def test_malformed_commands_are_no_commands(robot: Robot, data: list[float]) -> None:
    robot.start()
    robot.drive(10.0)
    robot.graph.until(lambda: robot.speed > 1.0)
    # It hears them: what it obeyed until now came on the same topic.
    robot.drive(None)
    commands = robot.graph.publisher(Float64MultiArray, COMMAND_TOPIC, qos.COMMANDS)
    robot.graph.every(0.05, lambda: commands.publish(Float64MultiArray(data=data)))
    robot.graph.until(lambda: abs(robot.speed) < 0.01)
    robot.graph.serve(0.5)
    assert abs(robot.speed) < 0.01


def test_reset_puts_the_robot_at_a_new_start_and_says_when(robot: Robot) -> None:
    robot.start()
    starts = set()
    for _ in range(3):
        answer = robot.graph.call(Trigger, topics.RESET)
        assert answer.success
        reset_ns = int(answer.message)
        robot.graph.until(lambda reset_ns=reset_ns: robot.now_ns > reset_ns)
        fresh = next(m for m in robot.joints if messages.read_stamp(m.header.stamp) > reset_ns)
        assert abs(fresh.position[0]) <= 0.5
        starts.add(fresh.position[0])
    assert len(starts) == 3
    stamps = [messages.read_stamp(message.header.stamp) for message in robot.joints]
    assert all(a < b for a, b in pairwise(stamps))


def test_pictures_are_sent_at_the_control_rate_if_the_task_observes_them(robot: Robot) -> None:
    camera = load_run("cartpole-image").robot.sources["camera"]
    pictures = robot.graph.collect(Image, camera.topic, qos.sensor(camera))
    robot.start("cartpole-image")
    robot.graph.until(lambda: len(pictures) >= 6)
    assert messages.read_image(pictures[0]).shape == (64, 64, 3)
    stamps = [messages.read_stamp(message.header.stamp) for message in pictures]
    assert min(np.diff(stamps)) == PERIOD_NS


def test_film_can_be_played_after_the_node_was_stopped(robot: Robot, tmp_path: Path) -> None:
    video = tmp_path / "film" / "robot.mp4"
    robot.start(video=str(video))
    begun_ns = robot.now_ns
    robot.graph.until(lambda: robot.now_ns - begun_ns > 20 * PERIOD_NS)
    assert robot.graph.stop(SIMULATOR) == 0
    film = cv2.VideoCapture(str(video))
    assert film.get(cv2.CAP_PROP_FRAME_COUNT) >= 10
    assert film.read()[0]


def test_window_without_a_display_is_refused_with_a_reason(graph: Graph, tmp_path: Path) -> None:
    process = graph.start("sim.view_node", config="cartpole")
    graph.processes.clear()
    assert process.wait(PATIENCE_S) == 2


def test_killed_guard_brings_the_world_to_rest(robot: Robot) -> None:
    robot.start(episode_steps=1000)
    robot.graph.start(POLICY, config=robot.config, value=-1.0)
    robot.graph.start(ACTUATOR, config=robot.config, use_sim_time=True, simulated=True, enable_on_start=True)
    robot.graph.start(SENSOR, config=robot.config, use_sim_time=True)
    robot.graph.until(lambda: robot.speed < -1.0)
    robot.graph.kill(ACTUATOR)
    killed_ns = robot.now_ns
    robot.graph.until(lambda: abs(robot.speed) < 0.01)
    assert (robot.now_ns - killed_ns) / NANOSECONDS < 2.0


def test_lockstep_waits_for_command_and_applied_action(robot: Robot) -> None:
    robot.start(mode="lockstep")
    begun_ns = robot.now_ns
    robot.graph.serve(0.3)
    assert robot.now_ns == begun_ns
    robot.run_lockstep(value=0.5)
    robot.graph.until(lambda: len(robot.applied) >= 50)
    # The newest observation is without an action for longer than a hundred steps took.
    robot.graph.kill(POLICY)
    robot.graph.until(lambda: robot.repetitions >= 20)
    robot.graph.until(lambda: len(robot.observations) == len(robot.applied) + 1)


def test_lockstep_loses_no_step_and_repeats_itself(robot: Robot) -> None:
    robot.start(mode="lockstep", seed=3)
    robot.run_lockstep(value=0.5)
    # Four episodes of 10 steps, and the resets between them.
    robot.graph.until(lambda: len(robot.applied) >= 45)
    steps = robot.steps()[:44]
    assert [step[0].is_first for step in steps] == ([True] + [False] * 10) * 4
    assert [step[0].is_last for step in steps] == ([False] * 10 + [True]) * 4
    for episode in range(4):
        stamps = [o.key.stamp_ns for o, _ in steps[episode * 11 : (episode + 1) * 11]]
        assert set(np.diff(stamps).tolist()) == {PERIOD_NS}
    assert Source.LATE not in {applied.source for _, applied in steps}
    robot.graph.stop(SENSOR)
    for module in (ACTUATOR, POLICY, SIMULATOR):
        robot.graph.stop(module)
    values = [o.values for o, _ in steps]

    robot.joints.clear()
    robot.start(mode="lockstep", seed=3)
    robot.run_lockstep(value=0.5)
    robot.graph.until(lambda: len(robot.applied) >= 45)
    assert [o.values for o, _ in robot.steps()[:44]] == values


def test_lockstep_never_goes_beyond_the_learners_allowance(robot: Robot) -> None:
    allowances = robot.graph.publisher(Int64, topics.STEP_ALLOWANCE, qos.LATCHED)
    robot.applied = []
    learned = 0

    def allow() -> None:
        # A learner that has had 1,000 steps of earlier sessions, and is done with `learned` of this one.
        allowances.publish(Int64(data=1000 + min(len(robot.applied), learned) + 1))

    robot.start(mode="lockstep")
    allow()
    robot.graph.every(0.01, allow)
    robot.run_lockstep(value=0.5)
    for learned in (0, 1, 14):
        robot.graph.until(lambda n=learned: len(robot.applied) == n + 1)
        robot.graph.serve(0.3)
        assert len(robot.applied) == learned + 1
