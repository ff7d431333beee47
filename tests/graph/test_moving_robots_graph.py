"""Each robot that moves about over real DDS, in lockstep: simulator, sensors, guard, and its expert as the policy."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sensor_msgs.msg import JointState
from std_msgs.msg import String

from robot_mbrl import messages, topics
from robot_mbrl.config import load_run, save_run
from robot_mbrl.runs.scenario import Options, namespace, scenario
from robot_mbrl.specs import Source
from robot_mbrl.steps import Action
from robot_mbrl.tasks.quadruped_walk import posture_terms
from ros_nodes import qos
from sim.displays import read_poses
from sim.experts import EXPERTS
from tests.graph.graph import Graph

PATIENCE_S = 300.0
"""Hundreds of steps, each through five processes, on a busy machine."""


class Bench:
    """The graph of a robot whose policy is its expert, in the test's own node."""

    def __init__(self, name: str, folder: Path, environment: dict[str, str], options: Options) -> None:
        self.config = load_run(name)
        self.graph = Graph(environment, namespace(self.config))
        self.seen: list[Any] = []
        self.sources: list[Source] = []
        self._expert = EXPERTS[str(self.config.task.task)](self.config.robot)
        node = self.graph.node
        self._actions = node.create_publisher(JointState, topics.ACTION, qos.ACTION)
        node.create_subscription(JointState, topics.OBSERVATION, self._on_observation, qos.LIVE)
        node.create_subscription(JointState, topics.APPLIED_ACTION, self._on_applied, qos.LIVE)
        save_run(self.config, folder / "config.yaml")
        for process in scenario("evaluate", self.config, folder, options):
            if process.name not in ("policy", "monitor"):
                self.graph.launch(process)

    def live(self, steps: int) -> None:
        """Until so many actions were applied."""
        self.graph.until(lambda: len(self.sources) >= steps, PATIENCE_S)

    def _on_observation(self, message: Any) -> None:
        observation = messages.read_observation(message)
        self.seen.append(observation)
        if not observation.is_last:
            action = JointState()
            wanted = Action(observation.key, np.asarray(self._expert.act(observation.values), np.float32))
            messages.write_action(action, wanted, self.config.action_spec())
            self._actions.publish(action)

    def _on_applied(self, message: Any) -> None:
        self.sources.append(messages.read_action(message, self.config.action_spec()).source)


@pytest.fixture
def make_bench(tmp_path, graph_environment):
    benches = []

    def make(name: str, **options: Any) -> Bench:
        benches.append(Bench(name, tmp_path, graph_environment, Options(lockstep=True, **options)))
        return benches[-1]

    yield make
    for bench in benches:
        bench.graph.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "steps"), [("a1-walk", 200), ("go2-walk", 100), ("husky-goal", 200), ("sphero-navigate", 100)]
)
def test_expert_drives_the_robot_over_dds(name, steps, make_bench):
    bench = make_bench(name)
    bench.live(steps)
    driven = bench.sources.count(Source.POLICY)
    assert driven >= 0.9 * len(bench.sources), "the guard lets it drive after its first steps"
    rewards = [observation.reward for observation in bench.seen]
    assert np.mean(rewards[-20:]) > np.mean(rewards[1:21])


@pytest.mark.slow
def test_a1_stands_up_over_dds_while_it_is_pushed_in_a_world_that_varies(make_bench):
    bench = make_bench("a1-walk", randomise=True, push=True)
    bench.live(160)
    assert max(posture_terms(observation.values)[0] for observation in bench.seen) > 0.9


def test_displays_are_told_where_the_robot_is(make_bench):
    bench = make_bench("husky-goal")
    told, described = [], []
    node = bench.graph.node
    node.create_subscription(
        JointState, topics.POSES, lambda m: told.append(read_poses(m.name, m.position)), qos.EVENTS
    )
    node.create_subscription(String, topics.ROBOT_DESCRIPTION, lambda m: described.append(m.data), qos.LATCHED)
    bench.live(20)
    bench.graph.until(lambda: bool(told and described))
    values = bench.seen[-1].values
    place, _ = told[-1]["base"]
    assert place[:2] == pytest.approx((values["x"], values["y"]), abs=0.3)
    assert "goal" in told[-1]
    assert '<robot name="husky">' in described[0]
