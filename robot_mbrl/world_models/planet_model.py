"""The world model of PlaNet (Hafner et al. 2019): latent overshooting off, as in its published code."""

from torch import Tensor

from robot_mbrl.agent_configs import PlaNetConfig
from robot_mbrl.nets.styles import KERAS_RELU
from robot_mbrl.specs import ObservationSpec
from robot_mbrl.world_models.gaussian_model import REWARD, GaussianModel


class PlaNetModel(GaussianModel):
    """Everything that is trained on replayed sequences."""

    def __init__(self, spec: ObservationSpec, action: int, config: PlaNetConfig) -> None:
        super().__init__(spec, action, config, KERAS_RELU)
        self.config = config

    def divergence(self, kl: Tensor) -> Tensor:
        """Free nats are those of each step: max(0, KL - free nats), and then the mean."""
        return (kl - self.config.free_nats).clamp(min=0.0).mean()

    def weights(self) -> dict[str, float]:
        """See `GaussianModel`."""
        return {REWARD: self.config.reward_scale}
