"""The Dreamers as agents: networks with their optimisers, random numbers, what they remember and export.

The algorithms are in `agents/dreamer.py`, `agents/dreamer_v1.py`, `agents/daydreamer.py` and `agents/dreamer_v3.py`.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from robot_mbrl.agent_configs.settings import ActorSettings
from robot_mbrl.agents.agent import Learned
from robot_mbrl.agents.capturable import CapturableAgent
from robot_mbrl.agents.daydreamer import DayDreamer
from robot_mbrl.agents.dreamer import Dreamer
from robot_mbrl.agents.dreamer_v1 import DreamerV1
from robot_mbrl.agents.dreamer_v3 import DreamerV3
from robot_mbrl.agents.earlier_dreamer import as_saved_today
from robot_mbrl.agents.foreseeing import drawn_noise, followed, foreseen, present_state
from robot_mbrl.agents.imagining_policy import ImaginingPolicy
from robot_mbrl.experience.draws import Sequences
from robot_mbrl.specs import ActionSpec, ObservationSpec
from robot_mbrl.world_models.batch import Batch
from robot_mbrl.world_models.state import State

SEQUENCES = "sequences"
"""The name of their only draw."""

Networks = Dreamer | DreamerV1 | DayDreamer | DreamerV3
"""What one algorithm's file defines: a torch module with one step of its training."""


class ImaginingAgent(CapturableAgent):
    """Implements `agents.agent.Agent`, `Capturable`, `Foresees` and `ImaginesAhead`.

    Attributes:
        networks: what is learned, and one step of it.
    """

    def __init__(
        self,
        networks: Networks,
        observation: ObservationSpec,
        action: ActionSpec,
        config: ActorSettings,
        device: torch.device,
        seed: int,
    ) -> None:
        """Make an agent of networks.

        Args:
            networks: on the device already.
            observation: what is observed.
            action: what is decided.
            config: the settings.
            device: where it learns.
            seed: of the random numbers that its updates draw.
        """
        super().__init__(device, seed)
        self.networks = networks
        self.policy = ImaginingPolicy(networks.model, networks.actor, networks.acting, observation, action)
        self.remembers = networks.remembers
        self.cautions = networks.cautions
        self._config, self._device = config, device

    @property
    def size(self) -> int:
        """Numbers that are learned, without a slow critic."""
        return sum(parameter.numel() for parameter in self.networks.parameters() if parameter.requires_grad)

    @property
    def ready(self) -> bool:
        """From the first update on."""
        return self._updates > 0

    def draws(self) -> dict[str, Sequences]:
        """Sequences, with the model states before them if they are remembered."""
        config = self._config
        return {SEQUENCES: Sequences(config.batch_size, config.batch_length, newest=config.online_queue)}

    def compute(self, batches: Mapping[str, Batch]) -> Learned:
        """See `agents.agent.Capturable`: nothing in the networks' updates is counted on the host."""
        posterior, metrics = self.networks.update(batches[SEQUENCES], self._random.generator)
        if not self.remembers:
            return Learned(metrics)
        return Learned(metrics, {SEQUENCES: {"deter": posterior.deter, "latent": posterior.latent}})

    def probe(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The critic's value and the expected reward of a state."""
        place = state["deter"].to(self._device), state["latent"].to(self._device)
        with torch.no_grad():
            value, reward = self.networks.critic.mean(*place), self.networks.model.reward.mean(*place)
        return {"value": value.cpu(), "reward": reward.cpu()}

    def foresee(self, batch: Batch, context: int, seed: int) -> dict[str, Tensor]:
        """What the world model expects to observe, once it sees no more (PlaNet, figure 7)."""
        return foreseen(self.networks.model, batch, context, seed)

    @torch.no_grad()
    def imagine_ahead(self, batch: Batch, steps: int) -> dict[str, Tensor]:
        """See `agents.agent.ImaginesAhead`."""
        networks = self.networks
        noise = drawn_noise(networks.acting.noise, self._device, seed=0)
        explores = torch.zeros(1, 1, dtype=torch.bool, device=self._device)

        def act(state: State) -> Tensor:
            return networks.acting.choose(networks.actor(state.deter, state.latent), explores, noise)

        return followed(networks.model, present_state(networks.model, batch), act, steps)

    def state_dict(self) -> dict[str, Any]:
        """Networks with their normalisers and counters, optimisers, and the generator."""
        return {
            "networks": self.networks.state_dict(),
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.networks.optimizers.items()},
            "updates": self._updates,
            "random": self._random.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        state = as_saved_today(state, self.networks)
        self.networks.load_state_dict(state["networks"])
        for name, optimizer in self.networks.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        self._updates = state["updates"]
        self._random.load_state_dict(state["random"], self._updates)
