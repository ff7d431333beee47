"""An accident told from the bag alone: who enabled the robot, what was commanded and measured, when it was stopped."""

import importlib
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import WrenchStamped
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import ReliabilityPolicy
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import BatteryState, JointState
from std_msgs.msg import Bool, String

from robot_mbrl import topics
from robot_mbrl.config import RunConfig, load_run, save_run
from robot_mbrl.experience.definitions import DEFINITIONS, define
from robot_mbrl.experience.message_files import RecordedMessage, read_messages
from ros_nodes import qos
from ros_nodes.message_types import message_type
from ros_nodes.recorder_node import SAID
from ros_nodes.runtime import take_unannounced
from tests.graph.experience_bench import RobotBench, bags
from tests.graph.graph import Graph

RECORDER = "ros_nodes.recorder_node"
AGAIN_S = 1.0


def with_sensors() -> RunConfig:
    """A cart-pole whose driver also tells its battery, a force, and a thing whose package nobody has installed."""
    raw = load_run("cartpole").model_dump(mode="json")
    raw["robot"]["sources"] |= {
        "battery": {"topic": "battery", "type": "sensor_msgs/msg/BatteryState", "max_age_s": None, "latched": True},
        "force": {"topic": "/wrist/force", "type": "geometry_msgs/msg/WrenchStamped", "max_age_s": 1.0},
        "gripper": {"topic": "gripper", "type": "gripper_msgs/msg/GripperStatus", "max_age_s": 1.0},
    }
    return RunConfig.model_validate(raw)


class Told(NamedTuple):
    """A message of a bag."""

    topic: str
    message: Any
    time_ns: int


def tell(path: Path) -> list[Told]:
    """Everything in a bag, in order, as the format's own reader gives it to whoever opens it."""
    with path.open("rb") as file:
        reader = make_reader(file, decoder_factories=[DecoderFactory()])
        return [
            Told(channel.topic, message, raw.log_time)
            for _, channel, raw, message in reader.iter_decoded_messages(log_time_order=True)
        ]


def story(told: list[Told], namespace: str) -> list[str]:
    """The same in words, for whoever asks what has happened."""
    words: dict[str, Callable[[Any], str]] = {
        topics.ENABLE: lambda m: f"enable {m.data}",
        topics.EMERGENCY_STOP: lambda m: f"emergency stop {m.data}",
        topics.STATE: lambda m: m.data,
        topics.SENT_COMMAND: lambda m: f"sent {dict(zip(m.name, m.position, strict=True))}",
        "joint_states": lambda m: f"measured {list(m.position)}",
        "battery": lambda m: f"battery {m.percentage:.1f}",
        SAID: lambda m: m.status[0].message.removeprefix(f"{namespace}/"),
    }
    by_topic = {f"{namespace}/{topic}": tells for topic, tells in words.items()}
    return [by_topic[each.topic](each.message) for each in told if each.topic in by_topic]


@pytest.fixture
def config(tmp_path) -> Path:
    path = tmp_path / "robot.yaml"
    save_run(with_sensors(), path)
    return path


def all_that_happens(graph: Graph) -> dict[str, Publisher]:
    """Publishers of everything that is said about a robot, by topic."""
    return {
        topics.ENABLE: graph.publisher(Bool, topics.ENABLE, qos.EVENTS),
        topics.EMERGENCY_STOP: graph.publisher(Bool, topics.EMERGENCY_STOP, qos.EVENTS),
        topics.STATE: graph.publisher(String, topics.STATE, qos.LATCHED),
        topics.MOVING: graph.publisher(Bool, topics.MOVING, qos.LATCHED),
        topics.SENT_COMMAND: graph.publisher(JointState, topics.SENT_COMMAND, qos.EVENTS),
        "joint_states": graph.publisher(JointState, "joint_states", qos.sensor(with_sensors().robot.sources["joints"])),
        "battery": graph.publisher(BatteryState, "battery", qos.LATCHED),
        "/wrist/force": graph.publisher(WrenchStamped, "/wrist/force", qos.CLOCK),
        topics.TELEOP: graph.publisher(JointState, topics.TELEOP, qos.EVENTS),
        topics.FEEDBACK: graph.publisher(JointState, topics.FEEDBACK, qos.EVENTS),
        topics.GOAL: graph.publisher(JointState, topics.GOAL, qos.EVENTS),
        topics.METRICS: graph.publisher(JointState, topics.METRICS, qos.EVENTS),
        topics.EPISODE: graph.publisher(JointState, topics.EPISODE, qos.LATCHED),
        topics.DIAGNOSTICS: graph.publisher(DiagnosticArray, topics.DIAGNOSTICS, qos.EVENTS),
    }


