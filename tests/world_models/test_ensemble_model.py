"""The ensemble model: windows, predictions and losses, and derivatives against automatic differentiation."""

import math
from typing import Literal

import pytest
import torch
from torch.func import jacrev

from robot_mbrl.world_models.ensemble_model import BOUND, EnsembleModel, Predicted

V, A = 3, 2
each_history = pytest.mark.parametrize("history", [1, 2, 4])
each_likelihood = pytest.mark.parametrize("likelihood", ["deterministic", "gaussian"])


def made(history: int, likelihood: Literal["deterministic", "gaussian"] = "deterministic") -> EnsembleModel:
    torch.manual_seed(0)
    model = EnsembleModel(
        V, A, members=3, history=history, units=8, layers=2, activation="swish", likelihood=likelihood,
        statistics_rate=1e-3,
    ).double()  # fmt: skip
    seen = torch.randn(50, V, dtype=torch.float64) * 3.0 + 1.0
    ones = torch.ones(50, dtype=torch.float64)
    model.observed.measure(seen, ones)
    model.change.measure(0.2 * torch.randn(50, V, dtype=torch.float64) + 0.05, ones)
    return model


@each_history
def test_a_window_moves_on_as_one_made_of_later_observations(history: int) -> None:
    model = made(history)
    observed, actions = torch.randn(5, history + 1, V), torch.randn(5, history, A)
    window = model.window_of(observed[:, :history], actions[:, : history - 1])
    assert window.shape == (5, model.window)
    torch.testing.assert_close(window[:, :V], observed[:, history - 1])
    moved = model.moved(window, actions[:, history - 1], observed[:, history])
    torch.testing.assert_close(moved, model.window_of(observed[:, 1:], actions[:, 1:]))


@each_history
def test_a_first_window_is_as_if_the_robot_had_stood_still(history: int) -> None:
    model = made(history)
    first = torch.randn(1, V)
    still = model.window_of(first.expand(1, history, V), torch.zeros(1, history - 1, A))
    torch.testing.assert_close(model.first_window(first), still)


@each_history
@each_likelihood
def test_each_member_adds_its_own_change_to_the_newest_observation(
    history: int, likelihood: Literal["deterministic", "gaussian"]
) -> None:
    model = made(history, likelihood)
    window, action = (torch.randn(3, 6, n, dtype=torch.float64) for n in (model.window, A))
    following = model.advance(window, action)
    change = model.predict(window, action).mean * model.change.deviation + model.change.mean
    torch.testing.assert_close(following, model.moved(window, action, window[..., :V] + change))
    torch.testing.assert_close(model.target(window[..., :V], following[..., :V]), model.predict(window, action).mean)


@each_history
@each_likelihood
def test_derivatives_in_closed_form_are_those_of_autograd(
    history: int, likelihood: Literal["deterministic", "gaussian"]
) -> None:
    model = made(history, likelihood)
    windows, actions = (torch.randn(6, n, dtype=torch.float64) for n in (model.window, A))
    windows[0, 0] = 100.0 * BOUND  # beyond what is told apart
    arrived, by_window, by_action = model.linearise(windows, actions)

    def following(window: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
        return model.advance(window.expand(3, 1, -1), action.expand(3, 1, -1)).mean(0)[0]

    for index in range(6):
        expected = jacrev(following, argnums=(0, 1))(windows[index], actions[index])
        torch.testing.assert_close(by_window[index], expected[0])
        torch.testing.assert_close(by_action[index], expected[1])
        torch.testing.assert_close(arrived[index], following(windows[index], actions[index]))


def test_the_gaussian_loss_is_twice_the_negative_log_likelihood_and_the_bounds() -> None:
    model = made(1, "gaussian")
    window, action = (torch.randn(3, 6, n, dtype=torch.float64) for n in (model.window, A))
    target, counts = torch.randn(3, 6, V, dtype=torch.float64), torch.ones(3, 6, dtype=torch.float64)
    predicted = model.predict(window, action)
    assert predicted.log_variance is not None
    normal = torch.distributions.Normal(predicted.mean, (0.5 * predicted.log_variance).exp())
    expected = -2.0 * normal.log_prob(target).mean() - math.log(2.0 * math.pi)
    expected = expected + 0.01 * (model.most_log_variance - model.least_log_variance).sum()
    torch.testing.assert_close(model.loss(predicted, target, counts), expected)


@each_likelihood
def test_transitions_that_do_not_count_change_no_loss(likelihood: Literal["deterministic", "gaussian"]) -> None:
    model = made(1, likelihood)
    window, action = (torch.randn(3, 6, n, dtype=torch.float64) for n in (model.window, A))
    target = torch.randn(3, 6, V, dtype=torch.float64)
    counts = torch.ones(3, 6, dtype=torch.float64)
    counts[:, 4:] = 0.0
    predicted = model.predict(window, action)

    def kept(x: torch.Tensor | None) -> torch.Tensor | None:
        return None if x is None else x[:, :4]

    fewer = Predicted(predicted.mean[:, :4], kept(predicted.log_variance))
    expected = model.loss(fewer, target[:, :4], counts[:, :4])
    torch.testing.assert_close(model.loss(predicted, target, counts), expected)


def test_a_gaussian_ensemble_draws_with_its_own_deviation() -> None:
    model = made(2, "gaussian")
    window, action = (torch.randn(3, 6, n, dtype=torch.float64) for n in (model.window, A))
    predicted = model.predict(window, action)
    assert predicted.log_variance is not None
    drawn = model.advance(window, action, torch.ones(3, 1, V, dtype=torch.float64))
    expected = model.advance(window, action)[..., :V] + (0.5 * predicted.log_variance).exp() * model.change.deviation
    torch.testing.assert_close(drawn[..., :V], expected)
    inside = (predicted.log_variance > -10.0) & (predicted.log_variance < 0.5)
    assert inside.all()
