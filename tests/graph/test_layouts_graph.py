"""What layouts name is there on a running graph: topics are published, figures are found by each tool's rules."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rclpy.qos import QoSProfile

from robot_mbrl.config import load_run
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.runs.scenario import Options, scenario
from robot_mbrl.views.layouts import LAYOUTS
from robot_mbrl.views.panels import Element, Entry, Overview, Panel, overview
from ros_nodes import qos
from ros_nodes.message_types import message_type
from tests.graph.graph import Graph
from tests.graph.tiny import TINY
from tests.views.formats import READERS, Named, follow_message_path, follow_rqt, plotjuggler_series

PATIENCE_S = 300.0
SCHEDULE = {"agent.prefill_steps": 20, "agent.pretrain_updates": 1, "agent.train_ratio": 1.0}
SETTINGS = TINY | SCHEDULE | {"task.episode_steps": 60, "agent.cnn_depth": 1}
# Pictures, and values beside them.
CONFIG = load_run("cartpole", SETTINGS | {"task.observe": ["positions", "velocities", "camera"]})
KINDS = ("foxglove", "plotjuggler", "rqt", "rviz")


class Watched:
    """The newest message of every topic that an overview shows."""

    def __init__(self, graph: Graph, seen: Overview) -> None:
        self.newest: dict[str, Any] = {}
        self._graph = graph
        self.types: dict[str, str] = {}
        self._seen = seen

    def await_topics(self) -> None:
        """Wait until every topic is published, and hear them all."""
        self._graph.until(lambda: not self.unpublished(self._seen.topics), PATIENCE_S)
        self.types = {name: types[0] for name, types in self._graph.node.get_topic_names_and_types()}
        for topic in self._seen.topics:
            kind, profile = message_type(self.types[topic]), _profile(topic)
            self._graph.node.create_subscription(kind, topic, lambda m, t=topic: self._hear(t, m), profile)

    def unpublished(self, topics: tuple[str, ...]) -> list[str]:
        """Topics that nobody publishes."""
        return [topic for topic in topics if not self._graph.node.count_publishers(topic)]

    def _hear(self, topic: str, message: Any) -> None:
        if not hasattr(message, "status"):
            self.newest[topic] = message
            return
        # Every node reports for itself.
        kept = self.newest.setdefault(topic, message)
        if kept is not message:
            names = {status.name for status in message.status}
            kept.status = [status for status in kept.status if status.name not in names] + list(message.status)


def _profile(topic: str) -> QoSProfile:
    return qos.LATCHED if topic.endswith(("/state", "/episode", "/robot_description")) else qos.EVENTS


def counted(messages: Mapping[str, Any]) -> set[str]:
    """Reasons for which the guard has intervened by now: only those it reports."""
    report = messages["/cartpole/guard"].status[0]
    return {pair.key for pair in report.values if pair.key.startswith("intervention.")}


def found(signal: Element | Entry, messages: Mapping[str, Any]) -> float | None:
    """A figure where its description says that it is; None where it is not."""
    message = messages.get(signal.topic)
    if message is None:
        return None
    if isinstance(signal, Element):
        there = list(message.name)[signal.index : signal.index + 1] == [signal.name]
        return float(getattr(message, signal.field)[signal.index]) if there else None
    for status in message.status:
        if (status.name, status.hardware_id) == (signal.status, signal.hardware):
            return next((float(pair.value) for pair in status.values if pair.key == signal.key), None)
    return None


def lacking(seen: Overview, messages: Mapping[str, Any]) -> list[str]:
    """Labels of the figures that are not there, those of interventions that never were needed left out."""
    signals = [signal for panel in seen.panels for signal in panel.signals]
    signals += [word for word in seen.words if isinstance(word, Element)]
    due = [signal for signal in signals if not (isinstance(signal, Entry) and signal.key.startswith("intervention."))]
    values = {signal: found(signal, messages) for signal in due}
    return [signal.label for signal, value in values.items() if value is None or math.isnan(value)]


@pytest.fixture
def watched(cartpole: Graph, tmp_path: Path) -> Iterator[tuple[Graph, Watched]]:
    """A demo in lockstep that has learned, and everything that it publishes for viewers."""
    folder = RunFolder.create(CONFIG, tmp_path)
    watched = Watched(cartpole, overview(CONFIG))
    for node in scenario("demo", CONFIG, folder.path, Options(lockstep=True)):
        cartpole.launch(node)
    watched.await_topics()
    yield cartpole, watched


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_figure_of_every_layout_is_found_on_a_running_graph(watched: tuple[Graph, Watched]) -> None:
    graph, heard = watched
    seen, messages = overview(CONFIG), heard.newest
    said = {*seen.pictures, seen.prediction, *seen.markers, str(seen.description), *(word.topic for word in seen.words)}
    graph.until(lambda: said <= messages.keys(), PATIENCE_S)
    graph.until(lambda: not lacking(seen, messages), PATIENCE_S)
    assert counted(messages)

    series = {name for topic in messages if _plottable(messages[topic]) for name in _series(topic, messages)}
    for kind in KINDS:
        named = READERS[kind](LAYOUTS[kind].write(seen))
        check(named, heard)
        for figure in named.figures:
            if "intervention." in figure and not any(key in figure for key in counted(messages)):
                continue
            if kind == "foxglove":
                assert len(follow_message_path(figure, messages)) == 1, figure
            elif kind == "plotjuggler":
                assert figure in series
            else:
                assert isinstance(follow_rqt(figure, messages), float)

    # Whatever somebody may draw by mistake, the same checks find.
    wrong = Panel(
        "wrong", (Element("gone", "/cartpole/gone", "return", 0), replace(seen.learning[0].signals[0], index=3))
    )
    mistaken = replace(seen, learning=(wrong,))
    assert lacking(mistaken, messages) == ["gone", "return"]
    assert heard.unpublished(mistaken.topics) == ["/cartpole/gone"]


def check(named: Named, heard: Watched) -> None:
    """Pictures are pictures, and all topics are published."""
    assert not heard.unpublished((*named.pictures, *named.others))
    for topic in named.pictures:
        assert heard.types[topic] == "sensor_msgs/msg/Image"
    for topic in named.markers:
        assert heard.types[topic] == "visualization_msgs/msg/MarkerArray"


def _plottable(message: Any) -> bool:
    return hasattr(message, "status") or hasattr(message, "velocity")


def _series(topic: str, messages: Mapping[str, Any]) -> Iterator[str]:
    yield from plotjuggler_series(topic, messages[topic])
