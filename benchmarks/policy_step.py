"""One control step of a policy: its bundle in ONNX Runtime as the policy node runs it, and the same model in torch.

Run it with `python -m benchmarks.policy_step`. The bundle's step is all of `BundlePolicy.act`: filling the inputs,
drawing the noise, running the graph, checking the action and carrying the state.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from benchmarks.learner_update import peers_run
from benchmarks.report import Row, report
from robot_mbrl.bundles import canary_inputs
from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.control.bundle_file import Bundle, check_bundle
from robot_mbrl.control.bundle_policy import BundlePolicy
from robot_mbrl.learning.learner import Learner
from robot_mbrl.steps import Observation, StepKey

WARM_UP, STEPS = 200, 3000


def time_steps(step: Callable[[], object]) -> np.ndarray:
    """Durations of many calls, milliseconds."""
    for _ in range(WARM_UP):
        step()
    durations_ms = np.empty(STEPS)
    for index in range(STEPS):
        start_s = time.perf_counter()
        step()
        durations_ms[index] = (time.perf_counter() - start_s) * 1e3
    return durations_ms


def bundle_step(config: RunConfig, data: bytes) -> Callable[[], object]:
    """A step of the bundle on the robot."""
    runner = BundlePolicy(check_bundle(Bundle(data, "benchmark"), config))
    spec = config.observation_spec()
    images = {name: np.zeros(image.shape, image.dtype) for name, image in spec.images.items()}
    observation = Observation(StepKey("benchmark", 1), dict.fromkeys(spec.element_names, 0.1), images)
    prev_action = config.action_spec().null()
    return lambda: runner.act(observation, prev_action)


def torch_step(config: RunConfig, learner: Learner) -> Callable[[], object]:
    """The model alone in torch, given its inputs as tensors and one thread."""
    torch.set_num_threads(1)
    policy = learner.agent.policy.eval()
    bundle = Bundle(learner.export(), "benchmark")
    inputs = canary_inputs(bundle.metadata, seed=0)
    arguments = [torch.from_numpy(inputs[name]) for name in policy.input_names]

    def step() -> object:
        with torch.inference_mode():
            return policy(*arguments)

    return step


def measure(name: str, config: RunConfig) -> list[Row]:
    """Both ways of one preset, freshly initialised: weights do not matter to the duration."""
    with tempfile.TemporaryDirectory() as folder:
        learner = Learner(config, Path(folder))
        data = learner.export()
    ways = {"bundle": bundle_step(config, data), "torch eager": torch_step(config, learner)}
    return [row(name, way, len(data), time_steps(step)) for way, step in ways.items()]


def row(name: str, way: str, size_bytes: int, durations_ms: np.ndarray) -> Row:
    """One line of the table."""
    p50, p99 = np.percentile(durations_ms, (50, 99))
    return {
        "policy": name,
        "run by": way,
        "bundle MB": size_bytes / 1e6,
        "p50 ms": float(p50),
        "p99 ms": float(p99),
        "max ms": float(durations_ms.max()),
    }


def main() -> None:
    """Measure and report."""
    runs = {
        "dreamer-cpu, cartpole": load_run("cartpole"),
        "dreamer-cpu, cartpole-image": load_run("cartpole-image"),
        "peers' table": peers_run(),
    }
    report("policy_step", [line for name, config in runs.items() for line in measure(name, config)])


if __name__ == "__main__":
    main()
