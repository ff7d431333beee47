"""A world model with Gaussian latents, a plain GRU and unit-variance reconstructions: PlaNet's, and Dreamer v1's.

The two share everything but what each adds to the loss (Hafner et al. 2019, section 3; 2020, equation 10).
"""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from robot_mbrl.agent_configs.gaussian import GaussianModelSettings
from robot_mbrl.nets.convolutions import STRIDED_SIDE, DenseFold, StridedEncoder, TransposedDecoder
from robot_mbrl.nets.latent_kinds import GaussianLatent
from robot_mbrl.nets.recurrence import PlainGRU
from robot_mbrl.nets.scalars import ScalarHead, UnitNormal
from robot_mbrl.nets.state_networks import StateMLP
from robot_mbrl.nets.styles import Style
from robot_mbrl.specs import ObservationSpec
from robot_mbrl.world_models.batch import Batch
from robot_mbrl.world_models.cores import DenseCore
from robot_mbrl.world_models.observations import (
    VALUES_CLAMPED,
    VECTORS,
    ObservationDecoder,
    ObservationEncoder,
    bounded,
    picture_shape,
    share_bounded,
    squared_errors,
    unchanged,
)
from robot_mbrl.world_models.recurrent import Posterior, RecurrentModel, ZeroStart
from robot_mbrl.world_models.sequence_model import filtered, weighted_sum
from robot_mbrl.world_models.state import State

_CENTRE = 0.5
"""Of pixels in [0, 1]: networks see and make them less this."""
REWARD, KL = "reward", "kl"
"""Terms of the loss beside those of what is reconstructed."""


class GaussianModel(nn.Module, ABC):
    """Everything that is trained on replayed sequences."""

    def __init__(self, spec: ObservationSpec, action: int, config: GaussianModelSettings, style: Style) -> None:
        """Make the networks.

        Args:
            spec: what is observed.
            action: elements of an action.
            config: sizes.
            style: how the paper builds layers.
        """
        super().__init__()
        self.settings, self.style = config, style
        self.latent = latent = GaussianLatent(config.stoch, config.min_std)
        size = sum(vector.size for vector in spec.vectors.values())
        shape = picture_shape(spec, lambda side: side == STRIDED_SIDE, "a side of 64")

        vectors = (style.mlp(size, config.units, config.vector_layers), config.units) if size else None
        convolutions = StridedEncoder(*shape, config.cnn_depth, style) if shape else None
        pictures = (convolutions, convolutions.size) if convolutions else None
        self.encoder = ObservationEncoder(spec, vectors, pictures, squash=bounded, unsquash=unchanged, centre=_CENTRE)

        gru = PlainGRU(config.hidden, config.deter, style)
        self.rssm = RecurrentModel(
            config.deter,
            latent,
            DenseCore.of_style(latent, action, config.hidden, gru, style),
            nn.Sequential(style.hidden(config.deter, config.hidden), style.linear(config.hidden, latent.outputs)),
            Posterior(config.deter, self.encoder.size, config.hidden, latent.outputs, style),
            ZeroStart(),
        )

        fold = DenseFold(config.deter, latent, 32 * config.cnn_depth, 4 * config.cnn_depth, style) if shape else None
        self.decoder = ObservationDecoder(
            self.network(config.vector_layers, size) if size else None,
            TransposedDecoder(fold, *shape, config.cnn_depth, style, nn.Identity()) if shape and fold else None,
            _CENTRE,
        )
        self.reward = ScalarHead(self.network(config.reward_layers, 1), UnitNormal())

    def network(self, layers: int, outputs: int) -> StateMLP:
        """A network of this paper's that reads model states."""
        settings, style = self.settings, self.style
        return StateMLP(
            settings.deter,
            self.latent,
            units=settings.units,
            layers=layers,
            outputs=(outputs,),
            scales=(1.0,),
            style=style,
        )

    def initial(self, batch: Batch) -> State:
        """States before the sequences, (B, ...): sequences begin from zero."""
        return self.rssm.initial(batch.is_first.shape[0])

    def led_by(self, batch: Batch) -> Tensor:
        """The actions (B, T, A) that led to each observation, also where the state before it is not known."""
        return batch.prev_action

    @abstractmethod
    def divergence(self, kl: Tensor) -> Tensor:
        """What of the divergences of all steps (B, T), nats, is part of the loss, a scalar."""

    @abstractmethod
    def weights(self) -> dict[str, float]:
        """What terms of the loss are multiplied by, by name; 1 for those that are not named."""

    def further_terms(self, states: State, batch: Batch) -> dict[str, Tensor]:
        """Terms of a paper's own, scalars, of posterior states (B, T, ...)."""
        return {}

    def loss(self, batch: Batch, noise: Tensor) -> tuple[Tensor, State, dict[str, Tensor]]:
        """Loss of replayed sequences.

        Args:
            batch: sequences (B, T, ...).
            noise: (B, T, S), standard normal, what the latents are drawn with.

        Returns:
            The loss, a scalar; the posterior states (B, T, ...); and each term's mean, unweighted, as tensors.
        """
        targets, states, posterior, prior = filtered(self, batch, noise)
        terms = {name: 0.5 * error for name, error in squared_errors(self.decoder(states), targets).items()}
        terms[REWARD] = self.reward.loss(*states, batch.reward).mean()
        kl = self.latent.kl(posterior, prior)  # (B, T)
        terms[KL] = kl.mean()
        terms |= self.further_terms(states, batch)
        weights = {VECTORS: self.settings.vector_scale, KL: self.settings.kl_scale, **self.weights()}
        loss = weighted_sum(terms | {KL: self.divergence(kl)}, weights)
        if targets[0] is not None:
            terms[VALUES_CLAMPED] = share_bounded(targets[0])
        return loss, states, {name: term.detach() for name, term in terms.items()}
