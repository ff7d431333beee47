"""A hostile person takes over a moving robot again and again, over real DDS, recorded: nothing moves that must not."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool

from robot_mbrl import messages, topics
from robot_mbrl.config import load_run
from robot_mbrl.experience.reading import StepReader
from robot_mbrl.messages import NANOSECONDS
from robot_mbrl.specs import Source
from robot_mbrl.steps import Step
from ros_nodes import qos
from tests.graph.experience_bench import bags
from tests.graph.graph import Graph
from tests.graph.shaped_commands import assert_rates
from tests.graph.test_stand_in_node import STAND_IN
from tests.graph.test_trying import TASK, Side

RECORDER = "ros_nodes.recorder_node"
PERIOD_S = 0.05
"""Of switch and stick."""
NOTICED_S = 0.8
"""After this what the person does has had its effect: timeouts, and steps that may be late on a busy machine."""
OWN_GAP_S = 0.2
"""A segment in which the test itself was held up for longer says nothing about the robot."""
SEGMENTS = (
    *(("full", 2.0), ("free", 1.5), ("full", 0.5), ("free", 1.5), ("nan", 2.0), ("free", 1.5), ("full", 2.0)),
    *(("free", 1.5), ("1 Hz", 3.5), ("free", 1.5), ("two", 2.0), ("free", 1.5), ("full", 2.0), ("free", 1.5)),
    *(("silent stick", 2.0), ("free", 1.5), ("silence", 2.0), ("free", 1.5), ("full", 2.0), ("free", 1.5)),
)
"""What the person does, and for how long. `free` lets go, with the stick at full."""
MOVED = {"full": {Source.TELEOP}, "free": {Source.RANDOM, Source.STOP, Source.LATE}}
"""Sources of the steps that each of them leads to; of all else, the robot stops."""


@dataclass
class Segment:
    """What the person did in a span of time, and how punctually."""

    kind: str
    begin_ns: int
    """When it began; a silence in the middle of a takeover, when that did."""
    end_ns: int = 0
    sent_s: list[float] = field(default_factory=list)

    def judges(self, stamp_ns: int) -> bool:
        return self.begin_ns + NOTICED_S * NANOSECONDS <= stamp_ns < self.end_ns

    @property
    def punctual(self) -> bool:
        return max((b - a for a, b in zip(self.sent_s, self.sent_s[1:], strict=False)), default=0.0) < OWN_GAP_S


class Person:
    """Holds switch and stick as the segment says."""

    def __init__(self, side: Side) -> None:
        self.graph, self._names = side.graph, side.spec.names
        self.segments: list[Segment] = []
        self._switch, self._stick = self._publishers()
        self._second = None
        self._spoke_ns = 0
        self.graph.every(PERIOD_S, self._live)

    def _publishers(self):
        return (
            self.graph.publisher(Bool, topics.TAKEOVER, qos.EVENTS),
            self.graph.publisher(JointState, topics.TELEOP, qos.EVENTS),
        )

    def do(self, kind: str, seconds: float) -> None:
        now_ns = self.graph.node.get_clock().now().nanoseconds
        if kind == "two":
            self._second = self._publishers()
        self.segments.append(Segment(kind, now_ns))
        self.graph.serve(seconds)
        self.segments[-1].end_ns = self.graph.node.get_clock().now().nanoseconds
        if self._second is not None:
            for publisher in self._second:
                self.graph.node.destroy_publisher(publisher)
            self._second = None

    def _live(self) -> None:
        if not self.segments:
            return
        segment = self.segments[-1]
        count = len(segment.sent_s)
        segment.sent_s.append(time.monotonic())
        held, stick = segment.kind != "free", math.nan if segment.kind == "nan" else 1.0
        rarely = segment.kind == "1 Hz" and count % round(1.0 / PERIOD_S)
        # Silence comes in the middle of a takeover.
        silent = segment.kind == "silence" and count * PERIOD_S > 0.5
        if not silent:
            self._spoke_ns = self.graph.node.get_clock().now().nanoseconds
        elif segment.begin_ns < self._spoke_ns:
            segment.begin_ns = self._spoke_ns
        if rarely or silent:
            return
        for switch, teleop in filter(None, [(self._switch, self._stick), self._second]):
            switch.publish(Bool(data=held))
            if segment.kind != "silent stick":
                message = JointState()
                messages.write_named(message, dict.fromkeys(self._names, stick))
                teleop.publish(message)


@pytest.fixture
def side(graph_environment: dict[str, str], tmp_path: Path) -> Iterator[Side]:
    graph = Graph(graph_environment, "/arm")
    graph.start(STAND_IN, config=TASK)
    yield Side(graph, tmp_path / "run")
    graph.close()


def test_whatever_a_person_does_each_step_has_one_action_and_only_a_held_stick_moves_the_robot(
    side: Side, tmp_path: Path
) -> None:
    graph = side.graph
    shaped = graph.collect(JointState, "actuator/command", qos.EVENTS)
    observations = graph.collect(JointState, topics.OBSERVATION, qos.FOLLOWED)
    person = Person(side)
    for kind, seconds in SEGMENTS:
        if kind != "free":
            # What stops for a second disables the robot: a person enables it again.
            if side.report()["enabled"] == "False":
                side.enable()
            graph.until(lambda: side.report()["state"] == "moving")
        person.do(kind, seconds)
    report = side.report()
    assert int(report["intervention.takeover_lost"]) >= 4
    assert "intervention.assertion" not in report
    assert report["latched"] == "False"
    graph.stop(RECORDER)

    steps = list(StepReader(side.spec, []).read(bags(tmp_path / "run")))
    assert_sources(steps, person.segments)
    recorded = {step.observation.key: step.action for step in steps}
    applied = [messages.read_action(message, side.spec) for message in side.applied]
    assert len({action.key for action in applied}) == len(applied)
    observed = {messages.read_key(message) for message in observations[:-1]}
    answered = {action.key for action in applied}
    first = min(key.stamp_ns for key in answered)
    assert {key for key in observed if key.stamp_ns >= first} <= answered
    common = [action for action in applied if action.key in recorded]
    assert len(common) > 0.9 * len(applied)
    assert all(recorded[action.key].source is action.source for action in common)
    assert all((recorded[action.key].values == action.values).all() for action in common)
    assert_rates(shaped, [joint.max_rate for joint in load_run(TASK).robot.joints])


def assert_sources(steps: list[Step], segments: list[Segment]) -> None:
    """What was applied in the midst of each segment is by whom it must be."""
    judged = 0
    for segment in segments:
        sources = {s.action.source for s in steps if segment.judges(s.observation.key.stamp_ns)}
        if not segment.punctual and segment.kind == "full":
            continue
        judged += bool(sources)
        assert sources <= MOVED.get(segment.kind, {Source.STOP}), segment.kind
    assert judged > 0.7 * len([s for s in segments if s.end_ns - s.begin_ns > NOTICED_S * NANOSECONDS])
    held = [s.action for s in steps if s.action.source is Source.TELEOP]
    assert held[-1].policy_version == 0
    assert max(float(action.values.max()) for action in held) == 1.0
