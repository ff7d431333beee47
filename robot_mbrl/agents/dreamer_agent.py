"""Dreamer as an agent: its networks with their optimiser, random numbers, and what it remembers and exports.

The algorithm is in `agents/dreamer.py`.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from robot_mbrl.agent_configs import DreamerConfig
from robot_mbrl.agents.agent import Learned
from robot_mbrl.agents.dreamer import Dreamer, DreamerOptimizer
from robot_mbrl.agents.dreamer_policy import DreamerPolicy
from robot_mbrl.agents.random_source import RandomSource
from robot_mbrl.experience.draws import Sequences
from robot_mbrl.specs import VALUE_BOUND, ActionSpec, ObservationSpec, TensorSpec
from robot_mbrl.world_models.batch import Batch
from robot_mbrl.world_models.rssm import State

SEQUENCES = "sequences"
"""The name of its only draw."""


class DreamerAgent:
    """Implements `agents.agent.Agent` and `Foresees`.

    Attributes:
        networks: what is learned, and one step of it.
    """

    def __init__(
        self,
        observation: ObservationSpec,
        action: ActionSpec,
        config: DreamerConfig,
        device: torch.device,
        seed: int,
    ) -> None:
        """Make the networks with torch's own random numbers, which the caller has seeded.

        Args:
            observation: what is observed.
            action: what is decided.
            config: the settings.
            device: where it learns.
            seed: of the random numbers that its updates draw.
        """
        self._config, self._device = config, device
        self._spec = observation
        self.networks = Dreamer(observation, action, config).to(device)
        self.policy = DreamerPolicy(self.networks, observation, action)
        self._optimizer = DreamerOptimizer(self.networks)
        self._random = RandomSource(device, seed)
        # The bulk of replay's memory, so half precision must do.
        self.remembers = {
            "deter": TensorSpec(shape=(config.deter,), dtype="float16"),
            "latent": TensorSpec(shape=(config.stoch,), dtype="uint8"),
        }
        self.cautions = {
            "returns_beyond_critic": f"the critic cannot represent the returns that are imagined: it ends at "
            f"±{math.expm1(config.bin_limit):.0f}; raise agent.bin_limit in a new run, or scale the task's "
            f"reward down",
            "values_clamped": f"observed values are more than {VALUE_BOUND:.0f} times their scale, and are clamped "
            f"there; correct the scales of the vectors in the robot's YAML, or look after the sensor",
        }

    @property
    def size(self) -> int:
        """Numbers that are learned, without the slow critic."""
        return sum(parameter.numel() for parameter in self.networks.parameters() if parameter.requires_grad)

    @property
    def ready(self) -> bool:
        """From the first update on."""
        return self._optimizer.updates > 0

    def draws(self) -> dict[str, Sequences]:
        """Sequences, with the model states before them."""
        return {SEQUENCES: Sequences(self._config.batch_size, self._config.batch_length)}

    def update(self, batches: Mapping[str, Batch]) -> Learned:
        """Train every network once, and remember the sequences' posterior states."""
        batch = batches[SEQUENCES]
        posterior, metrics = self.networks.update(batch, _initial(batch), self._optimizer, self._random.generator)
        return Learned(metrics, {SEQUENCES: {"deter": posterior.deter, "latent": posterior.latent}})

    def probe(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The critic's value and the expected reward of a state."""
        place = state["deter"].to(self._device), state["latent"].to(self._device)
        with torch.no_grad():
            value = self.networks.twohot.mean(self.networks.critic(*place))
            reward = self.networks.world_model.reward(*place)
        return {"value": value.cpu(), "reward": reward.cpu()}

    def foresee(self, batch: Batch, context: int, seed: int) -> dict[str, Tensor]:
        """What the world model expects to observe, once it sees no more (PlaNet, figure 7)."""
        generator = torch.Generator(self._device).manual_seed(seed)
        with torch.no_grad():
            uniform = torch.rand(
                *batch.is_first.shape, self._config.stoch, generator=generator, device=self._device
            )  # (B, T, stoch)
            vectors, images = self.networks.world_model.open_loop(batch, _initial(batch), context, uniform)
            expected = dict(images)
            if vectors is not None:
                values = self.networks.world_model.encoder.scaling.physical(vectors)  # (B, T, V), in physical units
                sizes = [vector.size for vector in self._spec.vectors.values()]
                expected |= dict(zip(self._spec.vectors, torch.split(values, sizes, -1), strict=True))
        return expected

    def state_dict(self) -> dict[str, Any]:
        """Networks, Adam's moments, the warm-up's counter and the generator."""
        return {
            "networks": self.networks.state_dict(),
            "moments": self._optimizer.adam.state_dict()["state"],
            "updates": self._optimizer.updates,
            "random": self._random.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self.networks.load_state_dict(state["networks"])
        # Rates, clipping and the like are those of the settings here.
        groups = self._optimizer.adam.state_dict()["param_groups"]
        self._optimizer.adam.load_state_dict({"state": state["moments"], "param_groups": groups})
        self._optimizer.updates = state["updates"]
        self._random.load_state_dict(state["random"], state["updates"])


def _initial(batch: Batch) -> State:
    """Model states (B, ...) before the sequences; ignored where `is_first`."""
    return State(batch.before["deter"].float(), batch.before["latent"].long())
