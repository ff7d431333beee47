"""What agents with a recurrent state-space model foresee of a sequence, for whoever looks at their world models."""

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor

from robot_mbrl.agents.imagination import draw_noise, latent_noise
from robot_mbrl.bundles import NoiseSpec
from robot_mbrl.world_models.batch import Batch
from robot_mbrl.world_models.sequence_model import SequenceModel, open_loop
from robot_mbrl.world_models.state import State


def foreseen(model: SequenceModel, batch: Batch, context: int, seed: int) -> dict[str, Tensor]:
    """See `agents.agent.Foresees` (PlaNet, figure 7)."""
    noise = latent_noise(model.rssm.latent, batch, torch.Generator(batch.reward.device).manual_seed(seed))
    with torch.no_grad():
        return model.encoder.observations(*open_loop(model, batch, context, noise))


def present_state(model: SequenceModel, batch: Batch) -> State:
    """The model state (B, ...) at the end of sequences, by the likeliest latents, as judged policies filter."""
    rssm = model.rssm
    embedding, actions = model.encoder(*model.encoder.targets(batch.observation)), model.led_by(batch)
    state = model.initial(batch)
    for time in range(batch.is_first.shape[1]):
        deter, statistics = rssm.filter(state, actions[:, time], batch.is_first[:, time], embedding[:, time])
        state = State(deter, rssm.latent.mode(statistics))
    return state


def followed(model: SequenceModel, state: State, act: Callable[[State], Tensor], steps: int) -> dict[str, Tensor]:
    """The vectors (B, steps, ...) that are expected where actions are chosen in states that are imagined.

    Args:
        model: the world model, each latent of which is the likeliest.
        state: where to begin, (B, ...).
        act: chooses actions (B, A) in states (B, ...).
        steps: how many.
    """
    rssm, states = model.rssm, []
    for _ in range(steps):
        deter = rssm.core.advance(state, rssm.core.drive(act(state)))
        state = State(deter, rssm.latent.mode(rssm.prior(deter)))
        states.append(state)
    if model.decoder.vectors is None:
        return {}
    deter, latent = torch.stack([s.deter for s in states], 1), torch.stack([s.latent for s in states], 1)
    return model.encoder.observations(model.decoder.vectors(*State(deter, latent)), None)


def planned(actions: Tensor) -> Callable[[State], Tensor]:
    """What `followed` acts by that goes through a plan (H, A), whatever comes of it."""
    left = iter(actions.unsqueeze(1).unbind(0))
    return lambda _: next(left)


def drawn_noise(specs: Mapping[str, NoiseSpec], device: torch.device, seed: int) -> dict[str, Tensor]:
    """Noise for one step of a policy, (1, ...), by its names: the same for the same seed."""
    generator = torch.Generator(device).manual_seed(seed)
    return {
        name: draw_noise(spec.distribution, (1, *spec.shape), torch.zeros(0, device=device), generator)
        for name, spec in specs.items()
    }


def last_told(batch: Batch, names: Iterable[str]) -> dict[str, Tensor]:
    """The goal at the end of a sequence, (1, ...), by the names of a policy's inputs."""
    return {f"goal.{name}": batch.goal[name][:, -1] for name in names}
