"""One update of the learner: world model, imagination, actor, critic, optimiser and slow critic, with sampling.

Run it with `python -m benchmarks.learner_update`. The second size is the one the peers were measured at:
24 observed values, 6 actions, batch 16 x 64, horizon 15 from every state, Reinforce.
"""

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks.peers import sizes
from benchmarks.report import Row, report
from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.learning.learner import Learner
from robot_mbrl.steps import Action, Observation, Step, StepKey

SIZE = {
    **{"deter": sizes.DETER, "hidden": sizes.HIDDEN, "units": sizes.UNITS},
    **{"stoch": sizes.STOCH, "classes": sizes.CLASSES, "blocks": sizes.BLOCKS, "bins": sizes.BINS},
    **{"layers": sizes.LAYERS, "head_layers": sizes.HEAD_LAYERS, "horizon": sizes.HORIZON},
    **{"batch_size": sizes.BATCH, "batch_length": sizes.LENGTH},
}
"""The peers', by the names of the agents' settings."""
PEERS = SIZE | {"bin_limit": 20.0, "imagination_starts": sizes.BATCH * sizes.LENGTH, "actor_gradient": "reinforce"}
STEPS = 2000


def peers_run() -> RunConfig:
    """A run whose robot has the peers' numbers of sensors and joints."""
    run = load_run("cartpole", {f"agent.{name}": value for name, value in PEERS.items()})
    raw = run.model_dump(mode="json")
    value = raw["robot"]["vectors"]["positions"]["elements"][0]
    # Beside what the task judges by, which the agent does not observe.
    raw["robot"]["vectors"]["sensors"] = {
        "source": "joints",
        "elements": [value | {"name": f"sensor_{k}"} for k in range(sizes.OBSERVED)],
    }
    command = raw["robot"]["commands"][0]
    joint = command["joints"][0] | {"position_low": None, "position_high": None}
    command["joints"] = [joint | {"name": f"joint_{k}"} for k in range(sizes.ACTIONS)]
    raw["task"]["observe"] = ["sensors"]
    return RunConfig.model_validate(raw)


def fill(learner: Learner) -> None:
    """A life of random observations and actions."""
    rng = np.random.default_rng(0)
    names = learner.config.observation_spec().element_names
    size = learner.config.action_spec().size
    for index in range(STEPS):
        key = StepKey("session", (index + 1) * learner.step_ns)
        values = dict(zip(names, rng.normal(size=len(names)).tolist(), strict=True))
        observation = Observation(key, values, {}, reward=float(rng.random()), is_first=index % 250 == 0)
        learner.receive(Step(observation, Action(key, rng.uniform(-1, 1, size).astype(np.float32))))


def measure(name: str, config: RunConfig, threads: int, updates: int) -> Row:
    """Duration of updates at one size and number of threads."""
    with tempfile.TemporaryDirectory() as folder:
        learner = Learner(config, Path(folder))
    torch.set_num_threads(threads)
    fill(learner)
    for _ in range(2):
        learner.update()
    durations_s = []
    for _ in range(updates):
        start_s = time.perf_counter()
        learner.update()
        durations_s.append(time.perf_counter() - start_s)
    parameters = learner.agent.size
    return {
        "size": name,
        "parameters": parameters,
        "threads": threads,
        "p50 s": statistics.median(durations_s),
        "fastest s": min(durations_s),
        "updates": updates,
    }


def main() -> None:
    """Measure and report."""
    demo, peers = load_run("cartpole"), peers_run()
    rows = [
        measure("dreamer-cpu, cartpole", demo, 1, 40),
        measure("peers' table", peers, 2, 8),
        measure("peers' table", peers, 1, 5),
    ]
    report("learner_update", rows)


if __name__ == "__main__":
    main()
