"""Goals told by messages of standard types: read as a task maps them, or refused while the last good one stands."""

import math
from types import SimpleNamespace
from typing import Any

import pytest

from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.control.goal import Goal
from robot_mbrl.control.goal_messages import GoalMessages
from robot_mbrl.control.waypoints import REACHED_STEPS
from robot_mbrl.errors import ConfigError, MessageError
from robot_mbrl.messages import NANOSECONDS
from robot_mbrl.steps import Observation, StepKey

NOW_NS = 1_700_000_000 * NANOSECONDS


def header(frame: str = "odom", age_s: float | None = None) -> SimpleNamespace:
    stamp_ns = 0 if age_s is None else NOW_NS - round(age_s * NANOSECONDS)
    sec, nanosec = divmod(stamp_ns, NANOSECONDS)
    return SimpleNamespace(frame_id=frame, stamp=SimpleNamespace(sec=sec, nanosec=nanosec))


def pose(x: float, y: float, yaw: float = 0.0, frame: str = "odom", age_s: float | None = None) -> SimpleNamespace:
    orientation = SimpleNamespace(x=0.0, y=0.0, z=math.sin(yaw / 2.0), w=math.cos(yaw / 2.0))
    position = SimpleNamespace(x=x, y=y, z=0.0)
    return SimpleNamespace(
        header=header(frame, age_s), pose=SimpleNamespace(position=position, orientation=orientation)
    )


def path(*poses: SimpleNamespace, frame: str = "odom", age_s: float | None = None) -> SimpleNamespace:
    return SimpleNamespace(header=header(frame, age_s), poses=list(poses))


def twist(ahead: float, turn: float) -> SimpleNamespace:
    def axes(x: float = 0.0, z: float = 0.0) -> SimpleNamespace:
        return SimpleNamespace(x=x, y=0.0, z=z)

    return SimpleNamespace(linear=axes(x=ahead), angular=axes(z=turn))


class Told:
    """The goal of a task, and what reads each of its topics."""

    def __init__(self, task: str) -> None:
        config = load_run(task).task
        self.goal = Goal(config.goal.values())
        self._readers = {tells.topic: GoalMessages(tells) for tells in config.goal_topics}

    def tell(self, topic: str, message: Any) -> None:
        self.goal.translate(message, self._readers[topic], NOW_NS)

    def values(self, *names: str) -> tuple[float, ...]:
        return tuple(self.goal.values[name] for name in names)

    def observe(self, *, success: bool) -> None:
        self.goal.observed(Observation(StepKey("a", 1), self.goal.values, {}, success=success))


@pytest.fixture
def husky() -> Told:
    return Told("husky-pose")


def test_a_pose_is_the_place_and_the_heading(husky: Told) -> None:
    husky.tell("goal_pose", pose(3.0, -2.0, yaw=-2.5, age_s=0.5))
    assert husky.values("goal_x", "goal_y", "goal_yaw") == pytest.approx((3.0, -2.0, -2.5))
    assert husky.values("weight_heading", "weight_effort") == (1.0, 0.0)


def test_a_twist_is_the_speed_and_the_turn() -> None:
    told = Told("a1-goal")
    told.tell("cmd_vel", twist(0.4, -0.5))
    assert told.values("goal_speed", "goal_turn_rate") == (0.4, -0.5)


@pytest.mark.parametrize(
    ("topic", "message", "reason"),
    [
        ("goal_pose", pose(math.nan, 1.0), "goal on goal_pose: goal_x is not finite"),
        ("goal_pose", pose(1.0, math.inf), "goal_y is not finite"),
        ("goal_pose", pose(1.0, 300.0), "goal_y of 300 m is not from -20 to 20"),
        ("goal_pose", pose(1.0, 1.0, frame="map"), "in the frame 'map', and nothing is transformed; tell it in 'odom'"),
        ("goal_pose", pose(1.0, 1.0, frame=""), "in the frame ''"),
        ("goal_pose", pose(1.0, 1.0, age_s=3600.0), "its stamp is 3.6e\\+03 s old, more than 2 s"),
        ("goal_pose", pose(1.0, 1.0, age_s=-60.0), "60 s ahead of this computer's clock"),
        ("path", path(), "the path has no pose"),
        ("path", path(pose(1.0, 1.0), pose(1.0, math.nan)), "goal_y is not finite"),
        ("path", path(pose(1.0, 1.0), pose(50.0, 1.0)), "goal_x of 50 m is not from -20 to 20"),
        ("path", path(pose(1.0, 1.0), pose(1.0, 1.0, frame="map")), "in the frame 'map'"),
        ("path", path(pose(1.0, 1.0), frame="map"), "in the frame 'map'"),
        ("path", path(pose(1.0, 1.0), age_s=9.0), "its stamp is 9 s old"),
    ],
)
def test_what_means_nothing_is_refused_and_the_last_good_one_stands(
    husky: Told, topic: str, message: Any, reason: str
) -> None:
    husky.tell("goal_pose", pose(3.0, -2.0, yaw=1.0))
    before = husky.goal.values
    with pytest.raises(MessageError, match=reason):
        husky.tell(topic, message)
    assert husky.goal.values == before
    assert husky.goal.waypoints == 0
    assert husky.goal.refused == 1
    assert "goal" in husky.goal.refusal


