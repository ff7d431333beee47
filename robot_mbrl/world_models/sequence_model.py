"""What all world models of sequences have in common, and what is done alike with whichever it is.

Shapes: B batch, T time, S latent variables; see docs/tensor_shapes.md.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from robot_mbrl.specs import ObservationSpec
from robot_mbrl.world_models.batch import Batch
from robot_mbrl.world_models.recurrent import RecurrentModel
from robot_mbrl.world_models.state import State


class Encoder(Protocol):
    """Between observations and embeddings."""

    spec: ObservationSpec

    def targets(self, observation: Mapping[str, Tensor]) -> tuple[Tensor | None, Any]:
        """What is encoded and reconstructed of an observation: vectors, and pictures in whatever form."""
        ...

    def observations(self, vectors: Tensor | None, pictures: Any) -> dict[str, Tensor]:
        """By name what targets stand for: vectors in physical units, pictures as `nets.images.normalise_pixels`'.

        None stands for what is left out.
        """
        ...

    def __call__(self, vectors: Tensor | None, pictures: Any) -> Tensor:
        """Embeddings (..., E) of what `targets` returned."""
        ...


class Decoder(Protocol):
    """From model states to reconstructions of an encoder's targets."""

    @property
    def vectors(self) -> Any:
        """The network of the vectors alone, in single precision or the model's own; None where there are none."""
        ...

    def __call__(self, state: State) -> tuple[Tensor | None, Any]:
        """Reconstructed vectors (..., V) and pictures."""
        ...


class SequenceModel(Protocol):
    """A world model that filters sequences and reconstructs them."""

    @property
    def encoder(self) -> Encoder:
        """Of observations."""
        ...

    @property
    def rssm(self) -> RecurrentModel:
        """Of model states."""
        ...

    @property
    def decoder(self) -> Decoder:
        """Of model states."""
        ...

    def initial(self, batch: Batch) -> State:
        """States before the sequences, (B, ...)."""
        ...

    def led_by(self, batch: Batch) -> Tensor:
        """The actions (B, T, A) that led to each observation, as the model takes them."""
        ...


class Filtered(NamedTuple):
    """Sequences as a model understands them."""

    targets: tuple[Tensor | None, Any]
    """What of them is to be reconstructed; see `Encoder.targets`."""
    states: State
    """Posterior states (B, T, ...)."""
    posterior: Tensor
    """Statistics of their latents, (B, T, S, n)."""
    prior: Tensor
    """The same before each observation was seen."""


def filtered(model: SequenceModel, batch: Batch, noise: Tensor) -> Filtered:
    """Filter sequences (B, T, ...), drawing latents with noise (B, T, S)."""
    targets = model.encoder.targets(batch.observation)
    embedding = model.encoder(*targets)
    return Filtered(
        targets, *model.rssm.observe(embedding, model.led_by(batch), batch.is_first, model.initial(batch), noise)
    )


def weighted_sum(terms: Mapping[str, Tensor], weights: Mapping[str, Tensor | float]) -> Tensor:
    """The sum of a loss's terms, scalars, each times its weight; 1 for those that have none."""
    return torch.stack([weights.get(name, 1.0) * term for name, term in terms.items()]).sum()


def open_loop(model: SequenceModel, batch: Batch, context: int, noise: Tensor) -> tuple[Tensor | None, Any]:
    """What a model expects to observe once it sees no more (PlaNet, figure 7).

    Args:
        model: the world model.
        batch: sequences (B, T, ...).
        context: how many observations are seen; of actions, all are.
        noise: (B, T, S), what the latents are drawn with.

    Returns:
        Reconstructions of all T steps, as the model's decoder gives them.
    """
    seen = slice(0, context)
    observed = {name: values[:, seen] for name, values in batch.observation.items()}
    embedding = model.encoder(*model.encoder.targets(observed))
    actions = model.led_by(batch)
    states, _, _ = model.rssm.observe(
        embedding, actions[:, seen], batch.is_first[:, seen], model.initial(batch), noise[:, seen]
    )
    reached = [State(states.deter[:, time], states.latent[:, time]) for time in range(context)]
    for time in range(context, batch.is_first.shape[1]):
        reached.append(model.rssm.imagine(reached[-1], actions[:, time], noise[:, time]))
    deter, latent = torch.stack([s.deter for s in reached], 1), torch.stack([s.latent for s in reached], 1)
    return model.decoder(State(deter, latent))
