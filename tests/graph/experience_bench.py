"""A robot that publishes steps as sensor node and guard do, for tests of the nodes that listen to it."""

import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
from sensor_msgs.msg import Image, JointState

from robot_mbrl import topics
from robot_mbrl.config import RunConfig
from robot_mbrl.messages import NANOSECONDS, write_action, write_image, write_observation
from robot_mbrl.steps import Action, Observation, Step, StepKey
from ros_nodes import qos
from tests.graph.graph import Graph

STEP_NS = 50_000_000


def make_step(config: RunConfig, index: int, stamp_ns: int, session: str = "session") -> Step:
    """Step number `index` of a session; its pictures tell the number."""
    key = StepKey(session, stamp_ns)
    values = dict.fromkeys(config.observation_spec().element_names, 0.1 * (index % 10))
    images = config.observation_spec().images.items()
    pictures = {name: np.full(image.shape, index % 256, image.dtype) for name, image in images}
    action = Action(key, np.array([index % 10 / 10], np.float32))
    return Step(Observation(key, values, pictures, reward=0.1, is_first=index == 0), action)


class RobotBench:
    """Publishes steps as they are lived.

    Attributes:
        lived: those it published.
        clock_ahead_s: by how much its clock is ahead of the other computers'.
    """

    def __init__(self, graph: Graph, config: RunConfig, *, clock_ahead_s: int = 0, space: str = "") -> None:
        self.graph = graph
        self.clock_ahead_s = clock_ahead_s
        self._config = config
        self._session = f"session{space}"
        below = f"{space}/" if space else ""
        self._observations = graph.publisher(JointState, below + topics.OBSERVATION, qos.STEPS)
        self._actions = graph.publisher(JointState, below + topics.APPLIED_ACTION, qos.STEPS)
        cameras = config.observation_spec().images
        self._images = {name: graph.publisher(Image, below + topics.image(name), qos.IMAGES) for name in cameras}
        self.lived: list[Step] = []
        self._stamp_ns = 0

    def live(self, steps: int = 1) -> None:
        """Publish the next steps."""
        for _ in range(steps):
            step = make_step(self._config, len(self.lived), self._next_stamp_ns(), self._session)
            self.lived.append(step)
            self._publish(step)

    def live_unobserved(self) -> None:
        """Publish a step without any of the values that the task observes."""
        step = make_step(self._config, 0, self._next_stamp_ns(), self._session)
        self._publish(replace(step, observation=replace(step.observation, values={})))

    def _next_stamp_ns(self) -> int:
        now_ns = time.time_ns() + self.clock_ahead_s * NANOSECONDS
        self._stamp_ns = max(self._stamp_ns + STEP_NS, now_ns)
        return self._stamp_ns

    def _publish(self, step: Step) -> None:
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

    def numbers(self, steps: Iterable[Step]) -> list[int]:
        """Which of the steps lived these are."""
        order = {step.observation.key: number for number, step in enumerate(self.lived)}
        return [order[step.observation.key] for step in steps]


def bags(run_dir: Path) -> list[Path]:
    """The sessions of a run, oldest first."""
    return sorted((run_dir / "bags").glob("*.mcap"))
