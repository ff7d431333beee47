"""The Dreamers' policy, as it leaves the learner: filter the observation into the state, and act on that."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from robot_mbrl.agents.acting import Acting
from robot_mbrl.agents.policy_graph import PolicyGraph
from robot_mbrl.bundles import NoiseSpec
from robot_mbrl.specs import ActionSpec, ObservationSpec, TensorSpec
from robot_mbrl.world_models.sequence_model import SequenceModel
from robot_mbrl.world_models.state import State


class ImaginingPolicy(PolicyGraph):
    """Encoder, RSSM and actor, one step at a time."""

    def __init__(
        self,
        model: SequenceModel,
        actor: nn.Module,
        acting: Acting,
        observation: ObservationSpec,
        action: ActionSpec,
    ) -> None:
        """Compose the policy.

        Args:
            model: the world model, of which it filters with encoder and RSSM.
            actor: reads the model state.
            acting: chooses actions by what the actor says.
            observation: what is observed.
            action: what is decided.
        """
        latent = model.rssm.latent
        dtype = "float32" if latent.dtype.is_floating_point else "int64"
        super().__init__(
            observation,
            action,
            state={
                "deter": TensorSpec(shape=(model.rssm.deter,)),
                "latent": TensorSpec.model_validate({"shape": (latent.stoch,), "dtype": dtype}),
            },
            noise={"latent": NoiseSpec(shape=(latent.stoch,), distribution=latent.noise), **acting.noise},
        )
        self.encoder, self.rssm, self.actor, self.acting = model.encoder, model.rssm, actor, acting

    def step(self, inputs: Mapping[str, Tensor]) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Action (1, A), and the next deter (1, D) and latent (1, S)."""
        observed = {
            name: inputs[f"observation.{name}"] for name in (*self.observation.vectors, *self.observation.images)
        }
        embedding = self.encoder(*self.encoder.targets(observed))
        state = State(inputs["state.deter"], inputs["state.latent"])
        deter, statistics = self.rssm.filter(state, inputs["prev_action"], inputs["is_first"], embedding)
        # A latent drawn at random makes the hands tremble: judged, the policy takes the likeliest, as with its actions.
        explore = inputs["explore"].unsqueeze(-1) > 0.5  # (1, 1)
        latent = self.rssm.latent
        drawn = torch.where(explore, latent.sample(statistics, inputs["noise.latent"]), latent.mode(statistics))
        noise = {name: inputs[f"noise.{name}"] for name in self.acting.noise}
        return self.acting.choose(self.actor(deter, drawn), explore, noise), {"deter": deter, "latent": drawn}
