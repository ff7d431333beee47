"""The Dreamer policy as one pure function, the shape in which it leaves the learner as ONNX."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from robot_mbrl.agents.dreamer import Dreamer
from robot_mbrl.bundles import NoiseSpec
from robot_mbrl.nets.latents import sample_index
from robot_mbrl.specs import ActionSpec, ObservationSpec, TensorSpec
from robot_mbrl.world_models.rssm import State


class PolicyGraph(nn.Module):
    """One control step: (observation, prev_action, is_first, explore, noise, state) to (action, state)."""

    def __init__(self, agent: Dreamer, observation: ObservationSpec, action: ActionSpec) -> None:
        super().__init__()
        config = agent.config
        self.observation, self.action = observation, action
        self.encoder = agent.world_model.encoder
        self.rssm = agent.world_model.rssm
        self.actor = agent.actor
        self.distribution = agent.distribution
        self.state = {
            "deter": TensorSpec(shape=(config.deter,)),
            "latent": TensorSpec(shape=(config.stoch,), dtype="int64"),
        }
        self.noise = {
            "latent": NoiseSpec(shape=(config.stoch,), distribution="uniform"),
            "action": NoiseSpec(shape=(agent.noise_size,), distribution=agent.distribution.noise),
        }

    @property
    def input_names(self) -> list[str]:
        """Names of the arguments of `forward`, in order, as the bundle's contract has them."""
        return [
            *(f"observation.{name}" for name in (*self.observation.vectors, *self.observation.images)),
            "prev_action",
            "is_first",
            "explore",
            *(f"noise.{name}" for name in self.noise),
            *(f"state.{name}" for name in self.state),
        ]

    @property
    def output_names(self) -> list[str]:
        """Names of the results of `forward`, in order."""
        return ["action", *(f"next_state.{name}" for name in self.state)]

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Action (1, A) within [-1, 1] or one-hot, next deter (1, D) and index (1, S), of inputs with batch 1."""
        named: Mapping[str, Tensor] = dict(zip(self.input_names, inputs, strict=True))
        observed = {
            name.removeprefix("observation."): x for name, x in named.items() if name.startswith("observation.")
        }
        embedding = self.encoder(*self.encoder.targets(observed))
        rssm = self.rssm
        known = 1.0 - named["is_first"].unsqueeze(-1)  # (1, 1)
        state = State(named["state.deter"], named["state.latent"])
        deter = rssm.advance(state, rssm.action_input(named["prev_action"] * known), known)
        probs = rssm.posterior(deter, rssm.posterior_embedding(embedding))
        # A latent drawn at random makes the hands tremble: judged, the policy takes the likeliest, as with its actions.
        explore = named["explore"].unsqueeze(-1) > 0.5  # (1, 1)
        index = torch.where(explore, sample_index(probs, named["noise.latent"]), probs.argmax(-1))
        out = self.actor(deter, index)
        sample = self.distribution.sample(out, named["noise.action"])
        # Selected rather than blended: one-hot choices must stay one-hot.
        action = torch.where(explore, self.distribution.bounded(sample), self.distribution.mode(out))
        return action, deter, index
