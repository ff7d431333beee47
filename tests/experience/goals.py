"""Lives of an arm that is told where to bring its tip, for tests of what is learned in hindsight."""

import math

import numpy as np

from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.experience.goals import GoalJudge
from robot_mbrl.experience.replay import Replay
from robot_mbrl.specs import Element, VectorSpec
from robot_mbrl.steps import Action, Observation, Step, StepKey
from robot_mbrl.tasks.reach_target import ReachTarget, tip_m

STEP_NS = 50_000_000


class TellingReach(ReachTarget):
    """The same task, which tells how far there is to go."""

    computes = {"way": VectorSpec(elements=(Element(name="way_left", unit="m"),))}


def goal_config(**changes: object) -> RunConfig:
    """The reacher without a camera that tracks the target: where that is, is its goal."""
    robot = load_run("reacher").robot.model_dump(mode="json")
    bounds = {"unit": "m", "low": -1.0, "high": 1.0, "scale": 0.5}
    elements = [{"name": name, **bounds} for name in ("target_x", "target_y")]
    overrides = {
        "robot.vectors": {"arm": robot["vectors"]["arm"]},
        "task.observe": ["arm"],
        "task.goal": {"target": {"elements": elements}},
    }
    return load_run("reacher", overrides | changes, seed=5)


def make_replay(config: RunConfig, capacity: int = 1000) -> Replay:
    """An empty replay of the run."""
    return Replay(
        config.observation_spec(),
        config.action_spec(),
        capacity,
        step_ns=STEP_NS,
        goal=config.goal_spec(),
        goals=GoalJudge(config),
    )


def make_step(index: int, session: str = "a", *, first: bool = False, last: bool = False) -> Step:
    """Step number `index` of a session: the arm anywhere, a target anywhere, and what the task pays for that."""
    rng = np.random.default_rng([index, ord(session)])
    shoulder, elbow = rng.uniform(-math.pi, math.pi, 2)
    values = {
        **{"shoulder_cos": math.cos(shoulder), "shoulder_sin": math.sin(shoulder), "shoulder_velocity": 0.5},
        **{"elbow_cos": math.cos(elbow), "elbow_sin": math.sin(elbow), "elbow_velocity": -0.5},
        **dict(zip(("target_x", "target_y"), rng.uniform(-0.7, 0.7, 2).tolist(), strict=True)),
    }
    key = StepKey(session, (index + 1) * STEP_NS)
    reward = ReachTarget().judge(values).reward
    observation = Observation(key, values, {}, reward=reward, is_first=first, is_last=last)
    return Step(observation, Action(key, rng.uniform(-1, 1, 2).astype(np.float32)))


def tip_of(step: Step) -> tuple[float, float]:
    """Where the tip was, metres."""
    return tip_m(step.observation.values)
