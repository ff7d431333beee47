"""What plans cost by an ensemble's predictions and a task's objective: what planners see of the world.

Shapes: E members, K plans, H steps, V observed values, W window (see `world_models.ensemble_model`), A action.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from robot_mbrl.planners.ilqr import Expansion
from robot_mbrl.planners.jets import constant, variables
from robot_mbrl.planners.scanning import Step, Tensors, scan
from robot_mbrl.tasks.objective import Objective, cost_reads
from robot_mbrl.world_models.ensemble_model import EnsembleModel


class Lookahead:
    """Implements `planners.ilqr.DifferentiableForesight`.

    A plan costs the mean over the members, each of which goes its own way (PETS' TS-infinity, with one particle for
    each). Derivatives are those of the mean of their predictions.
    """

    def __init__(
        self,
        model: EnsembleModel,
        objective: Objective,
        names: Sequence[str],
        goal: Mapping[str, Any],
        window: Tensor,
        noise: Tensor | None = None,
    ) -> None:
        """Look from a state.

        Args:
            model: predicts.
            objective: judges.
            names: of the V observed values.
            goal: as `Objective.cost` takes it, each element a number or a tensor of no dimension.
            window: where the robot is, (W,).
            noise: standard normal, (H, E, V), by which a Gaussian ensemble draws, the same for every plan, so that
                they are compared in the same luck; None for its mean.
        """
        self.state = window
        self._model, self._objective, self._goal, self._noise = model, objective, goal, noise
        self._read = {name: names.index(name) for name in cost_reads(objective)}

    def costs(self, plans: Tensor) -> Tensor:
        """What plans (K, H, A) cost, (K,)."""
        members, number = self._model.members, plans.shape[0]

        def step(carry: Tensors, inputs: Tensors) -> Step:
            action = inputs[0].expand(members, -1, -1)
            drawn = inputs[1].unsqueeze(1) if self._noise is not None else None
            window = self._model.advance(carry[0], action, drawn)  # (E, K, W)
            return (window,), (self.cost(window, action),)

        window = self.state.expand(members, number, -1).contiguous()
        noise = () if self._noise is None else (self._noise,)
        _, (costs,) = scan(step, (window,), (plans.movedim(1, 0), *noise))  # (H, E, K)
        return costs.sum(0).mean(0)

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        """The mean of what the members expect to follow windows (B, W) and actions (B, A)."""
        members = self._model.members
        return self._model.advance(state.expand(members, -1, -1), action.expand(members, -1, -1)).mean(0)

    def cost(self, arrived: Tensor, action: Tensor) -> Tensor:
        """What it costs to arrive at windows (..., W) by actions (..., A), (...)."""
        values = {name: arrived[..., index] for name, index in self._read.items()}
        costs: Tensor = self._objective.cost(values, action.unbind(-1), self._goal)
        return costs

    def expand(self, states: Tensor, actions: Tensor) -> Expansion:
        """The local model around actions (H, A) taken in windows (H, W)."""
        arrived, by_state, by_action = self._model.linearise(states, actions)
        jets = variables(torch.cat([arrived, actions], -1))
        values = {name: jets[index] for name, index in self._read.items()}
        goal = {
            name: constant(value, len(jets)) if isinstance(value, Tensor) else value
            for name, value in self._goal.items()
        }
        cost = self._objective.cost(values, jets[arrived.shape[-1] :], goal)
        return Expansion(by_state, by_action, cost.gradient, cost.hessian)