class Teller:
    """Says things about a robot, one after another: across topics, the order in a bag is that of arrival."""

    def __init__(self, graph: Graph, run_dir: Path) -> None:
        self.graph, self._run_dir = graph, run_dir
        self.publish = all_that_happens(graph)

    def recorded(self) -> list[RecordedMessage]:
        return [message for path in bags(self._run_dir) for message in read_messages(path)]

    def tell(self, topic: str, message: Any) -> None:
        """Publish, and wait until it is in the file."""
        before = len(self.recorded())
        whole, due_s = self.graph.node.resolve_topic_name(topic), 0.0

        def is_recorded() -> bool:
            nonlocal due_s
            if time.monotonic() >= due_s:
                self.publish[topic].publish(message)
                # What a best-effort writer says is lost to whoever does not know it yet, or is busy.
                best_effort = self.publish[topic].qos_profile.reliability is ReliabilityPolicy.BEST_EFFORT
                due_s = time.monotonic() + AGAIN_S if best_effort else math.inf
            return any(each.topic == whole for each in self.recorded()[before:])

        self.graph.until(is_recorded)

    def tell_of_an_accident(self) -> None:
        """A robot is enabled, moves, and is stopped by a person; and what else is said of it."""
        for topic, message in (
            (topics.ENABLE, Bool(data=True)),
            (topics.STATE, String(data="moving")),
            (topics.SENT_COMMAND, JointState(name=["slider"], position=[7.5])),
            ("joint_states", JointState(name=["slider", "hinge"], position=[0.25, 3.0])),
            (topics.EMERGENCY_STOP, Bool(data=True)),
            (topics.STATE, String(data="latched: emergency_stop")),
            (topics.TELEOP, JointState(name=["slider"], position=[0.1])),
            (topics.FEEDBACK, JointState(name=["success"], position=[1.0])),
            (topics.GOAL, JointState(name=["x"], position=[0.3])),
            (topics.MOVING, Bool(data=False)),
            (topics.METRICS, JointState(name=["updates"], position=[7.0])),
            (topics.EPISODE, JointState(name=["return"], position=[12.5])),
            ("/wrist/force", WrenchStamped()),
            (topics.DIAGNOSTICS, DiagnosticArray(status=[DiagnosticStatus(name="driver", message="protective stop")])),
        ):
            self.tell(topic, message)


def test_an_accident_is_told_by_the_bag_alone(graph, config, tmp_path):
    teller = Teller(graph, tmp_path)
    # Said before anybody recorded, and still so.
    teller.publish[topics.STATE].publish(String(data="disabled"))
    teller.publish["battery"].publish(BatteryState(percentage=0.5))
    reports = graph.collect(DiagnosticArray, topics.DIAGNOSTICS, qos.EVENTS)
    graph.start(RECORDER, config=str(config), run_dir=str(tmp_path))
    graph.until(lambda: all(publisher.get_subscription_count() for publisher in teller.publish.values()))
    latched = {f"{graph.namespace}/{name}" for name in (topics.STATE, "battery")}
    graph.until(lambda: latched <= {message.topic for message in teller.recorded()})
    begun_ns = time.time_ns()
    teller.tell_of_an_accident()
    ended_ns = time.time_ns()
    # What cannot be recorded is named, and costs nothing else.
    graph.until(lambda: any("gripper_msgs" in str(report.status[0].values) for report in reports if report.status))
    assert graph.stop(RECORDER) == 0

    (path,) = bags(tmp_path)
    told = tell(path)
    lines = story(told, graph.namespace)
    assert [line for line in lines if not line.startswith("battery")][:9] == [
        "disabled",
        f"enable is published by {graph.namespace}/test",
        "enable True",
        "moving",
        "sent {'slider': 7.5}",
        "measured [0.25, 3.0]",
        f"emergency_stop is published by {graph.namespace}/test",
        "emergency stop True",
        "latched: emergency_stop",
    ]
    assert "battery 0.5" in lines
    stopped = next(each for each in told if each.topic.endswith(topics.EMERGENCY_STOP))
    assert begun_ns <= stopped.time_ns <= ended_ns
    heard = {each.topic for each in told}
    assert heard >= {
        f"{graph.namespace}/{name}"
        for name in (topics.TELEOP, topics.FEEDBACK, topics.GOAL, topics.MOVING, topics.METRICS, topics.EPISODE)
    }
    assert "/wrist/force" in heard
    assert any(s.message == "protective stop" for t in told if t.topic == topics.DIAGNOSTICS for s in t.message.status)


