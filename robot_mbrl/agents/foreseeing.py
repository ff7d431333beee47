"""What agents with a recurrent state-space model foresee of a sequence, for whoever looks at their world models."""

import torch
from torch import Tensor

from robot_mbrl.agents.imagination import latent_noise
from robot_mbrl.world_models.batch import Batch
from robot_mbrl.world_models.sequence_model import SequenceModel, open_loop


def foreseen(model: SequenceModel, batch: Batch, context: int, seed: int) -> dict[str, Tensor]:
    """See `agents.agent.Foresees` (PlaNet, figure 7)."""
    noise = latent_noise(model.rssm.latent, batch, torch.Generator(batch.reward.device).manual_seed(seed))
    with torch.no_grad():
        return model.encoder.observations(*open_loop(model, batch, context, noise))
