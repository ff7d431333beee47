"""What agents with a recurrent state-space model foresee of a sequence, for whoever looks at their world models."""

import torch
from torch import Tensor

from robot_mbrl.agents.imagination import draw_noise
from robot_mbrl.world_models.batch import Batch
from robot_mbrl.world_models.open_loop import SequenceModel, open_loop


def foreseen(model: SequenceModel, batch: Batch, context: int, seed: int) -> dict[str, Tensor]:
    """See `agents.agent.Foresees` (PlaNet, figure 7)."""
    latent = model.rssm.latent
    generator = torch.Generator(batch.reward.device).manual_seed(seed)
    noise = draw_noise(latent.noise, (*batch.reward.shape, latent.stoch), batch.reward, generator)  # (B, T, S)
    with torch.no_grad():
        expected = model.encoder.observations(*open_loop(model, batch, context, noise))
    pictures = model.encoder.spec.images
    return {name: value - 0.5 if name in pictures else value for name, value in expected.items()}
