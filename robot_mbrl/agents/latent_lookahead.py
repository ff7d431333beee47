"""What plans cost by a recurrent state-space model: what planners see of a world that is imagined in latents (PlaNet).

Shapes: K plans, H steps, D deter, S latent variables, A action.
"""

from collections.abc import Callable

from torch import Tensor

from robot_mbrl.planners.scanning import Step, Tensors, scan
from robot_mbrl.world_models.recurrent import RecurrentModel
from robot_mbrl.world_models.state import State

Costs = Callable[[State, Tensor], Tensor]
"""What it costs to arrive at states (N, ...) by actions (N, A), (N,)."""


class LatentLookahead:
    """Implements `planners.planner.Foresight`."""

    def __init__(
        self, rssm: RecurrentModel, costs: Costs, state: State, noise: Tensor | None, used: Tensor | None = None
    ) -> None:
        """Look from a state.

        Args:
            rssm: imagines.
            costs: judges.
            state: where the robot is, (1, ...).
            noise: what latents are drawn with, (H, N, S), of which each plan has its own; where there are more than N
                plans, they begin with the first again. None for the likeliest latents.
            used: 1 for elements of the action that are somebody's and 0 for the others, which the world is not shown,
                (1, A); None where all are.
        """
        self._rssm, self._costs, self._state, self._noise, self._used = rssm, costs, state, noise, used

    def costs(self, plans: Tensor) -> Tensor:
        """What plans (K, H, A) cost, (K,)."""
        rssm, (number, horizon, size) = self._rssm, plans.shape
        actions = plans.movedim(1, 0)  # (H, K, A)
        if self._used is not None:
            actions = actions * self._used

        def step(carry: Tensors, inputs: Tensors) -> Step:
            deter = rssm.core.advance(State(*carry), inputs[0])
            statistics, latent = rssm.prior(deter), rssm.latent
            drawn = latent.sample(statistics, inputs[1]) if len(inputs) > 1 else latent.mode(statistics)
            return (deter, drawn), (deter, drawn)

        # What actions contribute needs no state, and what states are worth is asked of all at once.
        inputs: Tensors = (rssm.core.drive(actions),)
        if self._noise is not None:
            repeats = -(-number // self._noise.shape[1])
            inputs = (*inputs, self._noise.repeat(1, repeats, 1)[:, :number])
        start = tuple(part.expand(number, -1).contiguous() for part in (self._state.deter, self._state.latent))
        _, (deter, latent) = scan(step, start, inputs)
        states = State(deter.flatten(0, 1), latent.flatten(0, 1))  # (H K, ...)
        return self._costs(states, actions.reshape(-1, size)).view(horizon, number).sum(0)
