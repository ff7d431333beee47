"""The world model: encoder, RSSM, decoder, reward and continue heads, and the loss that trains them together.

Several vectors and pictures are fused into one embedding and all are reconstructed (DayDreamer, section 2).
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robot_mbrl.agent_configs import DreamerConfig
from robot_mbrl.nets.heads import StateHead
from robot_mbrl.nets.images import ImageDecoder, ImageEncoder, normalise_pixels
from robot_mbrl.nets.latents import categorical_kl
from robot_mbrl.nets.layers import MLP
from robot_mbrl.nets.scaling import VectorScaling
from robot_mbrl.specs import VALUE_BOUND, ObservationSpec
from robot_mbrl.world_models.batch import Batch
from robot_mbrl.world_models.rssm import RSSM, State


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


class WorldModel(nn.Module):
    """Everything that is trained on lived experience."""

    def __init__(self, spec: ObservationSpec, action: int, config: DreamerConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(spec, config)
        self.rssm = RSSM(config, self.encoder.size, action)
        self.decoder = Decoder(spec, config)
        state = (config.deter, config.stoch, config.classes)
        self.reward = StateHead(*state, units=config.units, layers=config.head_layers, outputs=1, output_scale=0.0)
        self.continues = StateHead(*state, units=config.units, layers=config.head_layers, outputs=1)

    def open_loop(
        self, batch: Batch, initial: State, context: int, uniform: Tensor
    ) -> tuple[Tensor | None, dict[str, Tensor]]:
        """What the model expects to observe, once it sees no more (PlaNet, figure 7).

        Args:
            batch: sequences (B, T, ...), of which the first `context` observations are seen, and all actions.
            initial: model states before them, (B, ...).
            context: how many observations are seen.
            uniform: (B, T, S) in [0, 1), what the latents are drawn with.

        Returns:
            As `Decoder.forward`: scaled vectors (B, T, V) and normalised pictures (B, T, height, width, channels).
        """
        seen = slice(0, context)
        embedding = self.encoder(*self.encoder.targets({k: v[:, seen] for k, v in batch.observation.items()}))
        filtered, _ = self.rssm.observe(
            embedding, batch.prev_action[:, seen], batch.is_first[:, seen], initial, uniform[:, seen]
        )
        states = [State(filtered.deter[:, time], filtered.latent[:, time]) for time in range(context)]
        for time in range(context, batch.is_first.shape[1]):
            states.append(self.rssm.imagine(states[-1], batch.prev_action[:, time], uniform[:, time]))
        deter, latent = torch.stack([s.deter for s in states], 1), torch.stack([s.latent for s in states], 1)
        reconstruction: tuple[Tensor | None, dict[str, Tensor]] = self.decoder(State(deter, latent))
        return reconstruction

    def loss(self, batch: Batch, initial: State, uniform: Tensor) -> tuple[Tensor, State, dict[str, Tensor]]:
        """Loss of replayed sequences (DreamerV3, equations 2-4, with squared errors as in DayDreamer).

        Args:
            batch: sequences (B, T, ...).
            initial: model states before them, (B, ...).
            uniform: (B, T, S) in [0, 1), what the latents are drawn with.

        Returns:
            The loss, a scalar; the posterior states (B, T, ...); and each term's mean, unweighted, as tensors.
        """
        config = self.config
        self.encoder.measure(batch.observation)
        vectors, images = self.encoder.targets(batch.observation)
        embedding = self.encoder(vectors, images)
        posterior, prior = self.rssm.observe(embedding, batch.prev_action, batch.is_first, initial, uniform)
        assert posterior.probs is not None
        predicted_vectors, predicted_images = self.decoder(posterior)

        terms: dict[str, Tensor] = {}
        scales: dict[str, float] = {}
        if vectors is not None and predicted_vectors is not None:
            terms["vectors"] = 0.5 * (predicted_vectors - vectors).square().sum(-1).mean()
            scales["vectors"] = config.vector_scale
        for name, picture in images.items():
            terms[f"image_{name}"] = 0.5 * (predicted_images[name] - picture).square().sum((-3, -2, -1)).mean()
            scales[f"image_{name}"] = config.image_scale
        terms["reward"] = 0.5 * (self.reward(*posterior).squeeze(-1) - batch.reward).square().mean()
        scales["reward"] = config.reward_scale
        logits = self.continues(*posterior).squeeze(-1)
        terms["continue"] = F.binary_cross_entropy_with_logits(logits, 1.0 - batch.is_terminal)
        scales["continue"] = config.continue_scale
        # The same divergence twice, with the gradient stopped on either side, so that each has its own weight.
        dynamics = categorical_kl(posterior.probs.detach(), prior)
        representation = categorical_kl(posterior.probs, prior.detach())
        terms["dynamics"] = dynamics.clamp(min=config.free_nats).mean()
        scales["dynamics"] = config.dynamics_scale
        terms["representation"] = representation.clamp(min=config.free_nats).mean()
        scales["representation"] = config.representation_scale
        loss = torch.stack([scales[name] * term for name, term in terms.items()]).sum()
        terms["kl"] = dynamics.mean()
        if vectors is not None:
            terms["values_clamped"] = (vectors.abs() >= VALUE_BOUND).float().mean()
        return loss, posterior, {name: term.detach() for name, term in terms.items()}
