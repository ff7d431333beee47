"""Iterative linear-quadratic regulator: corrects a plan by the optimum of a local model (Tassa et al. 2012, 2014).

Around the present plan the world is linear and its costs are quadratic; of that the best correction is known in closed
form, as a feedback on where the plan leads. Where that overshoots, a larger regulariser or a shorter step does not, so
all combinations of them are tried side by side, and the best of what they lead to in the model is kept.

Shapes: R regularisers, L step lengths, H steps, S state, A action.
"""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from robot_mbrl.agent_configs.planning import PlanningSettings
from robot_mbrl.bundles import NoiseSpec
from robot_mbrl.planners.bounded import bounded_minimum
from robot_mbrl.planners.planner import Foresight, Plan, Planner, is_usable, usable
from robot_mbrl.planners.scanning import Step, Tensors, scan

ROUNDING = 16.0
"""Units in the last place by which costs of plans may differ that are as good as one another."""


class Expansion(NamedTuple):
    """A plan's local model, step by step, each (H, ...). Of a step, the state it arrives at and its action cost."""

    by_state: Tensor
    """(H, S, S), derivative of the state arrived at by the state before."""
    by_action: Tensor
    """(H, S, A), derivative of the state arrived at by the action."""
    cost_gradient: Tensor
    """(H, S + A), of the cost by the state arrived at and the action."""
    cost_hessian: Tensor
    """(H, S + A, S + A)."""


class DifferentiableForesight(Foresight, Protocol):
    """A world whose derivatives are known."""

    @property
    def state(self) -> Tensor:
        """Where the robot is, (S,)."""
        ...

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        """The states (B, S) that these actions (B, A) lead to from these states (B, S)."""
        ...

    def cost(self, arrived: Tensor, action: Tensor) -> Tensor:
        """The costs (B,) of arriving at states (B, S) by actions (B, A)."""
        ...

    def expand(self, states: Tensor, actions: Tensor) -> Expansion:
        """The local model around actions (H, A) taken in states (H, S)."""
        ...


