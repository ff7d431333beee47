"""Control steps per second of the simulated robots: physics alone, and with guard, task and pictures around it.

Run it with `python -m benchmarks.simulator`.
"""

import time
from collections.abc import Callable

import gymnasium
import numpy as np

from benchmarks.report import Row, report
from robot_mbrl.config import RunConfig, load_run, packaged
from robot_mbrl.steps import Action
from sim.fitting import make_robots_world
from sim.in_process import InProcessRobot
from sim.registration import environment_id, register_environments

WARM_UP, STEPS = 100, 2000


def steps_per_s(step: Callable[[], object]) -> float:
    """How often something can be done in a second."""
    for _ in range(WARM_UP):
        step()
    start_s = time.perf_counter()
    for _ in range(STEPS):
        step()
    return STEPS / (time.perf_counter() - start_s)


def physics(config: RunConfig) -> float:
    """The world, advanced by one control period and read; no pictures."""
    world = make_robots_world(config)
    source = next(config.robot.values())[1]

    def step() -> None:
        world.advance(config.step_s)
        world.read(source)

    rate = steps_per_s(step)
    world.close()
    return rate


def robot(config: RunConfig) -> float:
    """The robot in one process: world, sensors, task and guard, which commands at its own, higher rate."""
    robot, rng, spec = InProcessRobot(config), np.random.default_rng(0), config.action_spec()

    def step() -> None:
        values = rng.uniform(-1.0, 1.0, spec.size).astype(np.float32)
        robot.apply(Action(robot.observe().key, values))

    rate = steps_per_s(step)
    robot.close()
    return rate


def environment(task: str) -> float:
    """The same as a Gymnasium environment."""
    register_environments()
    environment = gymnasium.make(environment_id(task))
    environment.reset(seed=0)
    environment.action_space.seed(0)

    def step() -> None:
        *_, terminated, truncated, _ = environment.step(environment.action_space.sample())
        if terminated or truncated:
            environment.reset()

    rate = steps_per_s(step)
    environment.close()
    return rate


def measure(task: str) -> Row:
    """One task."""
    config = load_run(task)
    return {
        "task": task,
        "control rate Hz": config.robot.control_rate_hz,
        "physics alone /s": physics(config),
        "robot in process /s": robot(config),
        "Gymnasium /s": environment(task),
    }


def main() -> None:
    """Measure and report."""
    report("simulator", [measure(task) for task in packaged("tasks") if load_run(task).task.world is not None])


if __name__ == "__main__":
    main()
