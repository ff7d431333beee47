"""Rewards in replay: what is absurd is bounded and named, and what is only large is left alone."""

import dataclasses

import numpy as np
import pytest

from robot_mbrl.experience.replay import Replay
from tests.experience.lived import ACTION, OBSERVATION, STEP_NS, make_replay, make_step


class TestRewards:
    def pay(self, replay: Replay, rewards: list[float]) -> np.ndarray:
        """The rewards of all rows after these were paid."""
        for reward in rewards:
            step = make_step(replay.total)
            observation = dataclasses.replace(step.observation, reward=reward)
            assert replay.append(dataclasses.replace(step, observation=observation))
        return replay.read(np.arange(replay.total))["reward"]

    def test_one_that_is_absurd_is_bounded_counted_and_named(self):
        replay, rng = make_replay(2000), np.random.default_rng(0)
        rewards = rng.uniform(0, 1, 1500)
        rewards[700] = 1e6
        found = self.pay(replay, rewards.tolist())
        assert found[700] == 100.0
        assert (np.delete(found, 700) == np.delete(rewards, 700).astype(np.float32)).all()
        assert replay.figures["bounded_rewards"] == 1
        assert "1 of the rewards in replay are beyond ±100" in replay.warnings["reward"]

    @pytest.mark.parametrize("scale", [1e-3, 1.0, 16.0, 1e4])
    def test_those_of_a_task_that_pays_in_another_currency_are_left_alone(self, scale):
        rewards = (-scale * np.random.default_rng(0).uniform(0, 1, 1500)).astype(np.float32)
        replay = make_replay(2000)
        assert (self.pay(replay, rewards.tolist()) == rewards).all()
        assert not replay.warnings

    def test_a_rare_bonus_beside_small_ones_is_left_alone(self):
        rewards = [0.001] * 500 + [50.0]
        assert self.pay(make_replay(), rewards)[-1] == 50.0

    def test_the_scale_that_the_task_gives_decides(self):
        replay = Replay(OBSERVATION, ACTION, 1000, step_ns=STEP_NS, reward_scale=0.1)
        assert self.pay(replay, [1.0] * 200 + [9.0, 11.0])[-3:].tolist() == [1.0, 9.0, 10.0]
