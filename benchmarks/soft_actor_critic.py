"""What learning without a model takes: Soft Actor-Critic of Stable-Baselines3 on the same robots, judged alike.

Run it with `python -m benchmarks.soft_actor_critic [TASK …] [--seeds 0 1 …]`; it needs the extra `baselines`.
The robot lives as it does for `robot-mbrl train`: the same world, guard, episodes and first random steps; the values
it sees are divided by the scales of its YAML. SAC has its authors' settings, an update a step. Its newest policy is
judged every so many steps from ten starts that the run never trains from; the mark is 8 of 10 solved.

`OUT/sac.json` has the curves, for `robot-mbrl compare --peer OUT/sac.json` to draw beside those of other agents. Seeds
that are done are kept: interrupt it and call it again as you like.
"""

import argparse
import json
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from stable_baselines3 import SAC
from stable_baselines3.common.callbacks import BaseCallback

from benchmarks.report import RESULTS, Row, report
from robot_mbrl.commands.judging import EPISODES, judge, unseen_seed
from robot_mbrl.commands.options import positive_count, seed_number
from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.control.start_policies import RandomPolicy
from robot_mbrl.errors import ConfigError, LatchedError, RobotMbrlError
from robot_mbrl.runs.comparison import SOLVED
from robot_mbrl.runs.episodes import EpisodeResult
from robot_mbrl.runs.folder import read_json, write_json
from robot_mbrl.runs.record import evaluation
from robot_mbrl.steps import Action, Observation
from sim.environment import action_space
from sim.robots import make_robot

METHOD = "SAC"
NETWORK = [256, 256]
"""Hidden layers of actor and critics (Haarnoja et al. 2018)."""


class Life(gymnasium.Env[np.ndarray, np.ndarray]):
    """A robot's life, which goes on across the ends of episodes as its task says: not every robot is put back."""

    def __init__(self, config: RunConfig) -> None:
        """Begin it."""
        self.config = config
        self.action_space = action_space(config.action_spec())
        self.observation_space = spaces.Box(
            -np.inf, np.inf, (len(config.observation_spec().element_names),), np.float32
        )
        self.robot = make_robot(config, seed=config.seed)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """The first observation of the next episode, or the present one of an episode that goes on."""
        if self.robot.observe().is_last:
            self.robot.apply(None)
        return seen(self.config, self.robot.observe()), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Live through one step.

        Raises:
            LatchedError: if the guard has stopped the robot for good.
        """
        self.robot.apply(Action(self.robot.observe().key, action.astype(np.float32)))
        if self.robot.latched:
            raise LatchedError(self.robot.latched)
        arrived = self.robot.observe()
        return (
            seen(self.config, arrived),
            arrived.reward,
            arrived.is_terminal,
            arrived.is_last and not arrived.is_terminal,
            {},
        )

    def close(self) -> None:
        """End it."""
        self.robot.close()


def seen(config: RunConfig, observation: Observation) -> np.ndarray:
    """What SAC sees, (n,): all values, divided by their scales."""
    vectors = config.observation_spec().vectors.values()
    parts = [[observation.values[name] for name in vector.names] / vector.scales for vector in vectors]
    return np.concatenate(parts).astype(np.float32)


class Frozen:
    """SAC's policy without exploration, as whatever drives a robot."""

    def __init__(self, model: SAC, config: RunConfig) -> None:
        self._model, self._config = model, config

    def act(self, observation: Observation, prev_action: np.ndarray | None) -> Action:
        """The action for an observation."""
        action, _ = self._model.predict(seen(self._config, observation), deterministic=True)
        return Action(observation.key, action)


class Judging(BaseCallback):
    """Judges the policy every so many steps of the robot's life.

    Attributes:
        verdicts: control steps, seconds of living and learning, mean return and solved episodes of each.
    """

    def __init__(self, config: RunConfig, steps_before: int, every: int, seconds_before: float) -> None:
        super().__init__()
        self.verdicts: list[dict[str, Any]] = []
        self._config, self._before, self._every = config, steps_before, every
        self._due = math.ceil((steps_before + 1) / every) * every
        self._began_s = time.monotonic() - seconds_before

    def _on_step(self) -> bool:
        steps = self._before + self.num_timesteps
        if steps >= self._due:
            self._due += self._every
            paused_s = time.monotonic()
            results = judge(self._config, Frozen(self.model, self._config), EPISODES, unseen_seed(self._config))
            self.verdicts.append(self._told(steps, paused_s - self._began_s, results))
            self._began_s += time.monotonic() - paused_s
        return True

    def _told(self, steps: int, learning_s: float, results: Sequence[EpisodeResult]) -> dict[str, Any]:
        verdict = evaluation([result.as_metrics() for result in results])
        print(
            f"{self._config.task.name}, seed {self._config.seed}, {steps} steps: mean return "
            f"{verdict['mean_return']:.1f}, {verdict['solved']} of {EPISODES} solved",
            flush=True,
        )
        return {"environment_steps": steps, "learning_s": round(learning_s, 1), **verdict}


