"""A learner of several tasks: opposite ones by the same weights, and after a resume it is what it was, bit for bit."""

from pathlib import Path

import numpy as np
import pytest
import torch

from robot_mbrl.control.bundle_file import load_bundle
from robot_mbrl.control.bundle_policy import BundlePolicy
from robot_mbrl.control.policy_runner import PolicyRunner
from robot_mbrl.control.start_policies import Policy, RandomPolicy
from robot_mbrl.errors import CheckpointError
from robot_mbrl.learning.learner import Learner
from robot_mbrl.learning.state_tree import split
from robot_mbrl.learning.synchronous import SynchronousTraining
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.several import load_several
from robot_mbrl.steps import Step
from sim.robots_in_turn import RobotsInTurn
from tests.leaning import write_tasks

SMALL = {
    **{"task.episode_steps": 15, "agent.prefill_steps": 30, "agent.pretrain_updates": 2, "agent.device": "cpu"},
    **{f"agent.{size}": 8 for size in ("deter", "hidden", "units", "batch_length")},
    **{f"agent.{size}": 4 for size in ("stoch", "batch_size")},
    "agent.replay_capacity": 1000,
}
RUN = load_several("pendulum+reacher", SMALL)


def live(learner: Learner, robots: RobotsInTurn, steps: int) -> None:
    policy = RandomPolicy.for_run(RUN, limit_steps=10_000)
    for _ in range(steps):
        seen = robots.observe()
        learner.receive(Step(seen, robots.apply(None if seen.is_last else policy.act(seen, None))))


def same(one: Learner, other: Learner) -> bool:
    (tree, tensors), (other_tree, others) = (split(each.agent.state_dict()) for each in (one, other))
    return tree == other_tree and all(torch.equal(tensor, others[name]) for name, tensor in tensors.items())


def test_updates_after_a_resume_equal_those_without_it_bit_for_bit(tmp_path: Path) -> None:
    robots = RobotsInTurn(RUN)
    learner = Learner(RUN, tmp_path)
    live(learner, robots, 80)
    for _ in range(3):
        learner.update()
    learner.save()
    resumed = Learner.resume(RUN, tmp_path)
    before = split(learner.agent.state_dict())[1]["model.reward.network.outputs.layers.0.weight"].clone()
    for each in (learner, resumed):
        for _ in range(5):
            each.update()
    assert same(learner, resumed)
    assert not torch.equal(before, split(learner.agent.state_dict())[1]["model.reward.network.outputs.layers.0.weight"])
    assert (resumed.updates, resumed.robot_steps, resumed.owed) == (learner.updates, learner.robot_steps, learner.owed)
    robots.close()


def test_replay_holds_every_tasks_steps_with_zeros_where_a_task_has_nothing(tmp_path: Path) -> None:
    robots = RobotsInTurn(RUN)
    learner = Learner(RUN, tmp_path)
    live(learner, robots, 4 * 16)
    rows = learner.replay.read(np.arange(4 * 16))
    which = rows["observation.task"]
    assert which.sum(0).tolist() == [32.0, 32.0]
    pendulum = which[:, 0] == 1.0
    assert not rows["observation.values"][pendulum][:, 3:].any()
    assert not rows["observation.values"][~pendulum][:, :3].any()
    assert rows["observation.values"][~pendulum][:, 3:].any(0).all()
    assert not rows["action"][pendulum][:, 1].any()
    assert rows["action"][~pendulum][:, 1].any()
    assert int(rows["is_first"].sum()) == 4
    robots.close()


def test_weights_of_some_tasks_are_not_taken_for_those_of_others(tmp_path: Path) -> None:
    robots = RobotsInTurn(RUN)
    learner = Learner(RUN, tmp_path)
    live(learner, robots, 40)
    learner.save()
    robots.close()
    with pytest.raises(CheckpointError, match="task_reacher"):
        Learner.resume(load_several("pendulum+cartpole", SMALL), tmp_path)


EPISODE = 40
LEARNING = {
    **{f"agent.{size}": 32 for size in ("deter", "hidden", "units")},
    **{"agent.stoch": 8, "agent.batch_size": 16, "agent.batch_length": 10, "agent.prefill_steps": 400},
    **{"agent.horizon": 6, "agent.candidates": 32, "agent.iterations": 2, "agent.elites": 6},
    **{"agent.pretrain_updates": 60, "agent.updates_per_episode": 15, "agent.export_period_s": 10},
    **{"agent.replay_capacity": 5000, "agent.device": "cpu", "task.evaluate_every": 0},
}


def returns(steps: list[Step]) -> dict[str, list[float]]:
    """Those of the episodes of each task, in order."""
    found: dict[str, list[float]] = {"left": [], "right": []}
    for step in steps:
        seen = step.observation
        of_task = found["left" if seen.values["task_left"] else "right"]
        if seen.is_first:
            of_task.append(0.0)
        else:
            of_task[-1] += seen.reward
    return found


def test_two_tasks_that_want_opposite_actions_are_learned_by_one_set_of_weights(tmp_path: Path) -> None:
    run = load_several(write_tasks(tmp_path, EPISODE), LEARNING)
    robots = RobotsInTurn(run)
    training = SynchronousTraining(run, RunFolder.create(run, tmp_path / "run"), robots)
    list(training.run(1100))
    training.close()
    robots.close()

    def judge(policy: Policy) -> dict[str, list[float]]:
        frozen = RobotsInTurn(run, seed=100, evaluate=True)
        runner = PolicyRunner(run, policy, grace_s=0.0)
        lived = []
        for _ in range(8 * (EPISODE + 1)):
            seen = frozen.observe()
            runner.observed(seen, 0.0)
            lived.append(Step(seen, frozen.apply(runner.requested_action(0.0))))
            runner.applied(lived[-1].action)
        frozen.close()
        return returns(lived)

    learned = judge(BundlePolicy(load_bundle(tmp_path / "run" / "policy.onnx", run), seed=0))
    at_random = judge(RandomPolicy.for_run(run, limit_steps=10_000))
    for task in ("left", "right"):
        # From the same starts. Whoever leans to one side in both tasks would lose in one what is won in the other.
        assert len(learned[task]) == 4
        assert min(learned[task]) > 0.15 * EPISODE
        assert np.mean(learned[task]) > max(at_random[task])