def test_an_orientation_without_a_direction_is_refused(husky: Told) -> None:
    message = pose(1.0, 1.0)
    message.pose.orientation = SimpleNamespace(x=0.0, y=0.0, z=0.0, w=0.0)
    with pytest.raises(MessageError, match="goal_yaw is not finite"):
        husky.tell("goal_pose", message)


def test_of_a_path_each_pose_is_told_once_the_one_before_is_reached(husky: Told) -> None:
    husky.tell("goal_pose", pose(0.0, 0.0, yaw=2.0))
    husky.tell("path", path(pose(1.0, 1.0, frame=""), pose(2.0, 1.0), pose(3.0, 1.0)))
    assert husky.values("goal_x", "goal_y", "goal_yaw", "weight_heading") == (1.0, 1.0, pytest.approx(2.0), 0.0)
    assert husky.goal.waypoints == 3
    for _ in range(REACHED_STEPS - 1):
        husky.observe(success=True)
    husky.observe(success=False)  # It has only passed by.
    assert husky.values("goal_x") == (1.0,)
    for _ in range(REACHED_STEPS):
        husky.observe(success=True)
    assert husky.values("goal_x") == (2.0,)
    for _ in range(REACHED_STEPS):
        husky.observe(success=True)
    assert husky.values("goal_x") == (3.0,)
    husky.observe(success=False)
    assert husky.goal.waypoints == 0
    assert husky.values("goal_x") == (3.0,)


def test_another_goal_ends_a_way_and_a_weight_does_not(husky: Told) -> None:
    husky.tell("path", path(pose(1.0, 1.0), pose(2.0, 1.0)))
    husky.goal.set({"weight_effort": 0.5})
    assert husky.goal.waypoints == 2
    husky.tell("goal_pose", pose(5.0, 5.0))
    assert husky.goal.waypoints == 0
    for _ in range(REACHED_STEPS):
        husky.observe(success=True)
    assert husky.values("goal_x", "weight_effort") == (5.0, 0.5)


def with_topic(**changes: Any) -> RunConfig:
    tells = {
        "topic": "told",
        "type": "geometry_msgs/msg/PoseStamped",
        "values": [{"name": "goal_x", "field": "pose.position.x"}],
    }
    return load_run("reacher-goal", {"task.goal_topics": [tells | changes]})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"values": [{"name": "goal_z", "field": "pose.position.z"}]}, r"goal_topics: told sets \['goal_z'\]"),
        ({"sets": {"goal_x": 1.0}}, r"values: \['goal_x'\] are set more than once"),
        ({"sets": {"weight": 1.0}}, r"told sets \['weight'\], no elements of the goal"),
        ({"topic": "goal"}, "goal is named twice, or the goal's own"),
        ({"type": "geometry_msgs/msg/Twist", "frame": "odom"}, "frame: a geometry_msgs/msg/Twist has no frame_id"),
        ({"type": "sensor_msgs/msg/Imu"}, "type: Input should be"),
    ],
)
def test_a_mapping_that_contradicts_itself_is_named(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        with_topic(**changes)


def test_a_task_may_do_without_what_its_robot_measures() -> None:
    config = load_run("husky-pose")
    assert "goal" in load_run("husky-goal").robot.vectors
    assert "goal" not in config.robot.vectors
    with pytest.raises(ConfigError, match=r"unmeasured: robot 'husky' has no vectors \['sonar'\]; it has"):
        load_run("husky-pose", {"task.unmeasured": ["sonar"]})
