"""Dreamer's policy, as it leaves the learner: filter the observation into the model state, and act on that."""

from collections.abc import Mapping

import torch
from torch import Tensor

from robot_mbrl.agents.dreamer import Dreamer
from robot_mbrl.agents.policy_graph import PolicyGraph
from robot_mbrl.bundles import NoiseSpec
from robot_mbrl.nets.latents import sample_index
from robot_mbrl.specs import ActionSpec, ObservationSpec, TensorSpec
from robot_mbrl.world_models.rssm import State


class DreamerPolicy(PolicyGraph):
    """Encoder, RSSM and actor, one step at a time."""

    def __init__(self, networks: Dreamer, observation: ObservationSpec, action: ActionSpec) -> None:
        config, distribution = networks.config, networks.distribution
        super().__init__(
            observation,
            action,
            state={
                "deter": TensorSpec(shape=(config.deter,)),
                "latent": TensorSpec(shape=(config.stoch,), dtype="int64"),
            },
            noise={
                "latent": NoiseSpec(shape=(config.stoch,), distribution="uniform"),
                "action": NoiseSpec(shape=(networks.noise_size,), distribution=distribution.noise),
            },
        )
        self.encoder = networks.world_model.encoder
        self.rssm = networks.world_model.rssm
        self.actor = networks.actor
        self.distribution = distribution

    def step(self, inputs: Mapping[str, Tensor]) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Action (1, A), and the next deter (1, D) and latent's classes (1, S)."""
        observed = {
            name.removeprefix("observation."): x for name, x in inputs.items() if name.startswith("observation.")
        }
        embedding = self.encoder(*self.encoder.targets(observed))
        rssm = self.rssm
        known = 1.0 - inputs["is_first"].unsqueeze(-1)  # (1, 1)
        state = State(inputs["state.deter"], inputs["state.latent"])
        deter = rssm.advance(state, rssm.action_input(inputs["prev_action"] * known), known)
        probs = rssm.posterior(deter, rssm.posterior_embedding(embedding))
        # A latent drawn at random makes the hands tremble: judged, the policy takes the likeliest, as with its actions.
        explore = inputs["explore"].unsqueeze(-1) > 0.5  # (1, 1)
        index = torch.where(explore, sample_index(probs, inputs["noise.latent"]), probs.argmax(-1))
        out = self.actor(deter, index)
        sample = self.distribution.sample(out, inputs["noise.action"])
        # Selected rather than blended: one-hot choices must stay one-hot.
        action = torch.where(explore, self.distribution.bounded(sample), self.distribution.mode(out))
        return action, {"deter": deter, "latent": index}
