"""What cannot be learned from is a metric, and is said once in a sentence."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from robot_mbrl.agents.imagining_agent import ImaginingAgent
from robot_mbrl.learning.live import LiveLearner
from tests.learning.test_live import CONFIG, make_step


class Life:
    """A live learner and what it said."""

    def __init__(self, folder: Path) -> None:
        self.said: list[str] = []
        self.live = LiveLearner(CONFIG, folder, self.said.append)

    def live_through(self, indices: range, *, reward: float = 0.5, position: float = 0.0) -> dict[str, float]:
        for index in indices:
            step = make_step(index)
            values = step.observation.values | {"cart_position": position}
            self.live.receive(replace(step, observation=replace(step.observation, reward=reward, values=values)))
            while self.live.busy:
                self.live.learner.update()
        return self.live.metrics()

    def warnings(self, about: str) -> list[str]:
        return [sentence for sentence in self.said if about in sentence]


@pytest.fixture
def life(tmp_path: Path) -> Life:
    return Life(tmp_path)


def test_nothing_is_said_of_ordinary_experience(life: Life) -> None:
    metrics = life.live_through(range(30))
    assert (metrics["returns_beyond_critic"], metrics["values_clamped"]) == (0.0, 0.0)
    assert life.live.caution == ""
    assert len(life.said) == 1  # that the run began


def test_rewards_that_are_not_finite_are_named_once(life: Life) -> None:
    for number, reward in enumerate((math.nan, math.inf, 1e39), 1):
        metrics = life.live_through(range(10 * number, 10 * number + 10), reward=reward)
        assert (metrics["not_finite_steps"], metrics["not_finite.reward"]) == (10.0 * number, 10.0 * number)
        assert f"{10 * number} so far" in life.live.caution
    assert metrics["replay_steps"] == 0.0
    (sentence,) = life.warnings("reward")
    assert "look after the task" in sentence
    life.live_through(range(40, 42))
    assert life.live.caution == ""


def test_values_far_beyond_their_scale_are_named_once(life: Life) -> None:
    metrics = life.live_through(range(30), position=1e6)
    assert metrics["values_clamped"] == pytest.approx(1 / 5)  # one value of five, always
    life.live_through(range(30, 32), position=1e6)
    assert len(life.warnings("correct the scales of the vectors")) == 1


def test_returns_that_the_critic_cannot_represent_are_named_once(life: Life) -> None:
    assert isinstance(life.live.learner.agent, ImaginingAgent)
    with torch.no_grad():  # as learned from rewards of this size
        life.live.learner.agent.networks.model.reward.network.last.bias.fill_(-1000.0)
    metrics = life.live_through(range(30))
    assert metrics["returns_beyond_critic"] > 0.99
    life.live_through(range(30, 32))
    (sentence,) = life.warnings("the critic cannot represent the returns")
    assert "it ends at ±147" in sentence
