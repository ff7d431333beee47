"""What is drawn beside a robot over real DDS: while somebody looks, in frames that are told of, and never rubbish."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from geometry_msgs.msg import TransformStamped
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint
from visualization_msgs.msg import MarkerArray

import sim
from robot_mbrl import messages, topics
from robot_mbrl.config import load_run
from robot_mbrl.imagined import Imagined, write_imagined
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.runs.scenario import Options, namespace, scenario
from robot_mbrl.steps import Action, Observation, StepKey
from robot_mbrl.views.marks import FARTHEST_M
from ros_nodes import qos
from tests.graph.graph import Graph
from tests.graph.tiny import TINY

PATIENCE_S = 300.0
URDF = Path(sim.__file__).parent / "urdf"
STEP_NS = 100_000_000
SCHEDULE = {"agent.prefill_steps": 30, "agent.pretrain_updates": 1, "agent.train_ratio": 1.0}
NAMES = ("speed", "turn_rate")
AHEAD = np.column_stack([np.full(11, 0.5), np.full(11, 0.3)])


class Viewer:
    """What a viewer hears of a topic of markers, until it is closed."""

    def __init__(self, graph: Graph, topic: str) -> None:
        self.heard: list[Any] = []
        self._graph = graph
        self._subscription = graph.node.create_subscription(MarkerArray, topic, self.heard.append, qos.EVENTS)

    @property
    def markers(self) -> list[Any]:
        return [marker for array in self.heard for marker in array.markers]

    @property
    def spaces(self) -> set[str]:
        return {marker.ns for marker in self.markers}

    @property
    def frames(self) -> set[str]:
        return {marker.header.frame_id for marker in self.markers}

    def close(self) -> None:
        self._graph.node.destroy_subscription(self._subscription)


class Husky:
    """A base that lives, and whose world model expects, as a test says; the monitor hears it."""

    def __init__(self, graph: Graph, folder: Path) -> None:
        self.config = load_run("husky-goal")
        self.graph = graph
        self.goal = (2.0, -1.0)
        self._stamp_ns = 0
        self._observations = graph.publisher(JointState, topics.OBSERVATION, qos.STEPS)
        self._actions = graph.publisher(JointState, topics.APPLIED_ACTION, qos.STEPS)
        self._imagined = graph.publisher(JointTrajectory, topics.IMAGINED, qos.EVENTS)
        self._described = graph.publisher(String, topics.ROBOT_DESCRIPTION, qos.LATCHED)
        self._described.publish(String(data=(URDF / "husky.urdf").read_text()))
        run = RunFolder.create(self.config, folder / "run")
        graph.start("ros_nodes.monitor_node", config=str(run.path), run_dir=str(run.path))
        graph.every(0.1, self._live)

    def _live(self) -> None:
        self._stamp_ns += STEP_NS
        key = StepKey("session", self._stamp_ns)
        values = {value.name: 0.0 for _, _, value in self.config.robot.values()}
        values |= dict.fromkeys(self.config.observation_spec().element_names, 0.0)
        values |= {"goal_x": self.goal[0], "goal_y": self.goal[1]}
        observation, action = JointState(), JointState()
        messages.write_observation(observation, Observation(key, values, {}))
        messages.write_action(action, Action(key, np.zeros(2, np.float32)), self.config.action_spec())
        self._observations.publish(observation)
        self._actions.publish(action)

    def expect(self, rows: np.ndarray = AHEAD, names: tuple[str, ...] = NAMES) -> StepKey:
        """Tell what the world model expects."""
        message, key = JointTrajectory(), StepKey("session", self._stamp_ns)
        write_imagined(message, JointTrajectoryPoint, Imagined(key, names, rows, 0.1))
        self._imagined.publish(message)
        return key

    @property
    def is_asked(self) -> bool:
        """Whether somebody wants to know what is expected."""
        return self._imagined.get_subscription_count() > 0


@pytest.fixture
def husky(graph_environment: dict[str, str], tmp_path: Path) -> Iterator[Husky]:
    graph = Graph(graph_environment, "/husky")
    yield Husky(graph, tmp_path)
    graph.close()


def test_goal_and_ghost_are_drawn_while_somebody_looks_and_nothing_is_asked_for_afterwards(husky: Husky) -> None:
    graph = husky.graph
    graph.until(lambda: graph.node.count_publishers(topics.MARKERS) > 0)
    assert not husky.is_asked
    viewer = Viewer(graph, topics.MARKERS)
    graph.until(lambda: husky.is_asked and "goal" in viewer.spaces)
    goal = next(marker for marker in viewer.markers if marker.ns == "goal")
    assert (goal.pose.position.x, goal.pose.position.y) == (2.0, -1.0)
    keys = {husky.expect().stamp_ns}

    def ghost() -> bool:
        keys.add(husky.expect().stamp_ns)
        return {"way", "ghost"} <= viewer.spaces

    graph.until(ghost)
    way = next(marker for marker in viewer.markers if marker.ns == "way")
    assert messages.read_stamp(way.header.stamp) in keys
    end = way.points[-1]
    assert math.hypot(end.x, end.y) == pytest.approx(2.0 * 0.5 / 0.3 * math.sin(0.15), abs=1e-3)
    assert viewer.frames == {"world", "chassis_link"}

    viewer.close()
    graph.until(lambda: not husky.is_asked)


def test_rubbish_is_not_drawn(husky: Husky) -> None:
    graph, viewer = husky.graph, Viewer(husky.graph, topics.MARKERS)
    graph.until(lambda: husky.is_asked and "goal" in viewer.spaces)
    for rows in (AHEAD * math.nan, AHEAD * math.inf, AHEAD * 1e300, AHEAD[:1], np.zeros((3, 5))):
        husky.expect(rows)
    husky.goal = (math.inf, 1e308)
    graph.serve(1.0)
    husky.goal = (3.0, 0.0)
    # Once good news arrives again, all before it was heard.
    graph.until(lambda: bool(husky.expect()) and "way" in viewer.spaces)
    graph.until(lambda: any(marker.ns == "goal" and marker.pose.position.x == 3.0 for marker in viewer.markers))
    for marker in viewer.markers:
        where, turn, scale = marker.pose.position, marker.pose.orientation, marker.scale
        numbers = [where.x, where.y, where.z, turn.x, turn.y, turn.z, turn.w, scale.x, scale.y, scale.z]
        numbers += [number for point in marker.points for number in (point.x, point.y, point.z)]
        assert all(abs(number) < FARTHEST_M for number in numbers)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("task", ["cartpole", "husky-goal"])
def test_a_learning_robot_shows_its_goal_and_what_its_model_expects_in_frames_that_are_told(
    task: str, graph_environment: dict[str, str], tmp_path: Path
) -> None:
    config = load_run(task, {"task.agent": "dreamer-cpu"} | TINY | SCHEDULE)
    graph = Graph(graph_environment, namespace(config))
    try:
        links: set[str] = set()

        def hear(message: Any) -> None:
            links.update((message.header.frame_id, message.child_frame_id))

        graph.node.create_subscription(TransformStamped, topics.TRANSFORMS, hear, qos.TRANSFORMS)
        for node in scenario("demo", config, RunFolder.create(config, tmp_path / "run").path, Options(lockstep=True)):
            graph.launch(node)
        viewer, scene = Viewer(graph, topics.MARKERS), Viewer(graph, topics.SCENE)
        graph.until(lambda: {"goal", "way", "ghost"} <= viewer.spaces, PATIENCE_S)
        assert viewer.frames <= links
        if task == "husky-goal":
            graph.until(lambda: "scene" in scene.spaces, PATIENCE_S)
            assert scene.frames == {"world"}
        viewer.close()
        graph.until(lambda: graph.node.count_subscribers(topics.IMAGINED) == 0)
    finally:
        graph.close()
