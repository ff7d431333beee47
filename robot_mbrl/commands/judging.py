"""Judging a finished policy: in one process, or over the ROS graph in real time; and the expert beside it."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from robot_mbrl.commands.graph import Screen, follow
from robot_mbrl.config import RunConfig
from robot_mbrl.runs.episodes import EpisodeResult, EpisodeTally
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.runs.record import RunRecord, mean
from robot_mbrl.runs.scenario import Options, scenario
from robot_mbrl.runs.supervisor import StopRequest
from robot_mbrl.steps import Action, Observation, Step
from robot_mbrl.variety import NONE, Variety

if TYPE_CHECKING:
    from robot_mbrl.control.start_policies import Policy

EPISODES = 10
"""Starts that a policy is judged from."""
UNSEEN_SEED = 1_000_000
"""Added to a run's seed for starts it has never trained on."""
LATCHED = "the guard has stopped the robot for good, and without a person nothing releases it"
START_UP_S = 60.0
"""How long a busy machine may take to start a scenario's nodes."""


def unseen_seed(config: RunConfig) -> int:
    """Seed of the starts that a run is judged from."""
    return config.seed + UNSEEN_SEED


def judge_policy(
    config: RunConfig, bundle: Path, episodes: int, seed: int, *, variety: Variety = NONE
) -> list[dict[str, Any]]:
    """Let a policy drive in this process, frozen, in evaluate mode.

    Args:
        config: the run.
        bundle: its policy.
        episodes: how many episodes to judge.
        seed: of the starts.
        variety: how the simulated world differs from what it is built as.

    Returns:
        A line of metrics per episode.

    Raises:
        BundleError: if the bundle is damaged or does not fit the run.
    """
    # Not at the top: the command line must start without ONNX Runtime, which is an extra.
    from robot_mbrl.control.bundle_file import load_bundle
    from robot_mbrl.control.bundle_policy import BundlePolicy

    policy = BundlePolicy(load_bundle(bundle, config), seed)
    results = judge(config, policy, episodes, seed, variety=variety)
    return [result.as_metrics() for result in results]


def judge_expert(config: RunConfig, episodes: int, seed: int, *, variety: Variety = NONE) -> float | None:
    """Mean return of the task's scripted expert from the same starts; None if the task has none."""
    if config.task.is_public:
        return None
    from sim.experts import EXPERTS

    make_expert = EXPERTS.get(config.task.task or "")
    if make_expert is None:
        return None
    expert = _Scripted(make_expert(config.robot).act)
    results = judge(config, expert, episodes, seed, variety=variety)
    return mean([result.total_reward for result in results])


class _Scripted:
    """A policy that decides by the measured values alone."""

    def __init__(self, act: Callable[[Mapping[str, float]], np.ndarray]) -> None:
        self._act = act

    def act(self, observation: Observation, prev_action: np.ndarray | None) -> Action:
        return Action(observation.key, self._act(observation.values))


def judge(
    config: RunConfig, policy: "Policy", episodes: int, seed: int, *, variety: Variety = NONE
) -> list[EpisodeResult]:
    """Let anything that decides drive in this process, in evaluate mode.

    Args:
        config: the run.
        policy: what drives.
        episodes: how many episodes to judge.
        seed: of the starts.
        variety: how the simulated world differs from what it is built as.
    """
    # Simulators are put together with the library by commands only, and only when they are needed.
    from robot_mbrl.control.policy_runner import PolicyRunner
    from sim.robots import make_robot

    robot = make_robot(config, seed=seed, evaluate=True, variety=variety)
    runner = PolicyRunner(config, policy, grace_s=0.0)
    tally = EpisodeTally(config.task.episode_steps)
    results: list[EpisodeResult] = []
    while len(results) < episodes:
        observation = robot.observe()
        runner.observed(observation, now_s=0.0)
        applied = robot.apply(runner.requested_action(now_s=0.0))
        runner.applied(applied)
        if (result := tally.take(Step(observation, applied))) is not None:
            results.append(result)
    if robot.latched:
        # What it stood still for is no verdict on the policy alone.
        print(f"robot-mbrl: {LATCHED}: {robot.latched}", file=sys.stderr)
    robot.close()
    return results


def judge_over_graph(
    config: RunConfig,
    folder: RunFolder,
    environment: Mapping[str, str],
    *,
    episodes: int,
    options: Options,
    screen: Screen,
    stop: StopRequest,
) -> list[dict[str, Any]]:
    """Let the exported policy drive over the graph, frozen, in evaluate mode.

    Args:
        config: the run.
        folder: its folder, with `policy.onnx` in it.
        environment: the nodes' variables.
        episodes: how many episodes to judge.
        options: speed, and the seed of the starts.
        screen: where to show it.
        stop: ends it when requested.

    Returns:
        A line of metrics per episode; fewer than asked for if it was stopped or took too long.
    """
    folder.evaluation.unlink(missing_ok=True)
    expected_s = episodes * config.task.episode_steps * config.step_s / options.speed

    def done(record: RunRecord, elapsed_s: float) -> bool:
        return len(record.episodes) >= episodes or elapsed_s > 2.0 * expected_s + START_UP_S

    record, _ = follow(
        scenario("evaluate", config, folder.path, options),
        folder,
        dict(environment),
        folder.evaluation,
        title=f"{config.task.name}: judging the frozen policy",
        duration_s=expected_s,
        screen=screen,
        stop=stop,
        on_update=done,
    )
    return record.episodes[:episodes]
