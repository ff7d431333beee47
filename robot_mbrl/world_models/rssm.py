"""The recurrent state-space model (PlaNet, section 3) with categorical latents and a block GRU (DreamerV2, DreamerV3).

Model state: deter (batch, deter) and latent (batch, stoch) as class indices. Shapes: B batch, T time, S variables,
K classes, D deter, H hidden, E embedding, A action.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from robot_mbrl.agent_configs import DreamerConfig
from robot_mbrl.nets.initial import truncated_normal
from robot_mbrl.nets.latents import OneHotLinear, sample_index, unimix_probs
from robot_mbrl.nets.layers import MLP, BlockGRU, NormAct, linear


class State(NamedTuple):
    """Model states, with any leading dimensions."""

    deter: Tensor
    """(..., D), float32."""
    latent: Tensor
    """(..., S), int64 classes."""
    probs: Tensor | None = None
    """(..., S, K) that the classes were drawn from; carries their gradient. None where none is wanted."""

    def detach(self) -> "State":
        """The same state without gradients."""
        return State(self.deter.detach(), self.latent.detach())


class RSSM(nn.Module):
    """Filters observations into model states, and imagines states from actions alone."""

    def __init__(self, config: DreamerConfig, embedding: int, action: int) -> None:
        super().__init__()
        self.config = config
        stoch, classes, hidden, deter = config.stoch, config.classes, config.hidden, config.deter
        self.stoch_input = OneHotLinear(stoch, classes, hidden)
        self.action_input = linear(action, hidden)
        self.input_norm = NormAct(hidden)
        self.gru = BlockGRU(hidden, deter, config.blocks)
        self.prior_hidden = MLP(deter, hidden, 1)
        self.prior_logits = linear(hidden, stoch * classes)
        self.posterior_deter = linear(deter, hidden)
        self.posterior_embedding = nn.Linear(embedding, hidden, bias=False)
        truncated_normal(self.posterior_embedding.weight, embedding**-0.5)
        self.posterior_norm = NormAct(hidden)
        self.posterior_logits = linear(hidden, stoch * classes)

    def advance(self, state: State, action_image: Tensor, known: Tensor | None = None) -> Tensor:
        """Recurrent part of the next state (B, D).

        Args:
            state: states (B, ...).
            action_image: `action_input` of the actions that lead on, (B, H).
            known: (B, 1), 0 where the state is to be forgotten because an episode begins; None for nowhere.
        """
        deter = state.deter
        image = self.stoch_input(state.latent, state.probs)
        if known is not None:
            deter, image = deter * known, image * known
        out: Tensor = self.gru(self.input_norm(image + action_image), deter)
        return out

    def prior(self, deter: Tensor) -> Tensor:
        """Class probabilities (..., S, K) of the latent before its observation is seen."""
        logits: Tensor = self.prior_logits(self.prior_hidden(deter))
        return self._probs(logits)

    def posterior(self, deter: Tensor, embedding_image: Tensor) -> Tensor:
        """Class probabilities (..., S, K) of the latent given `posterior_embedding` of the observation, (..., H)."""
        hidden = self.posterior_norm(self.posterior_deter(deter) + embedding_image)
        return self._probs(self.posterior_logits(hidden))

    def observe(
        self, embedding: Tensor, prev_action: Tensor, is_first: Tensor, initial: State, uniform: Tensor
    ) -> tuple[State, Tensor]:
        """Filter sequences.

        Args:
            embedding: (B, T, E).
            prev_action: (B, T, A), the action that led to each observation.
            is_first: (B, T), 1 where nothing before counts, the action included.
            initial: states before the sequences, (B, ...).
            uniform: (B, T, S) in [0, 1), what the latents are drawn with.

        Returns:
            Posterior states (B, T, ...) with their probabilities, and prior probabilities (B, T, S, K).
        """
        # Everything that does not depend on the state is computed for all steps at once.
        embedding_images = self.posterior_embedding(embedding).unbind(1)  # T x (B, H)
        known = (1.0 - is_first).unsqueeze(-1)  # (B, T, 1)
        action_images = self.action_input(prev_action * known).unbind(1)  # T x (B, H)
        known_at = known.unbind(1)  # T x (B, 1)
        uniforms = uniform.unbind(1)
        state, states = initial, []
        for time in range(embedding.shape[1]):
            deter = self.advance(state, action_images[time], known_at[time])
            probs = self.posterior(deter, embedding_images[time])
            state = State(deter, sample_index(probs, uniforms[time]), probs)
            states.append(state)
        deters = torch.stack([s.deter for s in states], 1)
        posterior = torch.stack([s.probs for s in states if s.probs is not None], 1)
        indices = torch.stack([s.latent for s in states], 1)
        return State(deters, indices, posterior), self.prior(deters)

    def imagine(self, state: State, action: Tensor, uniform: Tensor) -> State:
        """One imagined step.

        Args:
            state: states (B, ...).
            action: (B, A).
            uniform: (B, S) in [0, 1).

        Returns:
            Prior states (B, ...) with their probabilities.
        """
        deter = self.advance(state, self.action_input(action))
        probs = self.prior(deter)
        return State(deter, sample_index(probs, uniform), probs)

    def _probs(self, logits: Tensor) -> Tensor:
        shaped = logits.view(*logits.shape[:-1], self.config.stoch, self.config.classes)
        return unimix_probs(shaped, self.config.unimix)
