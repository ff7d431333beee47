"""The world model of DreamerV3 (Hafner et al. 2023): block GRU, RMS normalisation, symlog vectors, two-hot rewards."""

from torch import Tensor, nn

from robot_mbrl.agent_configs import DreamerV3Config
from robot_mbrl.nets.convolutions import POOLED_MULTIPLE, PooledEncoder, UpsamplingDecoder
from robot_mbrl.nets.latent_kinds import CategoricalLatent
from robot_mbrl.nets.scalars import Bernoulli, ScalarHead
from robot_mbrl.nets.state_networks import StateMLP
from robot_mbrl.nets.styles import RMS_NORM
from robot_mbrl.nets.twohot import TwoHot, symexp, symlog
from robot_mbrl.specs import ObservationSpec
from robot_mbrl.world_models.batch import Batch
from robot_mbrl.world_models.cores import BlockCore
from robot_mbrl.world_models.observations import (
    VECTORS,
    ObservationDecoder,
    ObservationEncoder,
    picture_shape,
    squared_errors,
)
from robot_mbrl.world_models.recurrent import Posterior, RecurrentModel, ZeroStart
from robot_mbrl.world_models.sequence_model import filtered, weighted_sum
from robot_mbrl.world_models.state import State

_CENTRE = 0.5
"""Subtracted from pixels in [0, 1] before they are encoded; what is reconstructed is in [0, 1]."""


class DreamerV3Model(nn.Module):
    """Everything that is trained on replayed sequences, but for the critic."""

    def __init__(self, spec: ObservationSpec, action: int, config: DreamerV3Config) -> None:
        super().__init__()
        self.config = config
        self.latent = latent = CategoricalLatent(config.stoch, config.classes, config.unimix)
        deter, hidden, units, depth = config.deter, config.hidden, config.units, config.cnn_depth
        sizes = [vector.size for vector in spec.vectors.values()]
        shape = picture_shape(spec, lambda side: side % POOLED_MULTIPLE == 0, "a side that is a multiple of 16")

        vectors = (RMS_NORM.mlp(sum(sizes), units, config.layers), units) if sizes else None
        convolutions = PooledEncoder(*shape, depth, RMS_NORM) if shape else None
        pictures = (convolutions, convolutions.size) if convolutions else None
        self.encoder = ObservationEncoder(spec, vectors, pictures, squash=symlog, unsquash=symexp, centre=_CENTRE)

        self.rssm = RecurrentModel(
            deter,
            latent,
            BlockCore(latent, action, deter, hidden, config.blocks, RMS_NORM),
            nn.Sequential(RMS_NORM.mlp(deter, hidden, config.prior_layers), RMS_NORM.linear(hidden, latent.outputs)),
            Posterior(deter, self.encoder.size, hidden, latent.outputs, RMS_NORM),
            ZeroStart(),
        )

        self.decoder = ObservationDecoder(
            self.network(config.layers, sizes, [1.0] * len(sizes)) if sizes else None,
            UpsamplingDecoder(deter, latent, *shape, depth, units, config.blocks, RMS_NORM) if shape else None,
        )
        twohot = TwoHot(config.bins, config.bin_limit)
        self.reward = ScalarHead(self.network(config.head_layers, [config.bins], [0.0]), twohot)
        self.continues = ScalarHead(self.network(config.head_layers, [1], [1.0]), Bernoulli())

    @property
    def discount(self) -> float:
        """By which the future counts less, each step."""
        return 1.0 - 1.0 / self.config.discount_horizon

    def network(self, layers: int, outputs: list[int], scales: list[float]) -> StateMLP:
        """A network of this paper's that reads model states."""
        config, state = self.config, (self.config.deter, self.latent)
        return StateMLP(*state, units=config.units, layers=layers, outputs=outputs, scales=scales, style=RMS_NORM)

    def initial(self, batch: Batch) -> State:
        """States before the sequences, (B, ...), as they were when the rows before were last learned from."""
        return self.rssm.remembered(batch)

    def led_by(self, batch: Batch) -> Tensor:
        """The actions (B, T, A) that led to each observation, zeros where the state before it is not known."""
        return batch.known_prev_action()

    def loss(self, batch: Batch, noise: Tensor) -> tuple[Tensor, State, dict[str, Tensor]]:
        """Loss of replayed sequences (equations 2 to 4 of the paper).

        Args:
            batch: sequences (B, T, ...).
            noise: (B, T, S) in [0, 1), what the latents are drawn with.

        Returns:
            The loss, a scalar; the posterior states (B, T, ...); and each term's mean, unweighted, as tensors.
        """
        config = self.config
        targets, states, posterior, prior = filtered(self, batch, noise)
        terms = squared_errors(self.decoder(states), targets)
        terms["reward"] = self.reward.loss(*states, batch.reward).mean()
        # The discount is in what is predicted, so that imagined states need no other.
        terms["continue"] = self.continues.loss(*states, self.discount * (1.0 - batch.is_terminal)).mean()
        # The same divergence twice, with the gradient stopped on either side, so that each has its own weight.
        dynamics = self.latent.kl(posterior.detach(), prior)
        representation = self.latent.kl(posterior, prior.detach())
        terms["dynamics"] = dynamics.clamp(min=config.free_nats).mean()
        terms["representation"] = representation.clamp(min=config.free_nats).mean()
        weights = {"dynamics": config.dynamics_scale, "representation": config.representation_scale}
        loss = weighted_sum(terms, weights | {VECTORS: config.vector_scale})
        terms["kl"] = dynamics.mean()
        return loss, states, {name: term.detach() for name, term in terms.items()}
