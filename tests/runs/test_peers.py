"""Published curves are found by task, averaged over seeds, and what cannot be read is named."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from robot_mbrl.errors import ConfigError
from robot_mbrl.runs.peers import read_peers, task_key

RUNS = [
    {"task": "dmc_walker_walk", "method": "dreamerv3", "seed": 0, "xs": [10, 20, 30], "ys": [0, 100, 200]},
    {"task": "dmc_walker_walk", "method": "dreamerv3", "seed": 1, "xs": [20, 30], "ys": [300, 400]},
    {"task": "dmc_cheetah_run", "method": "dreamerv3", "xs": [10], "ys": [1]},
]


@pytest.mark.parametrize(
    "name", ["gym:dm_control/walker-walk-v0", "dmc_walker_walk", "dmc_proprio_walker_walk", "walker_walk"]
)
def test_one_task_has_many_names(name: str):
    assert task_key(name) == "walker_walk"


def test_different_tasks_stay_apart():
    assert task_key("gym:dm_control/cartpole-swingup_sparse-v0") != task_key("gym:dm_control/cartpole-swingup-v0")


@pytest.mark.parametrize("ending", [".json", ".json.gz"])
def test_curves_are_means_over_the_seeds_that_reach_so_far(tmp_path: Path, ending: str):
    path = tmp_path / f"scores{ending}"
    content = json.dumps(RUNS).encode()
    path.write_bytes(gzip.compress(content) if ending.endswith("gz") else content)
    (peer,) = read_peers(path, ["gym:dm_control/walker-walk-v0"])
    assert (peer.method, peer.steps.tolist(), peer.returns.tolist()) == ("dreamerv3", [10, 20, 30], [0, 200, 300])


@pytest.mark.parametrize("content", ["{}", "[{}]", "nothing", '[{"task": "x", "method": "y", "xs": 1}]'])
def test_what_is_no_such_file_is_named(tmp_path: Path, content: str):
    path = tmp_path / "scores.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match="cannot be read as published curves"):
        read_peers(path, ["x"])


def test_a_file_without_the_task_says_what_it_has(tmp_path: Path):
    path = tmp_path / "scores.json"
    path.write_text(json.dumps(RUNS))
    with pytest.raises(ConfigError, match="has curves of dmc_cheetah_run, dmc_walker_walk"):
        read_peers(path, ["cartpole"])


def test_the_published_means_that_come_with_the_benchmarks_can_be_read():
    path = Path(__file__).parents[2] / "benchmarks" / "peers" / "dmc-proprio.json"
    peers = read_peers(path, ["gym:dm_control/cartpole-swingup-v0"])
    assert {peer.method for peer in peers} == {"DreamerV3", "DMPO"}
    (dreamer,) = (peer for peer in peers if peer.method == "DreamerV3")
    assert np.interp(40_000, dreamer.steps, dreamer.returns) == 293
