"""Goals told by other programs over real DDS, as by RViz: driven to, refused with a reason, or followed one by one."""

import itertools
import math
import time
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped, Twist
from nav_msgs.msg import Path

from robot_mbrl import messages, topics
from robot_mbrl.messages import NANOSECONDS
from robot_mbrl.runs.scenario import Options
from ros_nodes import qos
from tests.graph.expert_bench import PATIENCE_S, Bench

HOUR_S = 3600.0
FRAME = "odom"


def pose(x: float, y: float, yaw: float = 0.0, frame: str = FRAME, age_s: float = 0.0) -> PoseStamped:
    message = PoseStamped()
    message.header.frame_id = frame
    messages.write_stamp(message.header.stamp, time.time_ns() - round(age_s * NANOSECONDS))
    message.pose.position.x, message.pose.position.y = x, y
    message.pose.orientation.z, message.pose.orientation.w = math.sin(yaw / 2.0), math.cos(yaw / 2.0)
    return message


class Robot:
    """A simulated husky that its expert drives to the goal that holds."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.graph = bench, bench.graph
        self._publishers = {
            kind: self.graph.publisher(kind, topic, qos.EVENTS)
            for kind, topic in ((PoseStamped, "goal_pose"), (Path, "path"))
        }
        self._health = self.graph.collect(DiagnosticArray, topics.DIAGNOSTICS, qos.EVENTS)
        self.bench.live(5)
        self.graph.until(lambda: all(p.get_subscription_count() for p in self._publishers.values()))

    def tell(self, message: Any) -> None:
        self._publishers[type(message)].publish(message)

    @property
    def goal(self) -> tuple[float, ...]:
        """The place and heading that the newest observation says it is told."""
        return tuple(self.bench.seen[-1].values[name] for name in ("goal_x", "goal_y", "goal_yaw"))

    def until_told(self, *goal: float) -> None:
        self.graph.until(lambda: self.goal == pytest.approx(goal))

    def until_refused(self, reason: str) -> None:
        """Until the newest refusal that the sensor node reports has a reason."""

        def told() -> str:
            found = (status for message in self._health for status in message.status)
            reported = [{v.key: v.value for v in s.values} for s in found if s.name == "/husky/sensor"]
            return reported[-1].get("refusal.goal", "") if reported else ""

        self.graph.until(lambda: reason in told())


@pytest.fixture
def husky(tmp_path: FilePath, graph_environment: dict[str, str]) -> Iterator[Robot]:
    bench = Bench("husky-pose", tmp_path, graph_environment, Options(lockstep=True))
    yield Robot(bench)
    bench.graph.close()


@pytest.mark.slow
def test_rvizs_goal_pose_is_driven_to_a_bad_one_is_refused_and_a_path_is_followed(husky: Robot) -> None:
    husky.until_told(0.0, 0.0, 0.0)
    husky.tell(pose(-1.0, 3.0, yaw=0.5))
    husky.until_told(-1.0, 3.0, 0.5)
    for bad, reason in (
        (pose(math.nan, 1.0), "goal on goal_pose: goal_x is not finite"),
        (pose(1.0, 1000.0), "goal_y of 1000 m is not from -20 to 20"),
        (pose(1.0, 1.0, frame="map"), "in the frame 'map'"),
        (pose(1.0, 1.0, age_s=HOUR_S), "its stamp is 3.6e+03 s old"),
        (Path(), "in the frame ''"),
    ):
        husky.tell(bad)
        husky.until_refused(reason)
    assert husky.goal == pytest.approx((-1.0, 3.0, 0.5))
    husky.graph.until(lambda: distance(husky, -1.0, 3.0) < 0.4, PATIENCE_S)

    way = [(-2.0, 3.5), (-3.0, 3.5)]
    path = Path(poses=[pose(*place) for place in way])
    path.header = path.poses[0].header
    husky.tell(path)
    husky.graph.until(lambda: distance(husky, *way[-1]) < 0.4, PATIENCE_S)
    seen = [(observation.values["goal_x"], observation.values["goal_y"]) for observation in husky.bench.seen]
    assert [goal for goal, _ in itertools.groupby(seen)] == [(0.0, 0.0), (-1.0, 3.0), *way]
    assert husky.goal[2] == pytest.approx(0.5), "on a way only places are told"


def distance(husky: Robot, x: float, y: float) -> float:
    values = husky.bench.seen[-1].values
    return math.hypot(values["x"] - x, values["y"] - y)


@pytest.mark.slow
def test_a_twist_tells_a_quadruped_how_fast_to_walk(tmp_path: FilePath, graph_environment: dict[str, str]) -> None:
    bench = Bench("a1-goal", tmp_path, graph_environment, Options(lockstep=True))
    try:
        velocity = bench.graph.publisher(Twist, "cmd_vel", qos.EVENTS)
        bench.live(2)
        bench.graph.until(velocity.get_subscription_count)
        message = Twist()
        message.linear.x, message.angular.z = 0.5, -0.25
        velocity.publish(message)

        def told() -> tuple[float, float]:
            values = bench.seen[-1].values
            return values["goal_speed"], values["goal_turn_rate"]

        bench.graph.until(lambda: told() == (0.5, -0.25))
        message.linear.x = 2.0
        velocity.publish(message)
        lived = len(bench.seen)
        bench.graph.until(lambda: len(bench.seen) > lived + 5)
        assert told() == (0.5, -0.25)
    finally:
        bench.graph.close()
