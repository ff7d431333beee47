"""An ensemble that predicts how observed vectors change in a step (Nagabandi et al. 2017; PETS, Chua et al. 2018).

What it predicts from is a window: the newest observation, those before it, and the actions between them, so that what
one observation does not show, such as a velocity, can be told from several.

Shapes: E members, B batch, V observed values, A action, N observations in a window, W = N V + (N - 1) A its size.
"""

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robot_mbrl.nets.ensembles import Activation, EnsembleMLP
from robot_mbrl.nets.standardising import Standardiser

BOUND = 10.0
"""Deviations beyond which values and differences say no more than that they are far out: a glitch of a sensor must not
blow up squared errors, nor a plan that leaves what is known the cost of its states."""
BOUNDS_WEIGHT = 0.01
"""Weight of the loss that pulls the bounds of the predicted variance together (PETS)."""
FIRST_BOUNDS = (-10.0, 0.5)
"""Bounds that a predicted logarithm of the variance has at first (PETS)."""

Likelihood = Literal["deterministic", "gaussian"]


class Predicted(NamedTuple):
    """Standardised differences to the next observation, (E, B, V)."""

    mean: Tensor
    log_variance: Tensor | None
    """None of a deterministic ensemble."""


class EnsembleModel(nn.Module):
    """Predicts the standardised difference of observations, with each member by itself."""

    def __init__(
        self,
        values: int,
        actions: int,
        *,
        members: int,
        history: int,
        units: int,
        layers: int,
        activation: Activation,
        likelihood: Likelihood,
        statistics_rate: float,
    ) -> None:
        """Make the networks.

        Args:
            values: V.
            actions: A.
            members: E.
            history: N.
            units: width of each member.
            layers: hidden layers of each member.
            activation: what follows each of them.
            likelihood: whether a variance is predicted, too.
            statistics_rate: see `Standardiser`.
        """
        super().__init__()
        self.values, self.actions, self.history, self.members = values, actions, history, members
        self.window = history * values + (history - 1) * actions
        self.gaussian = likelihood == "gaussian"
        outputs = 2 * values if self.gaussian else values
        self.network = EnsembleMLP(members, self.window + actions, outputs, units, layers, activation)
        self.observed = Standardiser(values, statistics_rate)
        self.change = Standardiser(values, statistics_rate)
        if self.gaussian:
            low, high = FIRST_BOUNDS
            self.least_log_variance = nn.Parameter(torch.full((values,), low))
            self.most_log_variance = nn.Parameter(torch.full((values,), high))

    def predict(self, window: Tensor, action: Tensor) -> Predicted:
        """What each member expects of windows (E, B, W) and actions (E, B, A)."""
        return self._predicted(self.network(self._input(window, action)))

    def loss(self, predicted: Predicted, target: Tensor, weights: Tensor) -> Tensor:
        """Squared error, or for a Gaussian ensemble twice the negative log-likelihood with the loss of the bounds.

        Args:
            predicted: what was expected.
            target: standardised differences that came, (E, B, V).
            weights: (E, B), 0 for those that do not count.
        """
        error = (predicted.mean - target).square()
        share = (weights / weights.sum().clamp(min=1.0)).unsqueeze(-1)
        if predicted.log_variance is None:
            squared: Tensor = (share * error).sum() / self.values
            return squared
        surprise = (-predicted.log_variance).exp() * error + predicted.log_variance
        bounds = (self.most_log_variance - self.least_log_variance).sum()
        likelihood: Tensor = (share * surprise).sum() / self.values + BOUNDS_WEIGHT * bounds
        return likelihood

    def target(self, before: Tensor, after: Tensor) -> Tensor:
        """Standardised differences (..., V) between observations (..., V)."""
        standardised: Tensor = self.change(after - before)
        return standardised.clamp(-BOUND, BOUND)

    def advance(self, window: Tensor, action: Tensor, noise: Tensor | None = None) -> Tensor:
        """The windows (E, B, W) after windows (E, B, W) and actions (E, B, A).

        Args:
            window: each member's own.
            action: what is done.
            noise: standard normal, broadcasting to (E, B, V): a Gaussian ensemble draws with it; None for the mean.
        """
        predicted = self.predict(window, action)
        difference = predicted.mean
        if noise is not None and predicted.log_variance is not None:
            difference = difference + (0.5 * predicted.log_variance).exp() * noise
        change = difference.clamp(-BOUND, BOUND) * self.change.deviation + self.change.mean
        return self.moved(window, action, window[..., : self.values] + change)

    def moved(self, window: Tensor, action: Tensor, observed: Tensor) -> Tensor:
        """The window (..., W) after an action (..., A) has led from a window (..., W) to an observation (..., V)."""
        if self.history == 1:
            return observed
        size = self.history * self.values
        return torch.cat(
            [observed, window[..., : size - self.values], action, window[..., size : self.window - self.actions]], -1
        )

    def first_window(self, observed: Tensor) -> Tensor:
        """The window (..., W) at a start: as if the observation (..., V) had stood still, and nothing been done."""
        actions = observed.new_zeros(*observed.shape[:-1], (self.history - 1) * self.actions)
        return torch.cat([*[observed] * self.history, actions], -1)

    def window_of(self, observed: Tensor, actions: Tensor) -> Tensor:
        """The window (..., W) of observations (..., N, V) and the actions between, (..., N - 1, A), oldest first."""
        return torch.cat([observed.flip(-2).flatten(-2), actions.flip(-2).flatten(-2)], -1)

    def linearise(self, window: Tensor, action: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The mean over the members of what follows windows (B, W) and actions (B, A), and its derivatives.

        Returns:
            Windows (B, W); their derivative by the windows before, (B, W, W); and by the actions, (B, W, A).
        """
        windows, actions = (x.expand(self.members, *x.shape) for x in (window, action))
        inputs = self._input(windows, actions)
        out, jacobian = self.network.with_jacobian(inputs)
        mean, jacobian = out[..., : self.values], jacobian[..., : self.values, :]
        size = self.history * self.values
        # Standardised and bounded inputs: the derivative is 0 beyond the bounds.
        slope = (inputs[..., :size].abs() < BOUND) / self.observed.deviation.repeat(self.history)
        slope = torch.cat([slope, torch.ones_like(inputs[..., size:])], -1)  # (E, B, W + A)
        within = (mean.abs() < BOUND).unsqueeze(-1)
        jacobian = (within * self.change.deviation.unsqueeze(-1) * jacobian * slope.unsqueeze(-2)).mean(0)
        change = (mean.clamp(-BOUND, BOUND) * self.change.deviation + self.change.mean).mean(0)
        arrived = self.moved(window, action, window[..., : self.values] + change)
        # All but the newest observation moves on as it is, which is linear.
        units = torch.eye(self.window + self.actions, dtype=window.dtype, device=window.device)
        windows, actions = units[:, : self.window], units[:, self.window :]
        kept = self.moved(windows, actions, torch.zeros_like(windows[:, : self.values]))  # (W + A, W)
        return arrived, *self._derivatives(jacobian, kept)

    def _derivatives(self, jacobian: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
        """Derivatives (B, W, W) and (B, W, A) of the next window.

        Args:
            jacobian: of the change, by what the network reads, (B, V, W + A).
            kept: what each element of window and action becomes by moving on alone, (W + A, W).
        """
        newest = torch.eye(self.values, self.window + self.actions, dtype=jacobian.dtype, device=jacobian.device)
        moved = kept.mT[self.values :].expand(jacobian.shape[0], -1, -1)  # (B, W - V, W + A)
        whole = torch.cat([newest + jacobian, moved], 1)  # (B, W, W + A)
        return whole[..., : self.window], whole[..., self.window :]

    def _input(self, window: Tensor, action: Tensor) -> Tensor:
        """What the network reads, (E, B, W + A)."""
        size = self.history * self.values
        observed = window[..., :size].reshape(*window.shape[:-1], self.history, self.values)
        standardised = self.observed(observed).clamp(-BOUND, BOUND).flatten(-2)
        return torch.cat([standardised, window[..., size:], action], -1)

    def _predicted(self, out: Tensor) -> Predicted:
        if not self.gaussian:
            return Predicted(out, None)
        mean, raw = out.chunk(2, -1)
        raw = self.most_log_variance - F.softplus(self.most_log_variance - raw)
        return Predicted(mean, self.least_log_variance + F.softplus(raw - self.least_log_variance))