def test_a_full_disk_rests_the_recording_and_says_so(graph, tmp_path):
    reports = graph.collect(DiagnosticArray, topics.DIAGNOSTICS, qos.EVENTS)
    robot = RobotBench(graph, load_run("cartpole"))
    graph.start(RECORDER, config="cartpole", run_dir=str(tmp_path), min_free_mb=10_000_000)
    graph.until(lambda: robot.heard)
    robot.live()
    graph.until(
        lambda: any(
            status.level == DiagnosticStatus.ERROR and "shall stay free: make room" in status.message
            for report in reports
            for status in report.status
        )
    )
    assert graph.stop(RECORDER) == 0
    assert bags(tmp_path) == []


TYPES = [
    *DEFINITIONS,
    *("std_msgs/msg/UInt8MultiArray", "nav_msgs/msg/Odometry", "sensor_msgs/msg/Imu", "sensor_msgs/msg/BatteryState"),
    *("geometry_msgs/msg/WrenchStamped", "trajectory_msgs/msg/JointTrajectory", "sensor_msgs/msg/PointCloud2"),
    *("std_msgs/msg/Bool", "std_msgs/msg/Empty", "rcl_interfaces/msg/Log", "sensor_msgs/msg/MultiEchoLaserScan"),
]


@pytest.mark.parametrize("name", TYPES)
def test_the_definition_made_of_a_type_decodes_what_ros_serialises(name):
    def fields_of(part: str) -> Any:
        package, _, cls = part.partition("/")
        return getattr(importlib.import_module(f"{package}.msg"), cls).get_fields_and_field_types()

    kind = message_type(name)
    message = kind()
    if hasattr(message, "header"):
        message.header.stamp, message.header.frame_id = Time(sec=3, nanosec=4), "here"
    data = serialize_message(message)
    assert deserialize_message(data, kind) == message
    schema = type(
        "Schema", (), {"id": 1, "name": name, "encoding": "ros2msg", "data": define(name, fields_of).encode()}
    )
    decoded = DecoderFactory().decoder_for("cdr", schema)(data)
    for field in kind.get_fields_and_field_types():
        ours, theirs = getattr(decoded, field, None), getattr(message, field)
        if isinstance(theirs, (bool, int, float, str)):
            assert ours == theirs or (theirs != theirs and ours != ours)
    if hasattr(message, "header"):
        assert (decoded.header.stamp.sec, decoded.header.frame_id) == (3, "here")


def test_nodes_have_what_came_while_their_executor_was_made(graph):
    """What no event has announced is taken all the same; see `take_unannounced`."""
    publisher = graph.publisher(JointState, "history", qos.STEPS)
    for number in range(10):
        publisher.publish(JointState(name=[str(number)]))
    taken: list[Any] = []
    node = Node("late", context=graph.node.context, namespace=graph.namespace)
    node.create_subscription(JointState, "history", lambda message: taken.append(message.name[0]), qos.STEPS)

    def arrived() -> bool:
        take_unannounced(node)
        return len(taken) == 10

    graph.until(arrived)
    node.destroy_node()
    assert taken == [str(number) for number in range(10)]