def explore(life: Life, model: SAC, steps: int) -> None:
    """Fill the replay with as many random steps as other agents begin with, held as the robot asks."""
    policy = RandomPolicy.for_run(life.config, steps + 1)
    values, _ = life.reset()
    for _ in range(steps):
        requested = policy.act(life.robot.observe(), None)
        assert requested is not None
        following, reward, terminated, truncated, _ = life.step(requested.values)
        info = {"TimeLimit.truncated": truncated}
        done = terminated or truncated
        model.replay_buffer.add(values, following, requested.values, np.array([reward]), np.array([done]), [info])
        values = life.reset()[0] if done else following


def learn(config: RunConfig, steps: int, judge_every: int) -> list[dict[str, Any]]:
    """One robot's life; returns its verdicts.

    Raises:
        ConfigError: if it sees pictures or decides by choices, which this benchmark has no networks for.
        LatchedError: if the guard has stopped the robot for good.
    """
    if config.observation_spec().images or config.action_spec().discrete:
        raise ConfigError(f"{config.task.name}: SAC learns here from values, and decides by values alone")
    prefill = config.agent.prefill_steps
    if steps <= prefill:
        raise ConfigError(f"--steps {steps} are no more than the {prefill} random ones that come first")
    life = Life(config)
    try:
        model = SAC(
            "MlpPolicy", life, seed=config.seed, learning_starts=0, policy_kwargs={"net_arch": NETWORK}, device="cpu"
        )
        began_s = time.monotonic()
        explore(life, model, prefill)
        judging = Judging(config, prefill, judge_every, time.monotonic() - began_s)
        model.learn(steps - prefill, callback=judging)
    finally:
        life.close()
    return judging.verdicts


def row(config: RunConfig, verdicts: Sequence[dict[str, Any]]) -> Row:
    """One seed's line of the table."""
    reached = next((verdict for verdict in verdicts if verdict["solved"] >= SOLVED), None)
    last = verdicts[-1]
    return {
        "task": config.task.name,
        "seed": str(config.seed),
        "steps to the mark": str(reached["environment_steps"]) if reached else "-",
        "learning s to the mark": f"{reached['learning_s']:.0f}" if reached else "-",
        "steps": last["environment_steps"],
        "solved at the end": f"{last['solved']} of {last['episodes']}",
        "return at the end": last["mean_return"],
        "learning s": last["learning_s"],
    }


def peer(config: RunConfig, verdicts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One seed's curve, as `robot-mbrl compare --peer` reads it."""
    return {
        "task": config.task.name,
        "method": METHOD,
        "seed": config.seed,
        "xs": [verdict["environment_steps"] for verdict in verdicts],
        "ys": [verdict["mean_return"] for verdict in verdicts],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, report and write the curves."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.soft_actor_critic",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("tasks", nargs="*", default=["pendulum"], metavar="TASK", help="tasks (default: pendulum)")
    parser.add_argument("--seeds", type=seed_number, nargs="+", default=[0, 1, 2], help="seeds (default 0 1 2)")
    parser.add_argument("--steps", type=positive_count, default=10_000, help="of each life (default %(default)s)")
    parser.add_argument("--judge-every", type=positive_count, default=1_000, help="steps (default %(default)s)")
    default = RESULTS / "soft_actor_critic"
    parser.add_argument(
        "--out", type=Path, default=default, metavar="DIR", help="where the curves go (default: results)"
    )
    args = parser.parse_args(arguments)
    if args.judge_every > args.steps:
        parser.error(f"--judge-every {args.judge_every} is more than --steps {args.steps}: nothing would be judged")
    lives: list[tuple[RunConfig, list[dict[str, Any]]]] = []
    try:
        for config in (load_run(task, seed=seed) for seed in args.seeds for task in args.tasks):
            done = args.out / f"{config.task.name}-{args.steps}-every{args.judge_every}-seed{config.seed}.json"
            if not done.exists():
                done.parent.mkdir(parents=True, exist_ok=True)
                write_json(done, {"verdicts": learn(config, args.steps, args.judge_every)})
            lives.append((config, read_json(done)["verdicts"]))
    except RobotMbrlError as error:
        print(f"soft_actor_critic: {error}", file=sys.stderr)
        return 2
    curves = args.out / "sac.json"
    curves.write_text(json.dumps([peer(*life) for life in lives], indent=1))
    print(f"for `robot-mbrl compare --peer`: {curves}")
    report("soft_actor_critic", [row(*life) for life in lives])
    return 0


if __name__ == "__main__":
    sys.exit(main())
