"""What the world model expects beside what came: of a replayed sequence it sees the beginning, and all actions.

The plainest way to tell whether a world model is any good is to look at it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from robot_mbrl.agents.agent import Foresees
from robot_mbrl.errors import ExperienceError
from robot_mbrl.experience.draws import Sequences
from robot_mbrl.learning.learner import Learner
from robot_mbrl.nets.images import normalise_pixels, to_grey_levels
from robot_mbrl.specs import ObservationSpec
from robot_mbrl.world_models.batch import Batch

CONTEXT, LENGTH = 5, 50
"""Observations that are seen, and steps in all."""
CANDIDATES = 64
"""Sequences that one is chosen from which lies within an episode."""
COLUMNS = 10
"""Moments of which pictures are shown."""
PANEL_INCHES, DOTS_PER_INCH = (7.0, 1.1), 100
OBSERVED, EXPECTED = "#333333", "#c8501e"
FILM_SCALE, FRAME_MS = 3, 100


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
    drawn = Sequences(CANDIDATES, LENGTH).read(learner.replay, np.random.default_rng(seed))
    within = np.flatnonzero(drawn["is_first"][:, 1:].sum(1) == 0)
    if not within.size:
        raise ExperienceError(f"no episode of {LENGTH} steps was found: a prediction needs one")
    batch = Batch.of({name: values[within[:1]] for name, values in drawn.items()}, learner.device)
    observed, expected = batch.observation, learner.agent.foresee(batch, CONTEXT, seed)
    spec = learner.config.observation_spec()
    return Prediction(
        names=spec.element_names,
        values=(_values(observed, spec), _values(expected, spec)),
        images={name: (_look(normalise_pixels(observed[name])), _look(expected[name])) for name in spec.images},
        step_s=learner.config.step_s,
    )


def draw(prediction: Prediction) -> np.ndarray:
    """A picture of it, uint8, shape (height, width, 3): strips of camera pictures and a panel for each value."""
    # Not at the top: drawing takes a second to load, and most learners are never asked to.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = 2 * len(prediction.images) + len(prediction.names)
    figure = Figure(figsize=(PANEL_INCHES[0], PANEL_INCHES[1] * rows), dpi=DOTS_PER_INCH, layout="constrained")
    panels = iter(np.atleast_1d(figure.subplots(rows, 1)))
    moments = np.linspace(0, LENGTH - 1, COLUMNS).round().astype(int)
    for camera, pair in prediction.images.items():
        for what, pictures in zip(("observed", "expected"), pair, strict=True):
            panel = next(panels)
            panel.imshow(np.concatenate(list(pictures[moments]), 1).squeeze(), cmap="gray", vmin=0, vmax=255)
            panel.set_title(f"{camera}, {what}", fontsize=8)
            panel.set_axis_off()
    seconds = np.arange(LENGTH) * prediction.step_s
    for index, name in enumerate(prediction.names):
        panel = next(panels)
        panel.plot(seconds, prediction.values[0][:, index], color=OBSERVED, label="observed")
        panel.plot(seconds, prediction.values[1][:, index], color=EXPECTED, linestyle="--", label="expected")
        panel.axvline((CONTEXT - 1) * prediction.step_s, color="grey", linewidth=0.8)
        panel.set_ylabel(name, fontsize=7)
        panel.tick_params(labelsize=7)
        if index == 0:
            panel.legend(fontsize=7, loc="upper right", ncols=2)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    picture: np.ndarray = np.asarray(canvas.buffer_rgba())[..., :3].copy()  # type: ignore[no-untyped-call]
    return picture


def film(prediction: Prediction, path: Path) -> None:
    """Write an animated GIF: each camera's pictures, observed above expected."""
    from PIL import Image

    columns = [np.concatenate(pair, 1) for pair in prediction.images.values()]
    tallest = max(column.shape[1] for column in columns)
    columns = [np.pad(c, ((0, 0), (0, tallest - c.shape[1]), (0, 0), (0, 0))) for c in columns]
    frames = np.concatenate([np.broadcast_to(c, (*c.shape[:3], 3)) for c in columns], 2)
    frames = frames.repeat(FILM_SCALE, 1).repeat(FILM_SCALE, 2)
    first, *others = (Image.fromarray(frame) for frame in frames)
    first.save(path, save_all=True, append_images=others, duration=FRAME_MS, loop=0)


def _values(observation: Mapping[str, torch.Tensor], spec: ObservationSpec) -> np.ndarray:
    """All vectors' values of one sequence, (T, V)."""
    parts = [observation[name][0].cpu().numpy() for name in spec.vectors]
    return np.concatenate(parts, -1) if parts else np.zeros((LENGTH, 0), np.float32)


def _look(normalised: torch.Tensor) -> np.ndarray:
    return to_grey_levels(normalised[0]).cpu().numpy()
