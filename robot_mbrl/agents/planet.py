"""PlaNet (Hafner et al. 2019): a world model learned from what was lived, and a planner in its latents; no policy.

One update is `PlaNet.compute`: the loss of the recurrent state-space model on replayed sequences (equation 3, with the
free nats and weights of the published code, latent overshooting off). The policy (`agents/planet_policy.py`) filters
what is observed, imagines where plans lead, and executes the first action of the cheapest by the cross-entropy method.
What differs from the published code is in docs/agents.md. Shapes: B batch, T time, S latent variables.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from robot_mbrl.agent_configs import PlaNetConfig
from robot_mbrl.agents.agent import LEFT_OUT, Learned
from robot_mbrl.agents.capturable import ModelAgent
from robot_mbrl.agents.foreseeing import drawn_noise, followed, foreseen, last_told, planned, present_state
from robot_mbrl.agents.imagination import latent_noise
from robot_mbrl.agents.optimizers import ClippedAdam, set_gradients
from robot_mbrl.agents.planet_policy import PlaNetPolicy
from robot_mbrl.agents.purpose import Purpose
from robot_mbrl.errors import ConfigError
from robot_mbrl.experience.draws import Sequences
from robot_mbrl.specs import ActionSpec, ObservationSpec, TensorSpec
from robot_mbrl.world_models.batch import Batch
from robot_mbrl.world_models.observations import CAUTIONS
from robot_mbrl.world_models.planet_model import PlaNetModel
from robot_mbrl.world_models.state import State

SEQUENCES = "sequences"
"""The name of its only draw."""


class PlaNet(ModelAgent):
    """Implements `agents.agent.Agent`, `Capturable`, `Foresees` and `ImaginesAhead`.

    Attributes:
        model: what is learned.
    """

    model: PlaNetModel
    remembers: Mapping[str, TensorSpec] = {}
    cautions: Mapping[str, str] = CAUTIONS

    def __init__(
        self,
        observation: ObservationSpec,
        action: ActionSpec,
        config: PlaNetConfig,
        device: torch.device,
        seed: int,
        purpose: Purpose | None = None,
    ) -> None:
        """Make the networks with torch's own random numbers, which the caller has seeded.

        Args:
            observation: what is observed.
            action: what is decided.
            config: the settings.
            device: where it learns.
            seed: of the random numbers that its updates draw.
            purpose: what its policy plans for, where that is not rewards.

        Raises:
            ConfigError: if actions are choices, or it is to plan for an objective that the task has not.
        """
        if action.discrete:
            raise ConfigError("agents of the family planet plan continuous actions; this robot's are choices")
        self._config = config
        model = PlaNetModel(observation, action.size, config).to(device)
        optimizer = ClippedAdam([model], rate=config.rate, epsilon=config.adam_epsilon, clip=config.clip)
        super().__init__(model, optimizer, config.pretrain_updates, device, seed)
        self.policy = PlaNetPolicy(self.model, observation, action, config, purpose or Purpose(None))

    def draws(self) -> dict[str, Sequences]:
        """Sequences, each of which begins from zero."""
        return {SEQUENCES: Sequences(self._config.batch_size, self._config.batch_length)}

    def compute(self, batches: Mapping[str, Batch]) -> Learned:
        """See `agents.agent.Capturable`."""
        batch = batches[SEQUENCES]
        loss, _, terms = self.model.loss(batch, latent_noise(self.model.latent, batch, self._random.generator))
        set_gradients(loss, self.model)
        norm, left_out = self._optimizer.step()
        return Learned(terms | {"model_loss": loss.detach(), "gradient_norm": norm, LEFT_OUT: left_out})

    def probe(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The expected reward of a state, and what it is reconstructed as."""
        device = next(self.model.parameters()).device
        place = State(state["deter"].to(device), state["latent"].to(device))
        with torch.no_grad():
            vectors, pictures = self.model.decoder(place)
            found = {"reward": self.model.reward.mean(*place), "vectors": vectors, "pictures": pictures}
        return {name: value.cpu() for name, value in found.items() if value is not None}

    def foresee(self, batch: Batch, context: int, seed: int) -> dict[str, Tensor]:
        """What the world model expects to observe, once it sees no more (figure 7)."""
        return foreseen(self.model, batch, context, seed)

    @torch.no_grad()
    def imagine_ahead(self, batch: Batch, steps: int) -> dict[str, Tensor]:
        """See `agents.agent.ImaginesAhead`: the plan is made anew, without what the robot's own has found before."""
        policy, state = self.policy, present_state(self.model, batch)
        noise = drawn_noise(policy.noise, state.deter.device, seed=0)
        memory = {name: state.deter.new_zeros(spec.shape) for name, spec in policy.planner.memory.items()}
        seen = {f"observation.{name}": values[:, -1] for name, values in batch.observation.items()}
        inputs = seen | last_told(batch, policy.goal) | {f"noise.{name}": value for name, value in noise.items()}
        plan = policy.plan_from(state, memory, inputs)
        if not plan.found:
            return {}
        actions = plan.actions[:steps] if policy.uses is None else plan.actions[:steps] * policy.uses(inputs)
        return followed(self.model, state, planned(actions), len(actions))
