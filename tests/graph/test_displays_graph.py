"""What displays are told over real DDS: the robot's description, and where its links are by its measured joints."""

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from geometry_msgs.msg import TransformStamped
from sensor_msgs.msg import JointState
from std_msgs.msg import String

from robot_mbrl import messages, topics
from robot_mbrl.messages import NANOSECONDS
from robot_mbrl.runs.scenario import Options
from robot_mbrl.views.panels import WORLD_FRAME
from ros_nodes import qos
from sim.displays import PERIOD_S, read_poses
from tests.graph.expert_bench import Bench

STEPS = 60


class Displays:
    """What a display hears of a robot whose expert drives it in lockstep."""

    def __init__(self, bench: Bench, *joint_topics: str) -> None:
        self.bench = bench
        self.described: list[str] = []
        self.joints: dict[int, dict[str, float]] = defaultdict(dict)
        self.links: dict[int, dict[tuple[str, str], Any]] = defaultdict(dict)
        self.poses: dict[int, Any] = {}
        self.begun_s = time.monotonic()
        listen = bench.graph.node.create_subscription
        listen(String, topics.ROBOT_DESCRIPTION, lambda m: self.described.append(m.data), qos.LATCHED)
        listen(TransformStamped, topics.TRANSFORMS, self._on_transform, qos.TRANSFORMS)
        listen(JointState, topics.POSES, self._on_poses, qos.EVENTS)
        for topic in joint_topics:
            listen(JointState, topic, self._on_joints, qos.FOLLOWED)

    def _on_joints(self, message: Any) -> None:
        self.joints[messages.read_stamp(message.header.stamp)] |= zip(message.name, message.position, strict=True)

    def _on_transform(self, message: Any) -> None:
        link = (message.header.frame_id, message.child_frame_id)
        self.links[messages.read_stamp(message.header.stamp)][link] = message.transform

    def _on_poses(self, message: Any) -> None:
        self.poses[messages.read_stamp(message.header.stamp)] = read_poses(message.name, message.position)

    def live(self) -> None:
        """Until the robot has moved for a while and all of that was heard."""
        self.bench.live(STEPS)
        self.bench.graph.until(lambda: bool(self.described) and len(self.links) > 5)


@pytest.fixture
def displays(tmp_path: Path, graph_environment: dict[str, str]) -> Iterator[Callable[..., Displays]]:
    benches = []

    def make(task: str, *joint_topics: str) -> Displays:
        benches.append(Bench(task, tmp_path, graph_environment, Options(lockstep=True)))
        return Displays(benches[-1], *joint_topics)

    yield make
    for bench in benches:
        bench.graph.close()


def is_at(transform: Any, place: tuple[float, ...] = (0.0, 0.0, 0.0), axis: str = "z", angle: float = 0.0) -> bool:
    """Whether a link is there, turned by an angle about one of its parent's axes."""
    where, turn = transform.translation, transform.rotation
    same_place = (where.x, where.y, where.z) == pytest.approx(place, abs=1e-6)
    aligned = getattr(turn, axis) * math.sin(angle / 2) + turn.w * math.cos(angle / 2)
    return same_place and abs(aligned) == pytest.approx(1.0, abs=1e-6)


def cartpole(links: dict[tuple[str, str], Any], joints: dict[str, float]) -> list[bool]:
    return [
        is_at(links[WORLD_FRAME, "rail"]),
        is_at(links["rail", "cart"], (joints["slider"], 0.0, 0.0)),
        is_at(links["cart", "pole"], axis="y", angle=joints["hinge"]),
    ]


def pendulum(links: dict[tuple[str, str], Any], joints: dict[str, float]) -> list[bool]:
    return [is_at(links[WORLD_FRAME, "stand"]), is_at(links["stand", "rod"], axis="y", angle=joints["pivot"])]


def reacher(links: dict[tuple[str, str], Any], joints: dict[str, float]) -> list[bool]:
    return [
        is_at(links[WORLD_FRAME, "base"]),
        is_at(links["base", "upper_arm"], angle=joints["shoulder"]),
        is_at(links["upper_arm", "forearm"], (0.4, 0.0, 0.0), angle=joints["elbow"]),
        is_at(links[WORLD_FRAME, "table"]),
        # The mark that it is to reach.
        is_at(links["table", "slide"], (joints["target_x"], 0.0, 0.0)),
        is_at(links["slide", "mark"], (0.0, joints["target_y"], 0.0)),
    ]


@pytest.mark.parametrize(
    ("task", "joint_topics", "expected"),
    [
        ("cartpole", ["joint_states"], cartpole),
        ("pendulum", ["joint_states"], pendulum),
        ("reacher", ["joint_states", "target/joint_states"], reacher),
    ],
)
def test_the_links_of_a_fixed_robot_are_where_its_joints_are_measured(
    task: str,
    joint_topics: list[str],
    expected: Callable[[dict[tuple[str, str], Any], dict[str, float]], list[bool]],
    displays: Callable[..., Displays],
) -> None:
    seen = displays(task, *joint_topics)
    seen.live()
    assert f'<robot name="{task}">' in seen.described[0]
    assert not seen.poses, "nothing of it moves about"
    # The newest may lack links that have not arrived yet, and the first those that were told before they were heard.
    counts = {stamp: (len(seen.links[stamp]), len(seen.joints[stamp])) for stamp in seen.links.keys() & seen.joints}
    first = min(stamp for stamp, count in counts.items() if count == max(counts.values()))
    *whole, _ = sorted(stamp for stamp in counts if stamp >= first)
    checked = [expected(seen.links[stamp], seen.joints[stamp]) for stamp in whole]
    assert all(all(each) for each in checked)
    assert len({tuple(seen.joints[stamp].values()) for stamp in whole}) > 3, "it moves"


def test_displays_are_shown_no_more_than_a_person_sees(displays: Callable[..., Displays]) -> None:
    seen = displays("cartpole", "joint_states")
    seen.live()
    assert len(seen.links) <= 1 + (time.monotonic() - seen.begun_s) / PERIOD_S


def test_a_robot_that_moves_about_is_shown_where_it_is(displays: Callable[..., Displays]) -> None:
    seen = displays("husky-goal")
    seen.live()
    period_ns = round(seen.bench.config.robot.period_s * NANOSECONDS)

    def observed_by(stamp_ns: int) -> list[Any]:
        return [o for o in seen.bench.seen if 0 <= stamp_ns - o.key.stamp_ns < period_ns]

    # In lockstep, how much simulated time passes between two looks is this machine's affair.
    seen.bench.graph.until(lambda: bool(seen.poses) and observed_by(max(seen.poses)))
    newest = seen.poses[max(seen.poses)]
    values = observed_by(max(seen.poses))[-1].values
    place, _ = newest["base"]
    assert place[:2] == pytest.approx((values["x"], values["y"]), abs=0.3)
    assert "goal" in newest
    assert '<robot name="husky">' in seen.described[0]
    # On level ground its frame lies 0.12 m below its centre of mass.
    stamp = max(seen.poses.keys() & seen.links.keys())
    where = seen.links[stamp][WORLD_FRAME, "chassis_link"].translation
    x, y, z = seen.poses[stamp]["base"][0]
    assert (where.x, where.y, where.z) == pytest.approx((x, y, z - 0.12), abs=0.01)
