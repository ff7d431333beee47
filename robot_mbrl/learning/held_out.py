"""How wrong an agent's model is about episodes that it has not learned from."""

from collections.abc import Mapping

import numpy as np
import torch

from robot_mbrl.agents.agent import Agent, Foresees
from robot_mbrl.experience.draws import Sequences
from robot_mbrl.experience.replay import Replay
from robot_mbrl.nets.images import normalise_pixels
from robot_mbrl.world_models.batch import Batch

CONTEXT, LENGTH = 5, 20
"""Observations that are seen, and steps in all, of each sequence."""
SEQUENCES = 256
"""Sequences that are drawn; those that cross an episode's end are left out."""
LOSS = "held_out_loss"


def held_out_loss(agent: Agent, replay: Replay, device: torch.device, seed: int = 0) -> dict[str, float]:
    """Open-loop prediction error on held-out sequences, always the same ones for a replay and a seed.

    The model sees the first observations, and all actions. Errors are squared and divided by the variance of what was
    observed: 0 is perfect, 1 is no better than always expecting the mean. What never changes is left out.

    Args:
        agent: what is judged; nothing of it changes.
        replay: what was held out.
        device: the agent's.
        seed: of the sequences.

    Returns:
        `held_out_loss`, the mean over all that is observed, and the same for each name (`held_out_loss.<name>`); {} if
        the agent foresees nothing, or no held-out episode is long enough.
    """
    if not isinstance(agent, Foresees) or len(replay) < LENGTH:
        return {}
    drawn = Sequences(SEQUENCES, LENGTH).read(replay, np.random.default_rng(seed))
    within = drawn["is_first"][:, 1:].sum(1) == 0
    if not within.any():
        return {}
    batch = Batch.of({name: values[within] for name, values in drawn.items()}, device)
    expected = agent.foresee(batch, CONTEXT, seed)
    losses = {name: _share(batch.observation[name], expected[name]) for name in batch.observation}
    known = {name: loss for name, loss in losses.items() if loss is not None}
    named = {f"{LOSS}.{name}": loss for name, loss in known.items()}
    return {LOSS: sum(known.values()) / len(known), **named} if known else {}


def _share(observed: torch.Tensor, expected: torch.Tensor) -> float | None:
    """Squared error as a share of the variance, (B, T, ...), after the context; None if nothing varies."""
    truth = normalise_pixels(observed) if observed.dtype in (torch.uint8, torch.uint16) else observed
    picture = truth.ndim > 3
    truth, guess = (x[:, CONTEXT:].flatten(0, 1).double().cpu() for x in (truth, expected))  # (N, ...)
    variance, error = truth.var(0, correction=0), (guess - truth).square().mean(0)
    if picture:  # Most pixels hardly change: pooled, those that do count.
        variance, error = variance.mean(), error.mean()
    varies = variance > 1e-9
    return float((error[varies] / variance[varies]).mean()) if bool(varies.any()) else None


def as_text(losses: Mapping[str, float]) -> str:
    """The loss in words."""
    return f"held-out loss {losses[LOSS]:.3f}" if LOSS in losses else "nothing held out"
