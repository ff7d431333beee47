"""Each robot that moves about over real DDS, in lockstep: simulator, sensors, guard, and its expert as the policy."""

from typing import Any

import numpy as np
import pytest

from robot_mbrl.runs.scenario import Options
from robot_mbrl.specs import Source
from robot_mbrl.tasks.quadruped_walk import posture_terms
from robot_mbrl.variety import Variety
from tests.graph.expert_bench import Bench


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
    bench = make_bench("a1-walk", variety=Variety(randomise=True, push=True))
    bench.live(160)
    assert max(posture_terms(observation.values)[0] for observation in bench.seen) > 0.9
