"""What a world model expects to observe once it sees no more (PlaNet, figure 7), whichever model it is."""

from typing import Protocol

import torch
from torch import Tensor

from robot_mbrl.world_models.batch import Batch
from robot_mbrl.world_models.observations import ObservationDecoder, ObservationEncoder, Targets
from robot_mbrl.world_models.recurrent import RecurrentModel
from robot_mbrl.world_models.rssm import State


class SequenceModel(Protocol):
    """A world model that filters sequences and reconstructs them."""

    encoder: ObservationEncoder
    rssm: RecurrentModel
    decoder: ObservationDecoder

    def initial(self, batch: Batch) -> State:
        """States before the sequences, (B, ...)."""
        ...

    def led_by(self, batch: Batch) -> Tensor:
        """The actions (B, T, A) that led to each observation, as the model takes them."""
        ...


def open_loop(model: SequenceModel, batch: Batch, context: int, noise: Tensor) -> Targets:
    """Reconstructions of sequences of which only the first `context` observations are seen, and all actions.

    Args:
        model: the world model.
        batch: sequences (B, T, ...).
        context: how many observations are seen.
        noise: (B, T, S), what the latents are drawn with.

    Returns:
        As `ObservationDecoder.forward`, of all T steps.
    """
    seen = slice(0, context)
    observed = {name: values[:, seen] for name, values in batch.observation.items()}
    embedding = model.encoder(*model.encoder.targets(observed))
    actions = model.led_by(batch)
    filtered, _, _ = model.rssm.observe(
        embedding, actions[:, seen], batch.is_first[:, seen], model.initial(batch), noise[:, seen]
    )
    states = [State(filtered.deter[:, time], filtered.latent[:, time]) for time in range(context)]
    for time in range(context, batch.is_first.shape[1]):
        states.append(model.rssm.imagine(states[-1], actions[:, time], noise[:, time]))
    deter, latent = torch.stack([s.deter for s in states], 1), torch.stack([s.latent for s in states], 1)
    reconstruction: Targets = model.decoder(State(deter, latent))
    return reconstruction
