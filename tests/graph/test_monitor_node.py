"""The monitor over real DDS: what is published ends up in the run's metrics, and `status` sees who publishes it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.context import Context
from sensor_msgs.msg import JointState
from std_msgs.msg import String

from robot_mbrl import messages, topics
from robot_mbrl.config import load_run
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.runs.metrics import read_metrics
from robot_mbrl.runs.scenario import scenario
from robot_mbrl.specs import Mode, Source
from robot_mbrl.steps import Action, Observation, StepKey
from ros_nodes import qos

EPISODE_STEPS = 4
CONFIG = load_run("cartpole", {"task.episode_steps": EPISODE_STEPS})
DOMAIN = 1 + os.getpid() % 100
ENVIRONMENT = {**os.environ, "ROS_DOMAIN_ID": str(DOMAIN), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
PATIENCE_S = 20.0
BUNDLE = {"path": "/bundles/7.onnx", "sha256": "ab", "run_id": "r", "version": 7}


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s, f"waited {PATIENCE_S} s in vain for {what}"
        time.sleep(0.01)


class Robot:
    """Publishes what the nodes of a run do."""

    def __init__(self, context: Context) -> None:
        self.node = rclpy.create_node("robot", context=context, namespace="/cartpole")
        self._observations = self.node.create_publisher(JointState, topics.OBSERVATION, qos.STEPS)
        self._actions = self.node.create_publisher(JointState, topics.APPLIED_ACTION, qos.STEPS)
        self._metrics = self.node.create_publisher(JointState, topics.METRICS, qos.EVENTS)
        self._guard = self.node.create_publisher(DiagnosticArray, topics.GUARD, qos.EVENTS)
        self._bundle = self.node.create_publisher(String, topics.BUNDLE, qos.LATCHED)
        self._stamp_ns = 0

    def wait_for_listener(self) -> None:
        writers = (self._observations, self._actions, self._metrics, self._guard)
        wait_for(lambda: all(w.get_subscription_count() > 0 for w in writers), "the monitor to subscribe")

    def live_episode(self, mode: Mode = Mode.EXPLORE) -> None:
        for k in range(EPISODE_STEPS + 1):
            self._stamp_ns += 50_000_000
            key, last = StepKey("session", self._stamp_ns), k == EPISODE_STEPS
            observation, action = JointState(), JointState()
            values = dict.fromkeys(CONFIG.observation_spec().element_names, 0.0)
            messages.write_observation(
                observation,
                Observation(key, values, {}, reward=float(k), is_first=k == 0, is_last=last, mode=mode, success=k >= 2),
            )
            applied = Action(key, np.zeros(1, np.float32), Source.LATE if k == 1 else Source.POLICY, policy_version=7)
            messages.write_action(action, applied, CONFIG.action_spec())
            self._observations.publish(observation)
            self._actions.publish(action)
            time.sleep(0.02)

    def report(self) -> None:
        metrics = JointState()
        messages.write_named(metrics, {"updates": 12.0, "train_ratio": 250.0})
        self._metrics.publish(metrics)
        values = {"steps": "5", "late": "1", "latency_p50_ms": "1.5", "stopped": "", "enabled": "True"}
        pairs = [KeyValue(key=key, value=value) for key, value in values.items()]
        self._guard.publish(DiagnosticArray(status=[DiagnosticStatus(values=pairs)]))
        self._bundle.publish(String(data=json.dumps(BUNDLE)))

    def report_until(self, heard: Callable[[], bool]) -> None:
        """A volatile reader misses what was sent before both sides had found each other, so reports are repeated."""
        deadline_s = time.monotonic() + PATIENCE_S
        while not heard():
            assert time.monotonic() < deadline_s, "the reports were not heard"
            self.report()
            time.sleep(0.1)


@pytest.fixture
def robot() -> Iterator[Robot]:
    context = Context()
    rclpy.init(context=context, domain_id=DOMAIN)
    yield Robot(context)
    rclpy.shutdown(context=context)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder.create(CONFIG, tmp_path)


@pytest.fixture
def monitor(folder: RunFolder) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts the node as the scenario does."""
    started: list[subprocess.Popen[bytes]] = []
    (process,) = (p for p in scenario("demo", CONFIG, folder.path) if p.name == "monitor")

    def start() -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen(process.command(), env=ENVIRONMENT))
        return started[-1]

    yield start
    for popen in started:
        popen.kill()
        popen.wait()


def lines(folder: RunFolder, kind: str) -> list[dict[str, Any]]:
    return [line for line in read_metrics(folder.metrics) if line["kind"] == kind]


def test_episodes_reports_and_bundles_become_lines_of_metrics(
    robot: Robot, folder: RunFolder, monitor: Callable[[], subprocess.Popen[bytes]]
) -> None:
    process = monitor()
    robot.wait_for_listener()
    robot.report_until(lambda: all(lines(folder, kind) for kind in ("learner", "guard", "bundle")))
    robot.live_episode(Mode.EVALUATE)
    wait_for(lambda: len(lines(folder, "episode")) == 1, "the episode's line")
    (episode,) = lines(folder, "episode")
    assert episode["return"] == 1 + 2 + 3 + 4
    assert episode["steps"] == episode["robot_steps"] == EPISODE_STEPS + 1
    assert (episode["mode"], episode["solved"], episode["policy_version"]) == ("evaluate", True, 7)
    assert episode["missed_steps"] == 1
    assert episode["sources"] == {"policy": EPISODE_STEPS - 1, "late": 1}
    learner = lines(folder, "learner")[0]
    assert (learner["updates"], learner["train_ratio"]) == (12.0, 250.0)
    guard = lines(folder, "guard")[0]
    assert (guard["late"], guard["latency_p50_ms"], guard["stopped"]) == (1.0, 1.5, "")
    assert lines(folder, "bundle")[0]["version"] == 7
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE_S) == 0
    assert list(folder.tensorboard.iterdir())


def test_a_restarted_monitor_goes_on_counting(
    robot: Robot, folder: RunFolder, monitor: Callable[[], subprocess.Popen[bytes]]
) -> None:
    first = monitor()
    robot.wait_for_listener()
    robot.live_episode()
    wait_for(lambda: len(lines(folder, "episode")) == 1, "the first episode's line")
    first.kill()
    first.wait()
    monitor()
    # The graph shows a killed reader for a while: live on until its successor has heard a whole episode.
    deadline_s = time.monotonic() + PATIENCE_S
    while len(lines(folder, "episode")) < 2 and time.monotonic() < deadline_s:
        robot.live_episode()
    second = lines(folder, "episode")[1]
    assert second["robot_steps"] > EPISODE_STEPS + 1
    assert second["return"] == 1 + 2 + 3 + 4


def test_status_tells_who_publishes_what_and_which_bundle_drives(robot: Robot) -> None:
    status = subprocess.Popen(
        [sys.executable, "-m", "ros_nodes.status", "--json", "--seconds", "3"],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        text=True,
    )
    while status.poll() is None:
        robot.report()
        robot.live_episode()
    assert status.stdout is not None
    report = json.loads(status.stdout.read())
    assert report["domain"] == DOMAIN
    assert report["nodes"] == ["/cartpole/robot"]
    topic = {topic["name"]: topic for topic in report["topics"]}["/cartpole/observation"]
    assert topic["type"] == "sensor_msgs/msg/JointState"
    assert topic["publishers"] == ["/cartpole/robot"]
    assert topic["rate_hz"] > 10
    assert topic["age_s"] < 1
    assert report["bundles"]["/cartpole"]["version"] == 7
    assert report["guards"]["/cartpole"]["latency_p50_ms"] == "1.5"
