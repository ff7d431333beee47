"""Between observations and what networks read: all vectors as one, all pictures as one, their channels side by side."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from robot_mbrl.errors import ConfigError
from robot_mbrl.nets.images import unit_pixels
from robot_mbrl.nets.precision import at_least_single
from robot_mbrl.nets.state_networks import StateMLP
from robot_mbrl.specs import VALUE_BOUND, ObservationSpec
from robot_mbrl.world_models.state import State

VECTORS = "vectors"
"""The term of a model's loss that is the error of all vectors."""
VALUES_CLAMPED = "values_clamped"
"""The metric that is the share of values so bounded."""
CAUTIONS = {
    VALUES_CLAMPED: f"observed values are more than {VALUE_BOUND:.0f} times their scale, and are clamped there; "
    "correct the scales of the vectors in the robot's YAML, or look after the sensor",
}
"""What is wrong where that share is not 0, and how to mend it."""
Targets = tuple[Tensor | None, Tensor | None]
"""Vectors (..., V) and pictures (..., side, side, channels) in [0, 1]; None where there are none."""


def bounded(vectors: Tensor) -> Tensor:
    """Vectors in units of their scales as they are, but for glitches: one cannot blow up the squared errors."""
    return vectors.clamp(-VALUE_BOUND, VALUE_BOUND)


def share_bounded(vectors: Tensor) -> Tensor:
    """Share of values that `bounded` has changed, or would have."""
    return (vectors.abs() >= VALUE_BOUND).float().mean()


def unchanged(vectors: Tensor) -> Tensor:
    """Vectors as they are."""
    return vectors


def squared_errors(predicted: Targets, targets: Targets) -> dict[str, Tensor]:
    """Errors of what is reconstructed: summed over values, or pixels and channels, and their mean over the sequences.

    Returns:
        Scalars by the kind of what is there: `vectors`, `pictures`.
    """
    kinds = zip((VECTORS, "pictures"), predicted, targets, ((-1,), (-3, -2, -1)), strict=True)
    return {
        kind: (guess - target).square().sum(axes).mean()
        for kind, guess, target, axes in kinds
        if guess is not None and target is not None
    }


def picture_shape(spec: ObservationSpec, fits: Callable[[int], bool], wanted: str) -> tuple[int, int] | None:
    """Side and channels of all pictures together; None if there are none.

    Args:
        spec: what is observed.
        fits: whether the agent's convolutions see pictures of this side.
        wanted: which those are, in words.

    Raises:
        ConfigError: if pictures do not fit the convolutions, or one another.
    """
    sides = set()
    for name, image in spec.images.items():
        if image.height != image.width or not fits(image.height):
            raise ConfigError(
                f"cameras.{name}.image: this agent's convolutions see square pictures with {wanted}, not "
                f"{image.height}x{image.width}: change the image's size, or choose another agent"
            )
        sides.add(image.height)
    if len(sides) > 1:
        raise ConfigError(
            f"cameras {sorted(spec.images)}: this agent lays their pictures over one another, so they must all have "
            f"the same size; give their images one height and width"
        )
    return (sides.pop(), sum(image.shape[2] for image in spec.images.values())) if sides else None


class ObservationEncoder(nn.Module):
    """Observations to embeddings: an MLP over all vectors and a convolution stack over all pictures, concatenated."""

    scales: Tensor

    def __init__(
        self,
        spec: ObservationSpec,
        vectors: tuple[nn.Module, int] | None,
        pictures: tuple[nn.Module, int] | None,
        *,
        squash: Callable[[Tensor], Tensor],
        unsquash: Callable[[Tensor], Tensor],
        centre: float,
    ) -> None:
        """Compose the encoder.

        Args:
            spec: what is observed.
            vectors: network of the vectors and its outputs; None if there are none.
            pictures: network of the pictures and its outputs; None if there are none.
            squash: applied to vectors in units of their scales, before they are encoded or reconstructed.
            unsquash: its inverse.
            centre: subtracted from pixels in [0, 1] before they are encoded.
        """
        super().__init__()
        self.spec, self.squash, self.unsquash, self.centre = spec, squash, unsquash, centre
        scales = [torch.from_numpy(vector.scales) for vector in spec.vectors.values()]
        self.register_buffer("scales", torch.cat(scales) if scales else torch.zeros(0), persistent=False)
        self.vectors = vectors[0] if vectors else None
        self.pictures = pictures[0] if pictures else None
        self.size = sum(part[1] for part in (vectors, pictures) if part)

    def targets(self, observation: Mapping[str, Tensor]) -> Targets:
        """What is encoded and reconstructed of an observation."""
        vectors = pictures = None
        if self.vectors is not None:
            values = torch.cat([observation[name] for name in self.spec.vectors], -1)
            vectors = self.squash(values / self.scales)
        if self.pictures is not None:
            pictures = torch.cat([unit_pixels(observation[name]) for name in self.spec.images], -1)
        return vectors, pictures

    def observations(self, vectors: Tensor | None, pictures: Tensor | None) -> dict[str, Tensor]:
        """By name what targets stand for: vectors in physical units, pictures as `nets.images.normalise_pixels`'."""
        named: dict[str, Tensor] = {}
        if vectors is not None:
            sizes = [vector.size for vector in self.spec.vectors.values()]
            values = self.unsquash(vectors) * self.scales
            named |= dict(zip(self.spec.vectors, torch.split(values, sizes, -1), strict=True))
        if pictures is not None:
            channels = [image.shape[2] for image in self.spec.images.values()]
            named |= dict(zip(self.spec.images, torch.split(pictures - 0.5, channels, -1), strict=True))
        return named

    def forward(self, vectors: Tensor | None, pictures: Tensor | None) -> Tensor:
        """Embeddings (..., E) of what `targets` returned."""
        parts = []
        if self.vectors is not None and vectors is not None:
            parts.append(self.vectors(vectors))
        if self.pictures is not None and pictures is not None:
            features = self.pictures(pictures.reshape(-1, *pictures.shape[-3:]) - self.centre)
            parts.append(features.view(*pictures.shape[:-3], -1))
        return torch.cat(parts, -1) if len(parts) > 1 else parts[0]


class ObservationDecoder(nn.Module):
    """Model states to reconstructions of an encoder's targets."""

    def __init__(self, vectors: StateMLP | None, pictures: nn.Module | None, centre: float = 0.0) -> None:
        """Compose the decoder.

        Args:
            vectors: network of the vectors; None if there are none.
            pictures: network of the pictures; None if there are none.
            centre: added to its outputs, to have pixels in [0, 1].
        """
        super().__init__()
        self.vectors = vectors
        self.pictures = pictures
        self.centre = centre

    def forward(self, state: State) -> Targets:
        """Reconstructed vectors (..., V) and pictures (..., side, side, channels), in at least single precision."""
        vectors = pictures = None
        if self.vectors is not None:
            vectors = at_least_single(self.vectors(*state))
        if self.pictures is not None:
            time = state.deter.shape[:-1]
            parts = (None if part is None else part.flatten(0, len(time) - 1) for part in state)
            picture = self.pictures(*parts)
            pictures = at_least_single(picture.reshape(*time, *picture.shape[1:])) + self.centre
        return vectors, pictures
