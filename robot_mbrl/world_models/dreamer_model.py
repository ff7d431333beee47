"""The world model of this project's own Dreamer: one encoder and decoder for each camera, whatever its size.

Several vectors and pictures are fused into one embedding and all are reconstructed (DayDreamer, section 2).
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from robot_mbrl.agent_configs import DreamerConfig
from robot_mbrl.nets.heads import StateHead
from robot_mbrl.nets.images import ImageDecoder, ImageEncoder, normalise_pixels
from robot_mbrl.nets.initial import truncated_normal
from robot_mbrl.nets.latent_kinds import CategoricalLatent
from robot_mbrl.nets.latents import OneHotLinear
from robot_mbrl.nets.layers import MLP, BlockGRU, NormAct, linear
from robot_mbrl.nets.scalars import Bernoulli, ScalarHead, UnitNormal
from robot_mbrl.nets.scaling import VectorScaling
from robot_mbrl.specs import ObservationSpec
from robot_mbrl.world_models.batch import Batch
from robot_mbrl.world_models.cores import DenseCore
from robot_mbrl.world_models.observations import VALUES_CLAMPED, share_bounded
from robot_mbrl.world_models.recurrent import RecurrentModel, SplitPosterior, ZeroStart
from robot_mbrl.world_models.sequence_model import filtered, weighted_sum
from robot_mbrl.world_models.state import State


class Encoder(nn.Module):
    """Observations to embeddings: one MLP over all scaled vectors, one convolution per camera, concatenated."""

    def __init__(self, spec: ObservationSpec, config: DreamerConfig) -> None:
        super().__init__()
        self.spec = spec
        self.size = 0
        if spec.vectors:
            self.scaling = VectorScaling(spec)
            self.vectors = MLP(len(spec.element_names), config.units, config.layers)
            self.size += config.units
        encoders = {name: ImageEncoder(image, config.cnn_depth) for name, image in spec.images.items()}
        self.images = nn.ModuleDict(encoders)
        self.size += sum(encoder.size for encoder in encoders.values())

    def targets(self, observation: Mapping[str, Tensor]) -> tuple[Tensor | None, dict[str, Tensor]]:
        """What is encoded and reconstructed: the scaled vectors (..., V), bounded, and the normalised pictures."""
        vectors = None
        if self.spec.vectors:
            vectors = self.scaling(torch.cat([observation[name] for name in self.spec.vectors], -1))
        return vectors, {name: normalise_pixels(observation[name]) for name in self.spec.images}

    def observations(self, vectors: Tensor | None, pictures: Mapping[str, Tensor] | None) -> dict[str, Tensor]:
        """By name what targets stand for: vectors in physical units, and pictures as they are."""
        named = dict(pictures or {})
        if vectors is not None:
            sizes = [vector.size for vector in self.spec.vectors.values()]
            values = self.scaling.physical(vectors)
            named |= dict(zip(self.spec.vectors, torch.split(values, sizes, -1), strict=True))
        return named

    def measure(self, observation: Mapping[str, Tensor]) -> None:
        """Take vectors that are learned from into the scales that nobody has given."""
        if self.spec.vectors and self.scaling.measures:
            self.scaling.measure(torch.cat([observation[name] for name in self.spec.vectors], -1))

    def forward(self, vectors: Tensor | None, images: Mapping[str, Tensor]) -> Tensor:
        """Embeddings (..., E) of what `targets` returned."""
        parts = [] if vectors is None else [self.vectors(vectors)]
        for name, encoder in self.images.items():
            picture = images[name]
            features = encoder(picture.reshape(-1, *picture.shape[-3:]))
            parts.append(features.view(*picture.shape[:-3], -1))
        return torch.cat(parts, -1) if len(parts) > 1 else parts[0]


class Decoder(nn.Module):
    """Model states to reconstructions of what `Encoder.targets` returned."""

    def __init__(self, spec: ObservationSpec, config: DreamerConfig) -> None:
        super().__init__()
        state = (config.deter, config.stoch, config.classes)
        size = sum(vector.size for vector in spec.vectors.values())
        self.vectors = StateHead(*state, units=config.units, layers=config.layers, outputs=size) if size else None
        self.image_state = (
            StateHead(*state, units=config.units, layers=1, outputs=config.units) if spec.images else None
        )
        self.images = nn.ModuleDict(
            {name: ImageDecoder(image, config.cnn_depth, config.units) for name, image in spec.images.items()}
        )

    def forward(self, state: State) -> tuple[Tensor | None, dict[str, Tensor]]:
        """Reconstructed scaled vectors (..., V) and normalised pictures (..., height, width, channels)."""
        vectors = None if self.vectors is None else self.vectors(*state)
        images = {}
        if self.image_state is not None:
            features = self.image_state(*state)
            for name, decoder in self.images.items():
                picture = decoder(features.reshape(-1, features.shape[-1]))
                images[name] = picture.view(*features.shape[:-1], *picture.shape[1:])
        return vectors, images


class DreamerModel(nn.Module):
    """Everything that is trained on replayed sequences, but for the critic."""

    def __init__(self, spec: ObservationSpec, action: int, config: DreamerConfig) -> None:
        super().__init__()
        self.config = config
        self.latent = CategoricalLatent(config.stoch, config.classes, config.unimix)
        self.encoder = Encoder(spec, config)
        self.rssm = self._rssm(action)
        self.decoder = Decoder(spec, config)
        self.reward = ScalarHead(self.network(config.head_layers, 1, scale=0.0), UnitNormal())
        self.continues = ScalarHead(self.network(config.head_layers, 1), Bernoulli())

    def _rssm(self, action: int) -> RecurrentModel:
        """Categorical latents, and a block GRU whose gates are normalised (DreamerV2, DreamerV3)."""
        config, latent, hidden, deter = self.config, self.latent, self.config.hidden, self.config.deter
        core = DenseCore(
            OneHotLinear(config.stoch, config.classes, hidden),
            linear(action, hidden),
            NormAct(hidden),
            BlockGRU(hidden, deter, config.blocks),
        )
        prior = nn.Sequential(MLP(deter, hidden, 1), linear(hidden, latent.outputs))
        of_deter = linear(deter, hidden)
        of_embedding = nn.Linear(self.encoder.size, hidden, bias=False)
        truncated_normal(of_embedding.weight, self.encoder.size**-0.5)
        rest = nn.Sequential(NormAct(hidden), linear(hidden, latent.outputs))
        return RecurrentModel(deter, latent, core, prior, SplitPosterior(of_deter, of_embedding, rest), ZeroStart())

    def network(self, layers: int, outputs: int, scale: float = 1.0) -> StateHead:
        """A network of this agent's that reads model states; `scale` is that of the outputs' initial weights."""
        config, state = self.config, (self.config.deter, self.config.stoch, self.config.classes)
        return StateHead(*state, units=config.units, layers=layers, outputs=outputs, output_scale=scale)

    def initial(self, batch: Batch) -> State:
        """States before the sequences, (B, ...), as they were when the rows before were last learned from."""
        return self.rssm.remembered(batch)

    def led_by(self, batch: Batch) -> Tensor:
        """The actions (B, T, A) that led to each observation, zeros where the state before it is not known."""
        return batch.known_prev_action()

    def loss(self, batch: Batch, noise: Tensor) -> tuple[Tensor, State, dict[str, Tensor]]:
        """Loss of replayed sequences (DreamerV3, equations 2-4, with squared errors as in DayDreamer).

        Args:
            batch: sequences (B, T, ...).
            noise: (B, T, S) in [0, 1), what the latents are drawn with.

        Returns:
            The loss, a scalar; the posterior states (B, T, ...); and each term's mean, unweighted, as tensors.
        """
        config = self.config
        self.encoder.measure(batch.observation)
        (vectors, images), states, posterior, prior = filtered(self, batch, noise)
        predicted_vectors, predicted_images = self.decoder(states)

        terms: dict[str, Tensor] = {}
        weights = {"reward": config.reward_scale, "continue": config.continue_scale, "vectors": config.vector_scale}
        weights |= {"dynamics": config.dynamics_scale, "representation": config.representation_scale}
        if vectors is not None and predicted_vectors is not None:
            terms["vectors"] = 0.5 * (predicted_vectors - vectors).square().sum(-1).mean()
        for name, picture in images.items():
            terms[f"image_{name}"] = 0.5 * (predicted_images[name] - picture).square().sum((-3, -2, -1)).mean()
            weights[f"image_{name}"] = config.image_scale
        terms["reward"] = self.reward.loss(*states, batch.reward).mean()
        terms["continue"] = self.continues.loss(*states, 1.0 - batch.is_terminal).mean()
        # The same divergence twice, with the gradient stopped on either side, so that each has its own weight.
        dynamics = self.latent.kl(posterior.detach(), prior)
        representation = self.latent.kl(posterior, prior.detach())
        terms["dynamics"] = dynamics.clamp(min=config.free_nats).mean()
        terms["representation"] = representation.clamp(min=config.free_nats).mean()
        loss = weighted_sum(terms, weights)
        terms["kl"] = dynamics.mean()
        if vectors is not None:
            terms[VALUES_CLAMPED] = share_bounded(vectors)
        return loss, states, {name: term.detach() for name, term in terms.items()}
