"""Control steps per second of the simulated robots: physics alone, and with guard, task and pictures around it.

Run it with `python -m benchmarks.simulator`; what is being measured goes to standard error. No figure takes more than
some seconds of the processor's, however slow the world.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable

import gymnasium
import numpy as np

from benchmarks.report import Row, report
from robot_mbrl.config import RunConfig, load_run, packaged
from robot_mbrl.sensor_config import IMAGE_TYPES
from robot_mbrl.steps import Action
from sim.fitting import make_robots_world
from sim.in_process import InProcessRobot
from sim.registration import environment_id, register_environments

WARM_UP_S, WINDOW_S, WINDOWS = 0.3, 0.5, 5
"""Of the processor's time; the best of the windows counts, since what else runs on a machine slows down every other."""
MILLISECONDS = 1000.0


def steps_per_s(step: Callable[[], object]) -> float:
    """How often something can be done in a second of the processor's, which other work on the machine does not take."""
    _rate(step, WARM_UP_S)
    return max(_rate(step, WINDOW_S) for _ in range(WINDOWS))


def _rate(step: Callable[[], object], window_s: float) -> float:
    """The same over so long, and one step at least."""
    start_s, steps = time.process_time(), 0
    while (elapsed_s := time.process_time() - start_s) < window_s:
        step()
        steps += 1
    return steps / elapsed_s


def physics(config: RunConfig) -> float:
    """The world, advanced by one control period and read; no pictures, nor what is found in them."""
    world, robot = make_robots_world(config), config.robot
    # Where it is loaded, a robot may stand in the ground, with more contacts than it ever has.
    world.reset(np.random.default_rng(0))
    sources = [name for name, s in robot.sources.items() if s.type not in IMAGE_TYPES and name not in robot.trackers]

    def step() -> None:
        world.advance(config.step_s)
        for source in sources:
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


def reset_ms(config: RunConfig) -> float:
    """Putting the world at another start."""
    world, rng = make_robots_world(config), np.random.default_rng(0)
    rate = steps_per_s(lambda: world.reset(rng))
    world.close()
    return MILLISECONDS / rate


def picture_ms(config: RunConfig) -> float:
    """A picture of 64x64 by the world's camera."""
    world = make_robots_world(config)
    rate = steps_per_s(lambda: world.render("camera"))
    world.close()
    return MILLISECONDS / rate


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
    row: dict[str, str | float | int] = {
        "task": task,
        "control rate Hz": config.robot.control_rate_hz,
        "world": config.task.world or "",
    }
    figures: dict[str, Callable[[], float]] = {
        "physics alone /s": lambda: physics(config),
        "robot in process /s": lambda: robot(config),
        "Gymnasium /s": lambda: environment(task),
        "reset ms": lambda: reset_ms(config),
        "picture 64x64 ms": lambda: picture_ms(config),
    }
    for name, figure in figures.items():
        print(f"{task}: {name} ...", end=" ", file=sys.stderr, flush=True)
        row[name] = figure()
        print(f"{row[name]:.3g}", file=sys.stderr, flush=True)
    return row


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulator", description=__doc__)
    parser.add_argument("tasks", nargs="*", metavar="TASK", help="packaged tasks (default: all that can be simulated)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    tasks = args.tasks or [task for task in packaged("tasks") if load_run(task).task.world is not None]
    rows = [measure(task) for task in tasks]
    if args.json:
        print(json.dumps(rows))
    else:
        report("simulator", rows)


if __name__ == "__main__":
    main()
