"""The world model of Dreamer v1 (Hafner et al. 2020): Gaussian latents, a plain GRU, unit-variance reconstructions."""

import torch
from torch import Tensor, nn

from robot_mbrl.agent_configs import DreamerV1Config
from robot_mbrl.nets.convolutions import STRIDED_SIDE, DenseFold, StridedEncoder, TransposedDecoder
from robot_mbrl.nets.latent_kinds import GaussianLatent
from robot_mbrl.nets.recurrence import PlainGRU
from robot_mbrl.nets.scalars import Bernoulli, ScalarHead, UnitNormal
from robot_mbrl.nets.state_networks import StateMLP
from robot_mbrl.nets.styles import KERAS
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
from robot_mbrl.world_models.rssm import State

_CENTRE = 0.5
"""Of pixels in [0, 1]: networks see and make them less this."""


class ConstantDiscount(nn.Module):
    """The same discount everywhere: episodes do not end."""

    def __init__(self, discount: float) -> None:
        super().__init__()
        self.discount = discount

    def mean(self, deter: Tensor, latent: Tensor, carried: Tensor | None = None) -> Tensor:
        """The discount (...) of states (..., D)."""
        return torch.full_like(deter[..., 0], self.discount)


class DreamerV1Model(nn.Module):
    """Everything that is trained on replayed sequences."""

    def __init__(self, spec: ObservationSpec, action: int, config: DreamerV1Config) -> None:
        super().__init__()
        self.config = config
        self.latent = latent = GaussianLatent(config.stoch, config.min_std)
        size = sum(vector.size for vector in spec.vectors.values())
        shape = picture_shape(spec, lambda side: side == STRIDED_SIDE, "a side of 64")

        vectors = (KERAS.mlp(size, config.units, config.vector_layers), config.units) if size else None
        convolutions = StridedEncoder(*shape, config.cnn_depth, KERAS) if shape else None
        pictures = (convolutions, convolutions.size) if convolutions else None
        self.encoder = ObservationEncoder(spec, vectors, pictures, squash=bounded, unsquash=unchanged, centre=_CENTRE)

        gru = PlainGRU(config.hidden, config.deter, KERAS)
        self.rssm = RecurrentModel(
            config.deter,
            latent,
            DenseCore(latent, action, config.hidden, gru, KERAS),
            nn.Sequential(KERAS.hidden(config.deter, config.hidden), KERAS.linear(config.hidden, latent.outputs)),
            Posterior(config.deter, self.encoder.size, config.hidden, latent.outputs, KERAS),
            ZeroStart(),
        )

        fold = DenseFold(config.deter, latent, 32 * config.cnn_depth, 4 * config.cnn_depth, KERAS) if shape else None
        self.decoder = ObservationDecoder(
            self.network(config.vector_layers, size) if size else None,
            TransposedDecoder(fold, *shape, config.cnn_depth, KERAS, nn.Identity()) if shape and fold else None,
            _CENTRE,
        )
        self.reward = ScalarHead(self.network(config.reward_layers, 1), UnitNormal())
        self.discount: ScalarHead | ConstantDiscount = ConstantDiscount(config.discount)
        if config.predict_continue:
            self.discount = ScalarHead(self.network(config.continue_layers, 1), Bernoulli())

    def network(self, layers: int, outputs: int) -> StateMLP:
        """A network of this paper's that reads model states."""
        config = self.config
        return StateMLP(
            config.deter, self.latent, units=config.units, layers=layers, outputs=(outputs,), scales=(1.0,), style=KERAS
        )

    def initial(self, batch: Batch) -> State:
        """States before the sequences, (B, ...): sequences begin from zero."""
        return self.rssm.initial(batch.is_first.shape[0])

    def led_by(self, batch: Batch) -> Tensor:
        """The actions (B, T, A) that led to each observation, also where the state before it is not known."""
        return batch.prev_action

    def loss(self, batch: Batch, noise: Tensor) -> tuple[Tensor, State, dict[str, Tensor]]:
        """Loss of replayed sequences (equation 10 of the paper).

        Args:
            batch: sequences (B, T, ...).
            noise: (B, T, S), standard normal, what the latents are drawn with.

        Returns:
            The loss, a scalar; the posterior states (B, T, ...); and each term's mean, unweighted, as tensors.
        """
        config = self.config
        targets = self.encoder.targets(batch.observation)
        embedding = self.encoder(*targets)
        states, posterior, prior = self.rssm.observe(
            embedding, self.led_by(batch), batch.is_first, self.initial(batch), noise
        )
        terms = {name: 0.5 * error for name, error in squared_errors(self.decoder(states), targets).items()}
        terms["reward"] = self.reward.loss(*states, batch.reward).mean()
        terms["kl"] = self.latent.kl(posterior, prior).mean()
        weighted = terms | {"kl": config.kl_scale * terms["kl"].clamp(min=config.free_nats)}
        if VECTORS in terms:
            weighted[VECTORS] = config.vector_scale * terms[VECTORS]
        if isinstance(self.discount, ScalarHead):
            target = config.discount * (1.0 - batch.is_terminal)
            terms["continue"] = self.discount.loss(*states, target).mean()
            weighted["continue"] = config.continue_scale * terms["continue"]
        loss = torch.stack(list(weighted.values())).sum()
        if targets[0] is not None:
            terms[VALUES_CLAMPED] = share_bounded(targets[0])
        return loss, states, {name: term.detach() for name, term in terms.items()}
