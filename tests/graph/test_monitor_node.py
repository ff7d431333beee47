"""The monitor over real DDS: what is published ends up in the run's metrics, and `status` sees who publishes it."""

import json
import math
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
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
from ros_nodes.monitor_node import GUARD_PERIOD_S
from tests.graph.graph import PATIENCE_S, Graph

EPISODE_STEPS = 4
CONFIG = load_run("cartpole", {"task.episode_steps": EPISODE_STEPS})
MONITOR = "ros_nodes.monitor_node"
BUNDLE = {"path": "/bundles/7.onnx", "sha256": "ab", "run_id": "r", "version": 7}


class Robot:
    """Publishes what the nodes of a run do."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._observations = graph.publisher(JointState, topics.OBSERVATION, qos.STEPS)
        self._actions = graph.publisher(JointState, topics.APPLIED_ACTION, qos.STEPS)
        self._metrics = graph.publisher(JointState, topics.METRICS, qos.EVENTS)
        self._guard = graph.publisher(DiagnosticArray, topics.GUARD, qos.EVENTS)
        self._bundle = graph.publisher(String, topics.BUNDLE, qos.LATCHED)
        self._stamp_ns = 0
        self.lived_s: list[float] = []
        """When it published each step."""

    def live_until(self, heard: Callable[[], bool], mode: Mode = Mode.EXPLORE) -> None:
        """Live and report again and again: volatile readers miss what is sent before both sides have met."""
        deadline_s = time.monotonic() + PATIENCE_S
        while not heard():
            assert time.monotonic() < deadline_s, "nobody heard it"
            self.report()
            self.live_episode(mode)

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
            source = {1: Source.LATE, 2: Source.STOP}.get(k, Source.POLICY)
            applied = Action(key, np.zeros(1, np.float32), source, policy_version=7)
            messages.write_action(action, applied, CONFIG.action_spec())
            self._observations.publish(observation)
            self._actions.publish(action)
            self.lived_s.append(time.monotonic())
            self.graph.serve(0.02)

    def report(self) -> None:
        metrics = JointState()
        messages.write_named(metrics, {"updates": 12.0, "train_ratio": 250.0, "model_loss": math.nan})
        self._metrics.publish(metrics)
        self.tell({"steps": "5", "late": "1", "latency_p50_ms": "1.5", "stopped": "", "enabled": "True"})
        for announcement in ("no JSON", "{}", "null", json.dumps(BUNDLE)):
            self._bundle.publish(String(data=announcement))

    def tell(self, values: dict[str, str]) -> None:
        """Say what the guard would report."""
        pairs = [KeyValue(key=key, value=value) for key, value in values.items()]
        self._guard.publish(DiagnosticArray(status=[DiagnosticStatus(values=pairs)]))


@pytest.fixture
def robot(graph: Graph) -> Robot:
    return Robot(graph)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder.create(CONFIG, tmp_path)


@pytest.fixture
def start(graph: Graph, folder: RunFolder) -> Callable[[], None]:
    """Starts the monitor as the scenario does."""
    (monitor,) = (process for process in scenario("demo", CONFIG, folder.path) if process.module == MONITOR)
    return lambda: graph.launch(monitor)


def lines(folder: RunFolder, kind: str) -> list[dict[str, Any]]:
    return [line for line in read_metrics(folder.metrics) if line["kind"] == kind]


def test_episodes_reports_and_bundles_become_lines_of_metrics(
    graph: Graph, robot: Robot, folder: RunFolder, start: Callable[[], None]
) -> None:
    def judged() -> list[dict[str, Any]]:
        return [line for line in lines(folder, "episode") if line["mode"] == "evaluate"]

    start()
    robot.live_until(lambda: all(lines(folder, kind) for kind in ("learner", "guard", "bundle")))
    robot.live_until(lambda: len(judged()) >= 2, Mode.EVALUATE)
    before, episode = judged()[:2]
    assert episode["return"] == 1 + 2 + 3 + 4
    assert episode["steps"] == EPISODE_STEPS + 1
    assert episode["robot_steps"] - before["robot_steps"] == EPISODE_STEPS + 1
    assert episode["missed_steps"] - before["missed_steps"] == 1
    assert episode["stopped_steps"] - before["stopped_steps"] == 1
    assert (episode["solved"], episode["policy_version"]) == (True, 7)
    assert episode["sources"] == {"policy": EPISODE_STEPS - 2, "late": 1, "stop": 1}
    learner = lines(folder, "learner")[0]
    assert (learner["updates"], learner["train_ratio"]) == (12.0, 250.0)
    assert "model_loss" not in learner
    guard = lines(folder, "guard")[0]
    assert (guard["late"], guard["latency_p50_ms"], guard["stopped"]) == (1.0, 1.5, "")
    assert lines(folder, "bundle")[0]["version"] == 7
    assert graph.stop(MONITOR) == 0
    assert list(folder.tensorboard.iterdir())


def test_the_return_of_each_episode_is_told_also_to_who_comes_late(
    graph: Graph, robot: Robot, folder: RunFolder, start: Callable[[], None]
) -> None:
    start()
    robot.live_until(lambda: bool(lines(folder, "episode")))
    late = graph.collect(JointState, topics.EPISODE, qos.LATCHED)
    graph.until(lambda: late)
    assert tuple(late[0].name) == topics.EPISODE_ELEMENTS
    told = messages.read_named(late[0])
    assert (told["return"], told["solved"], told["policy_version"]) == (1 + 2 + 3 + 4, 1.0, 7.0)
    graph.until(lambda: messages.read_named(late[-1])["robot_steps"] == lines(folder, "episode")[-1]["robot_steps"])


def test_a_new_state_of_the_guard_is_written_down_at_once(
    graph: Graph, robot: Robot, folder: RunFolder, start: Callable[[], None]
) -> None:
    def states() -> list[str]:
        # One that lasts is written down every few seconds.
        return [state for state, _ in groupby(line["state"] for line in lines(folder, "guard"))]

    start()
    deadline_s = time.monotonic() + PATIENCE_S
    while not states():
        assert time.monotonic() < deadline_s
        robot.tell({"state": "moving"})
        graph.serve(0.05)
    for state in ("moving", "stopped: late", "stopped: late", "moving"):
        robot.tell({"state": state})
    graph.until(lambda: len(states()) >= 3)
    # What is told every few seconds only would not have the state in between.
    assert states() == ["moving", "stopped: late", "moving"]
    stamps_s = [line["time"] for line in lines(folder, "guard")]
    assert stamps_s[-1] - stamps_s[-2] < GUARD_PERIOD_S


def test_a_node_that_hangs_is_named_by_the_monitor_until_it_is_heard_again(
    graph: Graph, start: Callable[[], None]
) -> None:
    names = {f"{graph.namespace}/learner", f"{graph.namespace}/policy", "/another_robot/learner"}
    reports = graph.publisher(DiagnosticArray, topics.DIAGNOSTICS, qos.EVENTS)
    hanging: set[str] = set()
    told: list[DiagnosticStatus] = []

    def report() -> None:
        alive = sorted(names - hanging)
        reports.publish(DiagnosticArray(status=[DiagnosticStatus(name=name) for name in alive]))

    def hear(message: DiagnosticArray) -> None:
        told.extend(status for status in message.status if status.name == f"{graph.namespace}/monitor")

    def says(level: bytes, words: str) -> bool:
        return bool(told) and told[-1].level == level and words in told[-1].message

    graph.every(0.2, report)
    graph.node.create_subscription(DiagnosticArray, topics.DIAGNOSTICS, hear, qos.EVENTS)
    start()
    graph.until(lambda: says(DiagnosticStatus.OK, "every node is heard"))
    assert told[-1].hardware_id == graph.namespace.strip("/")
    # Until it has been heard, nobody is missed.
    graph.serve(1.0)
    hanging |= {f"{graph.namespace}/learner", "/another_robot/learner"}
    graph.until(lambda: says(DiagnosticStatus.WARN, "nothing is heard of the learner node for"))
    hanging.add(f"{graph.namespace}/policy")
    graph.until(lambda: says(DiagnosticStatus.ERROR, "nothing is heard of the policy node for"))
    hanging.clear()
    graph.until(lambda: says(DiagnosticStatus.OK, "every node is heard"))


def test_a_restarted_monitor_goes_on_counting(
    graph: Graph, robot: Robot, folder: RunFolder, start: Callable[[], None]
) -> None:
    start()
    robot.live_until(lambda: bool(lines(folder, "episode")))
    graph.kill(MONITOR)
    first = lines(folder, "episode")
    start()
    robot.live_until(lambda: len(lines(folder, "episode")) > len(first))
    second = lines(folder, "episode")[len(first)]
    assert second["robot_steps"] > first[-1]["robot_steps"]
    assert second["return"] == 1 + 2 + 3 + 4


def test_status_tells_who_publishes_what_and_which_bundle_drives(graph: Graph, robot: Robot) -> None:
    status = subprocess.Popen(
        [sys.executable, "-m", "ros_nodes.status", "--json", "--seconds", "3"],
        env=graph.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    while status.poll() is None:
        robot.report()
        robot.live_episode()
    assert status.stdout is not None
    report = json.loads(status.stdout.read())
    assert report["domain"] == int(graph.environment["ROS_DOMAIN_ID"])
    assert report["nodes"] == [f"{graph.namespace}/test"]
    topic = {topic["name"]: topic for topic in report["topics"]}[f"{graph.namespace}/observation"]
    assert topic["type"] == "sensor_msgs/msg/JointState"
    assert topic["publishers"] == [f"{graph.namespace}/test"]
    newest_s = robot.lived_s[-100:]
    assert topic["rate_hz"] == pytest.approx((len(newest_s) - 1) / (newest_s[-1] - newest_s[0]), rel=0.5)
    assert topic["age_s"] < newest_s[-1] - newest_s[0]
    assert report["bundles"][graph.namespace]["version"] == 7
    assert report["guards"][graph.namespace]["latency_p50_ms"] == "1.5"