class ILQR(Planner):
    """The best plan that corrections have led to, from the last plan or the cheapest of `candidates` random ones."""

    regularisers: Tensor
    shares: Tensor
    preferences: Tensor

    def __init__(self, settings: PlanningSettings, action_size: int) -> None:
        super().__init__(settings, action_size)
        # Buffers, because torch's tracer loses constants that are made within loops.
        lengths = torch.tensor(settings.step_lengths).repeat(len(settings.regularisers))
        self.register_buffer("regularisers", torch.tensor(settings.regularisers).view(-1, 1, 1), persistent=False)
        self.register_buffer("shares", lengths.view(-1, 1), persistent=False)
        self.register_buffer("preferences", torch.arange(len(lengths)).flip(0).float(), persistent=False)
        shape = (settings.candidates, settings.horizon, action_size)
        self.noise = {"plans": NoiseSpec(shape=shape, distribution="normal")}

    def plan(self, world: Foresight, memory: Mapping[str, Tensor], noise: Mapping[str, Tensor]) -> Plan:
        """See `Planner.plan`; `world` is a `DifferentiableForesight`."""
        differentiable: DifferentiableForesight = world  # type: ignore[assignment]
        plans = (self.settings.deviation * self.coloured(noise["plans"])).clamp(-1.0, 1.0)
        plans = torch.cat([self.start(memory, plans).unsqueeze(0), plans[1:]])  # (K, H, A)
        _, best = usable(world.costs(plans)).min(0)
        return self.improve(differentiable, plans.index_select(0, best.unsqueeze(0)).squeeze(0))

    def improve(self, world: DifferentiableForesight, actions: Tensor) -> Plan:
        """Correct a plan (H, A) as often as the settings say."""
        states, cost = self._follow(world, actions)

        def correct(carry: Tensors, _: Tensors) -> Step:
            actions, states, cost = carry  # (H, A), (H, S), ()
            pushes, gains = self._corrections(world.expand(states, actions), actions)
            tried, reached, costs = self._try(world, actions, states, pushes, gains)
            # Of those that cost the least but for rounding, the first: near the optimum, where all cost about the same,
            # that is the whole step, which is nearer to it than costs can tell.
            least = torch.minimum(costs.min(), cost)
            good = is_usable(costs) & (costs <= least + ROUNDING * torch.finfo(costs.dtype).eps * least.abs())
            chosen = torch.where(good, self.preferences, -1.0).argmax(0, keepdim=True)
            better = good.any()
            actions = torch.where(better, tried.index_select(1, chosen).squeeze(1), actions)
            states = torch.where(better, reached.index_select(1, chosen).squeeze(1), states)
            cost = torch.where(better, costs.index_select(0, chosen).squeeze(0), cost)
            return (actions, states, cost), (least,)

        corrections = actions.new_zeros(self.settings.corrections)
        (actions, _, cost), _ = scan(correct, (actions, states, cost), (corrections,))
        return self.result(actions, is_usable(cost))

    def _follow(self, world: DifferentiableForesight, actions: Tensor) -> tuple[Tensor, Tensor]:
        """The states (H, S) in which a plan's actions are taken, and what it costs."""

        def step(carry: Tensors, inputs: Tensors) -> Step:
            state, total = carry  # (1, S), (1,)
            action = inputs[0].unsqueeze(0)
            arrived = world.step(state, action)
            return (arrived, total + world.cost(arrived, action)), (state.squeeze(0),)

        state = world.state.unsqueeze(0)
        (_, total), (states,) = scan(step, (state, state.new_zeros(1)), (actions,))
        return states, usable(total.squeeze(0))

    def _corrections(self, local: Expansion, actions: Tensor) -> tuple[Tensor, Tensor]:
        """The backward pass: corrections (H, R, A), and feedbacks (H, R, A, S) on where the plan leads."""
        size = actions.shape[-1]
        identity = torch.eye(size, dtype=actions.dtype, device=actions.device)

        def back(carry: Tensors, inputs: Tensors) -> Step:
            value_gradient, value_hessian = carry  # (R, S), (R, S, S)
            by_state, by_action, cost_gradient, cost_hessian, action = inputs
            states = by_state.shape[-1]
            gradient = cost_gradient[:states] + value_gradient  # (R, S), by the state arrived at
            hessian = cost_hessian[:states, :states] + value_hessian  # (R, S, S)
            mixed = cost_hessian[states:, :states]  # (A, S)
            q_state = gradient @ by_state  # (R, S)
            q_action = cost_gradient[states:] + gradient @ by_action  # (R, A)
            q_states = by_state.mT @ hessian @ by_state
            q_mixed = (mixed + by_action.mT @ hessian) @ by_state  # (R, A, S)
            crossed = mixed @ by_action
            q_actions = cost_hessian[states:, states:] + crossed + crossed.mT + by_action.mT @ hessian @ by_action
            push, gain = bounded_minimum(
                q_actions + self.regularisers * identity, q_action, q_mixed, -1.0 - action, 1.0 - action
            )
            # Of the value, without the regulariser (Tassa et al. 2012, equations 11b and 11c).
            curved = (q_actions @ push.unsqueeze(-1)).squeeze(-1)  # (R, A)
            pulled = gain.mT @ (curved + q_action).unsqueeze(-1) + q_mixed.mT @ push.unsqueeze(-1)
            coupled = gain.mT @ q_mixed
            new_hessian = q_states + gain.mT @ q_actions @ gain + coupled + coupled.mT
            return (q_state + pulled.squeeze(-1), 0.5 * (new_hessian + new_hessian.mT)), (push, gain)

        number, states = len(self.settings.regularisers), local.by_state.shape[-1]
        carry = (actions.new_zeros(number, states), actions.new_zeros(number, states, states))
        backwards = tuple(x.flip(0) for x in (*local, actions))
        _, (pushes, gains) = scan(back, carry, backwards)
        return pushes.flip(0), gains.flip(0)

    def _try(
        self, world: DifferentiableForesight, actions: Tensor, states: Tensor, pushes: Tensor, gains: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The forward pass with every regulariser and step length, N = R L of them.

        Returns:
            Actions (H, N, A), states (H, N, S), and what they cost, (N,).
        """
        number = len(self.settings.step_lengths)

        def step(carry: Tensors, inputs: Tensors) -> Step:
            state, total = carry  # (N, S), (N,)
            planned, place, push, gain = inputs
            feedback = (gain.repeat_interleave(number, 0) @ (state - place).unsqueeze(-1)).squeeze(-1)  # (N, A)
            action = (planned + self.shares * push.repeat_interleave(number, 0) + feedback).clamp(-1.0, 1.0)
            # What is not finite would be chosen by nobody, but spoil the sums it is part of.
            action = torch.where(torch.isfinite(action), action, planned)
            arrived = world.step(state, action)
            return (arrived, total + world.cost(arrived, action)), (action, state)

        start = world.state.expand(self.shares.shape[0], -1)
        carry = (start.clone(), start.new_zeros(self.shares.shape[0]))
        (_, total), (tried, reached) = scan(step, carry, (actions, states, pushes, gains))
        return tried, reached, usable(total)
