"""This project's DreamerV3 at the peers' size, as a stopwatch; see `benchmarks.beside_peers`."""

import tempfile
from pathlib import Path

from benchmarks.learner_update import SIZE, fill, peers_run
from benchmarks.peers import sizes
from benchmarks.peers.stopwatch import serve
from robot_mbrl.config import RunConfig
from robot_mbrl.learning.learner import Learner


def ours() -> RunConfig:
    """A run with the peers' robot and `dreamerv3` at their size; all else is as published."""
    agent = SIZE | {"family": "dreamerv3", "prior_layers": sizes.PRIOR_LAYERS}
    return RunConfig.model_validate(peers_run().model_dump(mode="json") | {"agent": agent})


def main() -> None:
    """Make updates on request: each with its draw from replay, and the latents that replay remembers of it."""
    with tempfile.TemporaryDirectory() as folder:
        learner = Learner(ours(), Path(folder))
    fill(learner)
    serve({"name": "robot-mbrl", "parameters": learner.agent.size}, learner.update)


if __name__ == "__main__":
    main()
