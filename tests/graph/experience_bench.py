"""A robot that publishes steps as sensor node and guard do, for tests of the nodes that listen to it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import Image, JointState

from robot_mbrl import topics
from robot_mbrl.config import RunConfig
from robot_mbrl.messages import write_action, write_image, write_observation
from robot_mbrl.steps import Action, Observation, Step, StepKey
from ros_nodes import qos

DOMAIN = 1 + os.getpid() % 100
ENVIRONMENT = {**os.environ, "ROS_DOMAIN_ID": str(DOMAIN), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
NAMESPACE = "/cartpole"
STEP_NS = 50_000_000
PATIENCE_S = 60.0


def make_step(config: RunConfig, index: int, stamp_ns: int) -> Step:
    """Step number `index` of a session; its pictures tell the number."""
    key = StepKey("session", stamp_ns)
    values = dict.fromkeys(config.observation_spec().element_names, 0.1 * (index % 10))
    images = config.observation_spec().images.items()
    pictures = {name: np.full(image.shape, index % 256, image.dtype) for name, image in images}
    action = Action(key, np.array([index % 10 / 10], np.float32))
    return Step(Observation(key, values, pictures, reward=0.1, is_first=index == 0), action)


class RobotBench:
    """Publishes steps, and hears what is published besides."""

    def __init__(self, config: RunConfig) -> None:
        self._config = config
        self._context = Context()
        rclpy.init(context=self._context, domain_id=DOMAIN)
        self.node = rclpy.create_node("robot", context=self._context, namespace=NAMESPACE)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._observations = self.node.create_publisher(JointState, topics.OBSERVATION, qos.STEPS)
        self._actions = self.node.create_publisher(JointState, topics.APPLIED_ACTION, qos.STEPS)
        self._images = {
            name: self.node.create_publisher(Image, topics.image(name), qos.IMAGES)
            for name in config.observation_spec().images
        }
        self.lived: list[Step] = []
        self._stamp_ns = 0

    def live(self, steps: int = 1) -> None:
        """Publish the next steps."""
        for _ in range(steps):
            self._stamp_ns = max(self._stamp_ns + STEP_NS, time.time_ns())
            step = make_step(self._config, len(self.lived), self._stamp_ns)
            self.lived.append(step)
            observation, action = JointState(), JointState()
            write_observation(observation, step.observation)
            write_action(action, step.action, self._config.action_spec())
            for name, picture in step.observation.images.items():
                image = Image()
                write_image(image, step.observation.key, picture)
                self._images[name].publish(image)
            self._observations.publish(observation)
            self._actions.publish(action)

    @property
    def heard(self) -> bool:
        """Whether somebody listens to every topic."""
        publishers = (self._observations, self._actions, *self._images.values())
        return all(publisher.get_subscription_count() > 0 for publisher in publishers)

    def until(self, condition: Callable[[], Any], what: str) -> None:
        """Spin until the condition holds."""
        deadline_s = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline_s, f"waited {PATIENCE_S} s in vain for {what}"
            self._executor.spin_once(timeout_sec=0.005)

    def numbers(self, steps: Iterable[Step]) -> list[int]:
        """Which of the steps lived these are."""
        order = {step.observation.key: number for number, step in enumerate(self.lived)}
        return [order[step.observation.key] for step in steps]

    def close(self) -> None:
        """Leave the graph."""
        rclpy.shutdown(context=self._context)


class NodeProcess:
    """A node in a process of its own."""

    def __init__(self, module: str, **parameters: Any) -> None:
        command = [sys.executable, "-m", f"ros_nodes.{module}", "--ros-args", "-r", f"__ns:={NAMESPACE}"]
        for name, value in parameters.items():
            command += ["-p", f"{name}:={value}"]
        self.process = subprocess.Popen(command, env=ENVIRONMENT)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ask it to end; returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)


def bags(run_dir: Path) -> list[Path]:
    """The sessions of a run, oldest first."""
    return sorted((run_dir / "bags").glob("*.mcap"))
