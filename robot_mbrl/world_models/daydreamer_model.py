"""The world model of DayDreamer (Wu et al. 2022): categorical latents, a layer-normalised GRU, a learned start."""

from torch import Tensor, nn

from robot_mbrl.agent_configs import DayDreamerConfig
from robot_mbrl.nets.convolutions import STRIDED_SIDE, StateFold, StridedEncoder, TransposedDecoder
from robot_mbrl.nets.latent_kinds import CategoricalLatent
from robot_mbrl.nets.normalisers import AdaptiveWeight
from robot_mbrl.nets.recurrence import NormGRU
from robot_mbrl.nets.scalars import Bernoulli, ScalarHead, Symlog
from robot_mbrl.nets.state_networks import StateMLP
from robot_mbrl.nets.styles import LAYER_NORM
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
from robot_mbrl.world_models.recurrent import LearnedStart, Posterior, RecurrentModel
from robot_mbrl.world_models.sequence_model import filtered, weighted_sum
from robot_mbrl.world_models.state import State

OUTPUT_SCALE = 0.1
"""What the initial variance of heads' outputs is scaled by."""


class DayDreamerModel(nn.Module):
    """Everything that is trained on replayed sequences."""

    def __init__(self, spec: ObservationSpec, action: int, config: DayDreamerConfig) -> None:
        super().__init__()
        self.config = config
        self.latent = latent = CategoricalLatent(config.stoch, config.classes, config.unimix)
        sizes = [vector.size for vector in spec.vectors.values()]
        shape = picture_shape(spec, lambda side: side == STRIDED_SIDE, "a side of 64")

        vectors = (LAYER_NORM.mlp(sum(sizes), config.units, config.layers), config.units) if sizes else None
        convolutions = StridedEncoder(*shape, config.cnn_depth, LAYER_NORM) if shape else None
        pictures = (convolutions, convolutions.size) if convolutions else None
        self.encoder = ObservationEncoder(spec, vectors, pictures, squash=bounded, unsquash=unchanged, centre=0.0)

        gru = NormGRU(config.hidden, config.deter, LAYER_NORM)
        self.rssm = RecurrentModel(
            config.deter,
            latent,
            DenseCore.of_style(latent, action, config.hidden, gru, LAYER_NORM),
            nn.Sequential(
                LAYER_NORM.mlp(config.deter, config.hidden, config.prior_layers),
                LAYER_NORM.linear(config.hidden, latent.outputs),
            ),
            Posterior(config.deter, self.encoder.size, config.hidden, latent.outputs, LAYER_NORM),
            LearnedStart(config.deter),
        )

        fold = StateFold(config.deter, latent, 4 * config.cnn_depth, LAYER_NORM) if shape else None
        self.decoder = ObservationDecoder(
            self.network(sizes, [OUTPUT_SCALE] * len(sizes)) if sizes else None,
            TransposedDecoder(fold, *shape, config.cnn_depth, LAYER_NORM, nn.Sigmoid()) if shape and fold else None,
        )
        self.reward = ScalarHead(self.network([1], [OUTPUT_SCALE]), Symlog())
        self.continues = ScalarHead(self.network([1], [OUTPUT_SCALE]), Bernoulli())
        self.kl_weight = AdaptiveWeight((), config.adaptive_factor, config.kl_weight_min, config.kl_weight_max)

    def network(self, outputs: list[int], scales: list[float]) -> StateMLP:
        """A network of this paper's that reads model states."""
        config, state = self.config, (self.config.deter, self.latent)
        return StateMLP(
            *state, units=config.units, layers=config.layers, outputs=outputs, scales=scales, style=LAYER_NORM
        )

    def initial(self, batch: Batch) -> State:
        """States before the sequences, (B, ...): none counts, since sequences begin from the learned start."""
        return self.rssm.initial(batch.is_first.shape[0])

    def led_by(self, batch: Batch) -> Tensor:
        """The actions (B, T, A) that led to each observation, zeros where the state before it is not known."""
        return batch.known_prev_action()

    def loss(self, batch: Batch, noise: Tensor) -> tuple[Tensor, State, dict[str, Tensor]]:
        """Loss of replayed sequences; as published, each term has the weight 1 but for the divergence's, which adapts.

        Args:
            batch: sequences (B, T, ...).
            noise: (B, T, S) in [0, 1), what the latents are drawn with.

        Returns:
            The loss, a scalar; the posterior states (B, T, ...); and each term's mean, unweighted, as tensors.
        """
        targets, states, posterior, prior = filtered(self, batch, noise)
        terms = squared_errors(self.decoder(states), targets)
        terms["reward"] = self.reward.loss(*states, batch.reward).mean()
        terms["continue"] = self.continues.loss(*states, 1.0 - batch.is_terminal).mean()
        terms["kl"] = self._balanced_kl(posterior, prior).mean()
        weight = self._adapted(terms["kl"])
        loss = weighted_sum(terms, {"kl": weight, VECTORS: self.config.vector_scale})
        terms["kl_weight"] = weight
        if targets[0] is not None:
            terms[VALUES_CLAMPED] = share_bounded(targets[0])
        return loss, states, {name: term.detach() for name, term in terms.items()}

    def _balanced_kl(self, posterior: Tensor, prior: Tensor) -> Tensor:
        """The same divergence (B, T) twice, with the gradient stopped on either side (DreamerV2, algorithm 2)."""
        balance = self.config.kl_balance
        towards_posterior = self.latent.kl(posterior.detach(), prior)
        towards_prior = self.latent.kl(posterior, prior.detach())
        return balance * towards_posterior + (1.0 - balance) * towards_prior

    def _adapted(self, kl: Tensor) -> Tensor:
        """The divergence's weight, once it has followed this batch's mean."""
        target, factor = self.config.kl_target, self.config.adaptive_factor
        return self.kl_weight.adapt(grow=kl > target * factor, shrink=kl < target / factor)
