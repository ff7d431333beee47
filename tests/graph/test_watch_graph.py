"""The page of a running run over real DDS: its figures are the run's, and it listens to no more than is looked at."""

import json
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import Image

from robot_mbrl import messages, topics
from robot_mbrl.config import load_run
from robot_mbrl.runs.environment import joining
from robot_mbrl.runs.folder import RunFolder, write_json
from robot_mbrl.runs.metrics import read_metrics
from robot_mbrl.runs.record import RunRecord
from robot_mbrl.runs.scenario import scenario
from robot_mbrl.steps import StepKey
from ros_nodes import qos
from ros_nodes.watch import LOOKS_S
from tests.graph.graph import PATIENCE_S, Graph
from tests.graph.test_monitor_node import EPISODE_STEPS, MONITOR, Robot

CONFIG = load_run("cartpole-image", {"task.episode_steps": EPISODE_STEPS})


class Page:
    """The page as a browser asks for it, while a robot lives."""

    def __init__(self, url: str, robot: Robot) -> None:
        self._url = url
        self.robot = robot

    def json(self, name: str) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self._url}{name}.json", timeout=PATIENCE_S) as answer:
            return dict(json.load(answer))

    def picture(self, name: str) -> tuple[bytes, float] | None:
        try:
            with urllib.request.urlopen(f"{self._url}picture/{name}", timeout=PATIENCE_S) as answer:
                return answer.read(), float(answer.headers["X-Age-S"])
        except urllib.error.HTTPError:
            return None

    def live_until(self, condition: Callable[[], Any]) -> None:
        self.robot.live_until(lambda: bool(condition()))


@pytest.fixture
def folder(cartpole: Graph, tmp_path: Path) -> RunFolder:
    """A run whose nodes live, of which the test is one."""
    folder = RunFolder.create(CONFIG, tmp_path)
    write_json(folder.environment, joining(cartpole.environment))
    write_json(folder.processes, {"sensor": os.getpid()})
    return folder


@pytest.fixture
def page(cartpole: Graph, folder: RunFolder, robot_mbrl: Callable[..., Any]) -> Iterator[Page]:
    (monitor,) = (process for process in scenario("demo", CONFIG, folder.path) if process.module == MONITOR)
    cartpole.launch(monitor)
    process = robot_mbrl("watch", "--run", str(folder.path), "--port", "0")
    said = process.stdout.readline()
    address = re.search(r"http://127\.0\.0\.1:\d+/", said)
    assert address is not None, said
    yield Page(address[0], Robot(cartpole))


def listeners(graph: Graph, topic: str) -> int:
    return sum(info.node_name == "watch" for info in graph.node.get_subscriptions_info_by_topic(f"/cartpole/{topic}"))


def test_the_figures_of_the_page_are_those_of_the_run(page: Page, folder: RunFolder) -> None:
    page.live_until(lambda: len(page.json("state")["returns"]) >= 2 and page.json("state")["policy_version"])

    def of_the_run() -> bool:
        record = RunRecord()
        record.take(read_metrics(folder.metrics))
        return bool(page.json("state")["returns"] == record.summary()["returns"])

    # The monitor may have some episodes to write down, and the page to read.
    page.robot.graph.until(of_the_run)
    state = page.json("state")
    assert state["returns"][-1][1] == 1 + 2 + 3 + 4
    assert (state["task"], state["updates"], state["policy_version"]) == ("cartpole-image", 12, 7)
    assert state["latency_ms"]["p50"] == 1.5
    assert page.json("history")["returns"]["explore"] == state["returns"]


def test_what_is_looked_at_is_heard_and_nothing_else(page: Page, cartpole: Graph) -> None:
    watched = (topics.image("camera"), topics.NEWEST_STEP, topics.PREDICTION)
    pictures = cartpole.publisher(Image, topics.image("camera"), qos.IMAGES)

    def photograph() -> None:
        message = Image()
        picture = np.full((64, 64, 3), (250, 20, 20), np.uint8)
        messages.write_image(message, StepKey("session", time.time_ns()), picture)
        pictures.publish(message)

    cartpole.every(0.05, photograph)
    page.live_until(lambda: page.json("state")["returns"])
    assert [listeners(cartpole, topic) for topic in watched] == [0, 0, 0]

    steps: list[dict[str, float]] = []
    seen: list[tuple[bytes, float]] = []

    def look() -> bool:
        steps.append(page.json("details")["step"])
        seen.extend(filter(None, [page.picture("camera"), page.picture("prediction")]))
        return [listeners(cartpole, topic) for topic in watched] == [1, 1, 1] and bool(steps[-1] and seen)

    page.live_until(look)
    assert {"reward", "source", "policy_version", "action.slider", "pole_cos"} <= steps[-1].keys()
    data, age_s = seen[-1]
    assert age_s < LOOKS_S
    shown = cv2_read(data)
    assert shown.shape == (64, 64, 3)
    assert np.abs(shown.mean((0, 1)) - (250, 20, 20)).max() < 12

    cartpole.until(lambda: [listeners(cartpole, topic) for topic in watched] == [0, 0, 0], LOOKS_S + PATIENCE_S)


def cv2_read(data: bytes) -> np.ndarray:
    """A JPEG as RGB."""
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def test_the_guards_state_is_shown_with_its_reason(page: Page, cartpole: Graph) -> None:
    def report() -> None:
        page.robot.tell({"state": "stopped: late", "detail": "no action in time"})

    cartpole.every(0.2, report)
    cartpole.until(lambda: page.json("state")["state"].startswith("stopped"))
    assert page.json("state")["state"] == "stopped: late: no action in time"
