"""What the world model expects beside what came: of a replayed sequence it sees the beginning, and all actions.

The plainest way to tell whether a world model is any good is to look at it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from robot_mbrl.agents.agent import Foresees
from robot_mbrl.errors import ExperienceError
from robot_mbrl.experience.draws import read_sequences
from robot_mbrl.learning.learner import Learner
from robot_mbrl.nets.images import normalise_pixels, to_grey_levels
from robot_mbrl.specs import ObservationSpec
from robot_mbrl.world_models.batch import Batch

CONTEXT, LENGTH = 5, 50
"""Observations that are seen, and steps in all."""


@dataclass(frozen=True)
class Prediction:
    """One sequence of T steps, observed and expected."""

    names: tuple[str, ...]
    """Of the V observed values."""
    values: tuple[np.ndarray, np.ndarray]
    """Observed and expected, each (T, V), in physical units."""
    images: dict[str, tuple[np.ndarray, np.ndarray]]
    """Observed and expected by camera, each (T, height, width, channels), uint8."""
    step_s: float


def predict(learner: Learner, seed: int) -> Prediction:
    """Let the model foresee a sequence that the robot lived through.

    Args:
        learner: whose model and replay; nothing of it changes.
        seed: which sequence.

    Raises:
        ExperienceError: if the agent has no such model, or no episode in the replay is long enough.
    """
    if not isinstance(learner.agent, Foresees):
        raise ExperienceError(f"an agent of the family {learner.config.agent.family!r} foresees no observations")
    if len(learner.replay) < LENGTH:
        raise ExperienceError(
            f"only {len(learner.replay)} steps were lived: a prediction needs {LENGTH} of one episode"
        )
    starts = learner.replay.unbroken(LENGTH)
    if not starts.size:
        raise ExperienceError(f"there is no episode of {LENGTH} steps yet: a prediction needs one")
    start = np.random.default_rng(seed).choice(starts, 1)
    batch = Batch.of(read_sequences(learner.replay, start, LENGTH), learner.device)
    observed, expected = batch.observation, learner.agent.foresee(batch, CONTEXT, seed)
    spec = learner.config.observation_spec()
    return Prediction(
        names=spec.element_names,
        values=(_values(observed, spec), _values(expected, spec)),
        images={name: (_look(normalise_pixels(observed[name])), _look(expected[name])) for name in spec.images},
        step_s=learner.config.step_s,
    )


def _values(observation: Mapping[str, torch.Tensor], spec: ObservationSpec) -> np.ndarray:
    """All vectors' values of one sequence, (T, V)."""
    parts = [observation[name][0].cpu().numpy() for name in spec.vectors]
    return np.concatenate(parts, -1) if parts else np.zeros((LENGTH, 0), np.float32)


def _look(normalised: torch.Tensor) -> np.ndarray:
    return to_grey_levels(normalised[0]).cpu().numpy()
