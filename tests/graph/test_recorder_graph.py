"""The recorder over real DDS: killed at any moment it loses one step at most, and gets back what it missed."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import rclpy
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
from rclpy.context import Context
from sensor_msgs.msg import Image, JointState

from robot_mbrl import topics
from robot_mbrl.config import load_run
from robot_mbrl.experience.reading import StepReader
from robot_mbrl.messages import write_action, write_image, write_observation
from robot_mbrl.steps import Step
from ros_nodes import qos
from tests.experience.lived import STEP_NS, make_step

CONFIG = load_run("cartpole-image")
DOMAIN = 1 + os.getpid() % 100
ENVIRONMENT = {**os.environ, "ROS_DOMAIN_ID": str(DOMAIN), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
PATIENCE_S = 20.0


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s, f"waited {PATIENCE_S} s in vain for {what}"
        time.sleep(0.005)


class Robot:
    """Publishes steps as sensor node and guard do."""

    def __init__(self, context: Context) -> None:
        self.node = rclpy.create_node("robot", context=context, namespace="/cartpole")
        self._observations = self.node.create_publisher(JointState, topics.OBSERVATION, qos.STEPS)
        self._actions = self.node.create_publisher(JointState, topics.APPLIED_ACTION, qos.STEPS)
        self._images = self.node.create_publisher(Image, topics.image("camera"), qos.IMAGES)
        self.lived: list[Step] = []

    def live(self) -> None:
        step = make_cartpole_step(len(self.lived))
        self.lived.append(step)
        observation, action, image = JointState(), JointState(), Image()
        write_observation(observation, step.observation)
        write_action(action, step.action, CONFIG.action_spec())
        write_image(image, step.observation.key, step.observation.images["camera"])
        self._images.publish(image)
        self._observations.publish(observation)
        self._actions.publish(action)

    @property
    def listeners(self) -> int:
        return min(p.get_subscription_count() for p in (self._observations, self._actions, self._images))


def make_cartpole_step(index: int) -> Step:
    """A step of the camera cart-pole with a picture that tells its number."""
    step = make_step(index)
    picture = np.full((64, 64, 3), index % 256, np.uint8)
    observation = dataclasses.replace(step.observation, images={"camera": picture})
    return Step(observation, dataclasses.replace(step.action, values=np.array([index / 1000], np.float32)))


@pytest.fixture
def robot() -> Iterator[Robot]:
    context = Context()
    rclpy.init(context=context, domain_id=DOMAIN)
    yield Robot(context)
    rclpy.shutdown(context=context)


class Recorder:
    """The node in a process of its own."""

    def __init__(self, run_dir: Path, *parameters: str) -> None:
        self.bags = run_dir / "bags"
        command = [sys.executable, "-m", "ros_nodes.recorder_node", "--ros-args", "-r", "__ns:=/cartpole"]
        for parameter in ("config:=cartpole-image", f"run_dir:={run_dir}", *parameters):
            command += ["-p", parameter]
        self.process = subprocess.Popen(command, env=ENVIRONMENT)

    def steps(self) -> list[int]:
        """Numbers of the whole steps in the files."""
        reader = StepReader(CONFIG.action_spec(), ["camera"])
        return [s.observation.key.stamp_ns // STEP_NS - 1 for s in reader.read(sorted(self.bags.glob("*.mcap")))]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)


@pytest.fixture
def start(tmp_path) -> Iterator[Callable[..., Recorder]]:
    started: list[Recorder] = []

    def start_recorder(*parameters: str) -> Recorder:
        started.append(Recorder(tmp_path, *parameters))
        return started[-1]

    yield start_recorder
    for recorder in started:
        recorder.kill()


def test_a_killed_recorder_loses_one_step_at_most_and_its_successor_records_what_was_missed(robot, start):
    recorder = start()
    wait_for(lambda: robot.listeners > 0, "the recorder to listen")
    for number in range(40):
        robot.live()
        if number < 39:
            wait_for(lambda number=number: recorder.steps()[-1:] == [number], f"step {number} in the file")
    recorder.kill()
    assert recorder.steps() in (list(range(39)), list(range(40)))

    for _ in range(10):
        robot.live()
    successor = start()
    wait_for(lambda: successor.steps()[-1:] == [49], "the missed steps in the file")
    robot.live()
    wait_for(lambda: successor.steps()[-1:] == [50], "the next step in the file")
    assert successor.stop() == 0
    assert successor.steps() == list(range(51))

    stamps: dict[str, list[int]] = {}
    for path in sorted(successor.bags.glob("*.mcap")):
        with path.open("rb") as file:
            reader = make_reader(file, decoder_factories=[DecoderFactory()])
            for _, channel, _, message in reader.iter_decoded_messages(log_time_order=False):
                stamp = message.header.stamp
                stamps.setdefault(channel.topic, []).append(stamp.sec * 10**9 + stamp.nanosec)
    everything = [step.observation.key.stamp_ns for step in robot.lived]
    assert stamps == {
        "/cartpole/observation": everything,
        "/cartpole/observation/camera": everything,
        "/cartpole/applied_action": everything,
    }


def test_the_bytes_recorded_are_those_published(robot, start):
    recorder = start()
    wait_for(lambda: robot.listeners > 0, "the recorder to listen")
    robot.live()
    wait_for(lambda: recorder.steps() == [0], "the step in the file")
    recorder.stop()
    (path,) = recorder.bags.glob("*.mcap")
    (step,) = StepReader(CONFIG.action_spec(), ["camera"]).read([path])
    assert step.observation.values == robot.lived[0].observation.values
    assert step.observation.images["camera"].tobytes() == robot.lived[0].observation.images["camera"].tobytes()
    assert step.action.values.tolist() == robot.lived[0].action.values.tolist()


def test_a_full_file_is_finished_and_another_begun(robot, start):
    recorder = start("max_file_mb:=1")
    wait_for(lambda: robot.listeners > 0, "the recorder to listen")
    for number in range(100):  # 1.2 MB of pictures
        robot.live()
        if number % 20 == 19:
            wait_for(lambda number=number: recorder.steps()[-1:] == [number], f"step {number} in the file")
    assert recorder.stop() == 0
    assert len(list(recorder.bags.glob("*.mcap"))) == 2
    assert recorder.steps() == list(range(100))
