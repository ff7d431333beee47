"""The world model of Dreamer v1 (Hafner et al. 2020): PlaNet's, with a prediction of where episodes end."""

import torch
from torch import Tensor, nn

from robot_mbrl.agent_configs import DreamerV1Config
from robot_mbrl.nets.scalars import Bernoulli, ScalarHead
from robot_mbrl.nets.styles import KERAS
from robot_mbrl.specs import ObservationSpec
from robot_mbrl.world_models.batch import Batch
from robot_mbrl.world_models.gaussian_model import GaussianModel
from robot_mbrl.world_models.state import State

CONTINUE = "continue"
"""The term of its own."""


class ConstantDiscount(nn.Module):
    """The same discount everywhere: episodes do not end."""

    def __init__(self, discount: float) -> None:
        super().__init__()
        self.discount = discount

    def mean(self, deter: Tensor, latent: Tensor, carried: Tensor | None = None) -> Tensor:
        """The discount (...) of states (..., D)."""
        return torch.full_like(deter[..., 0], self.discount)


class DreamerV1Model(GaussianModel):
    """Everything that is trained on replayed sequences."""

    def __init__(self, spec: ObservationSpec, action: int, config: DreamerV1Config) -> None:
        super().__init__(spec, action, config, KERAS)
        self.config = config
        self.discount: ScalarHead | ConstantDiscount = ConstantDiscount(config.discount)
        if config.predict_continue:
            self.discount = ScalarHead(self.network(config.continue_layers, 1), Bernoulli())

    def divergence(self, kl: Tensor) -> Tensor:
        """Free nats are those of the mean (equation 10 of the paper)."""
        return kl.mean().clamp(min=self.config.free_nats)

    def weights(self) -> dict[str, float]:
        """See `GaussianModel`."""
        return {CONTINUE: self.config.continue_scale}

    def further_terms(self, states: State, batch: Batch) -> dict[str, Tensor]:
        """The cross-entropy of the discount, where that is predicted."""
        if not isinstance(self.discount, ScalarHead):
            return {}
        target = self.config.discount * (1.0 - batch.is_terminal)
        return {CONTINUE: self.discount.loss(*states, target).mean()}
